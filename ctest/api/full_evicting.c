/* SPDX-License-Identifier: BSD-2-Clause */
/* Many threads that free their oldest blocks to make room in kinds that are full all the time: all of them
 * come to an end, and when all is freed a large block fits. */
#include "pmem.h"
#include "threads.h"

enum { THREADS = 24, BLOCKS = 6000, RING = 4096, ROUNDS = 12 };

static memkind_t kinds[2];

static void *evict(void *argument)
{
    const unsigned id = *(unsigned *)argument;
    memkind_t kind = kinds[id % 2];
    void **ring = calloc(RING, sizeof(*ring));
    unsigned random = id * 7919 + 1, head = 0;

    CHECK_NOT_NULL(ring);
    for (int i = 0; i < BLOCKS; i++) {
        const size_t size = 16 + (unsigned)rand_r(&random) % 2000;
        char *block;

        for (int tries = 0; (block = memkind_malloc(kind, size)) == NULL && tries < RING; tries++) {
            memkind_free(kind, ring[head % RING]);
            ring[head++ % RING] = NULL;
        }
        memkind_free(kind, ring[head % RING]);
        ring[head++ % RING] = block;
        if (block != NULL) {
            block[0] = block[size - 1] = 1;
        }
    }
    for (int i = 0; i < RING; i++) {
        memkind_free(kind, ring[i]);
    }
    free(ring);
    return NULL;
}

static void check_evicting(void)
{
    pthread_t threads[THREADS];
    unsigned ids[THREADS];

    for (int round = 0; round < ROUNDS; round++) {
        kinds[0] = make_pmem("/dev/shm", MEMKIND_PMEM_MIN_SIZE);
        kinds[1] = make_pmem("/dev/shm", MEMKIND_PMEM_MIN_SIZE);
        for (unsigned i = 0; i < THREADS; i++) {
            ids[i] = i;
        }
        start_threads(threads, THREADS, evict, ids, sizeof(ids[0]));
        join_threads(threads, THREADS);
        CHECK_NOT_NULL(memkind_malloc(kinds[0], 12 * MIB));
        CHECK_INT(0, memkind_destroy_kind(kinds[0]));
        CHECK_INT(0, memkind_destroy_kind(kinds[1]));
    }
}

int main(void)
{
    if (original()) {
        SKIP("what threads have freed stays with their arenas, so a large block need not fit");
    }
    check_evicting();
    return 0;
}
