/* SPDX-License-Identifier: BSD-2-Clause */
/* Large blocks of file-backed kinds on a memory file system: four threads on one kind, and blocks of
 * two kinds that are freed and reused across kinds and threads. The original crashes. */
#include "threads.h"

#define N_THREADS 4
#define N_BLOCKS 8

static memkind_t kinds[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char *block;
    size_t size;
    unsigned seed;
    memkind_t kind;
} shared[N_BLOCKS];

/* Marks one byte in every page, which is enough to see another writer. */
static void mark(char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i += 4096) {
        memcpy(block + i, &seed, sizeof(seed));
    }
}

static void check_marks(const char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i += 4096) {
        unsigned found;
        memcpy(&found, block + i, sizeof(found));
        CHECK_INT(seed, found);
    }
}

static void *one_kind(void *number)
{
    for (unsigned round = 0; round < 30; round++) {
        const size_t size = (8 + round % 5) * MIB;
        const unsigned seed = *(unsigned *)number * 1000 + round;
        char *block = memkind_malloc(kinds[0], size);

        CHECK_NOT_NULL(block);
        mark(block, size, seed);
        if (round % 3 == 0) {
            block = memkind_realloc(kinds[0], block, size + 3 * MIB);
            CHECK_NOT_NULL(block);
        }
        check_marks(block, size, seed);
        memkind_free(round % 2 ? kinds[0] : NULL, block);
    }
    return NULL;
}

/* Puts a block of its own into a slot and frees what another thread had put there. */
static void *two_kinds(void *number)
{
    for (unsigned round = 0; round < 60; round++) {
        const memkind_t kind = kinds[(round + *(unsigned *)number) % 2];
        const size_t size = (9 + round % 4) * MIB;
        const unsigned seed = *(unsigned *)number * 1000 + round;
        char *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        CHECK_PTR(kind, memkind_detect_kind(block));
        mark(block, size, seed);
        pthread_mutex_lock(&lock);
        typeof(shared[0]) old = shared[(seed * 7) % N_BLOCKS];
        shared[(seed * 7) % N_BLOCKS] = (typeof(shared[0])){block, size, seed, kind};
        pthread_mutex_unlock(&lock);
        if (old.block != NULL) {
            check_marks(old.block, old.size, old.seed);
            CHECK_PTR(old.kind, memkind_detect_kind(old.block));
            memkind_free(round % 2 ? old.kind : NULL, old.block);
        }
    }
    return NULL;
}

static void in_threads(void *(*body)(void *))
{
    pthread_t threads[N_THREADS];
    unsigned numbers[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        numbers[i] = i + 1;
    }
    start_threads(threads, N_THREADS, body, numbers, sizeof(numbers[0]));
    join_threads(threads, N_THREADS);
}

int main(void)
{
    if (original()) {
        SKIP("1.14.0 merges extents of two mappings here and crashes");
    }
    kinds[0] = make_pmem("/dev/shm", 0);
    in_threads(one_kind);
    kinds[1] = make_pmem("/dev/shm", 0);
    in_threads(two_kinds);
    for (int i = 0; i < N_BLOCKS; i++) {
        if (shared[i].block != NULL) {
            check_marks(shared[i].block, shared[i].size, shared[i].seed);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
    CHECK_INT(0, memkind_destroy_kind(kinds[1]));
    return 0;
}
