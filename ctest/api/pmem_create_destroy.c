/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds come and go without end: with and without blocks in them, beside the static kinds, and from
 * several threads at once. Destroying frees what is still allocated. */
#include "pmem.h"
#include "threads.h"

#define N_CYCLES 512
#define N_THREADS 10

static void check_cycles(int blocks)
{
    void *kept = memkind_malloc(MEMKIND_REGULAR, 5000);

    CHECK_NOT_NULL(kept);
    fill(kept, 5000, 1);
    for (int i = 0; i < N_CYCLES; i++) {
        memkind_t kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
        for (int j = 0; j < blocks; j++) {
            const size_t size = (size_t)8 << j % 17;
            void *block = memkind_malloc(kind, size);
            CHECK_NOT_NULL(block);
            memset(block, i, size);
            void *other = memkind_malloc(j % 2 ? MEMKIND_DEFAULT : MEMKIND_REGULAR, size);
            CHECK_NOT_NULL(other);
            memkind_free(NULL, other);
            if (j % 3 == 0) {
                memkind_free(kind, block);
            }
        }
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    CHECK(holds(kept, 5000, 1));
    memkind_free(NULL, kept);
}

static void *use_kinds(void *argument)
{
    const unsigned seed = *(unsigned *)argument;

    for (int round = 0; round < 10; round++) {
        memkind_t kinds[3];
        void *blocks[3];
        for (unsigned i = 0; i < 3; i++) {
            kinds[i] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
            blocks[i] = memkind_malloc(kinds[i], 50000);
            CHECK_NOT_NULL(blocks[i]);
            fill(blocks[i], 50000, seed + i);
        }
        for (unsigned i = 0; i < 3; i++) {
            CHECK(holds(blocks[i], 50000, seed + i));
            CHECK_PTR(kinds[i], memkind_detect_kind(blocks[i]));
            CHECK_INT(0, memkind_destroy_kind(kinds[i]));
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[N_THREADS];
    unsigned seeds[N_THREADS];

    check_cycles(0);
    check_cycles(20);
    for (unsigned i = 0; i < N_THREADS; i++) {
        seeds[i] = i * 5;
    }
    start_threads(threads, N_THREADS, use_kinds, seeds, sizeof(seeds[0]));
    join_threads(threads, N_THREADS);
    return 0;
}
