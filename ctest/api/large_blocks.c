/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks from 64 KiB to 8 MiB stay in the cache of the thread that frees them: the last one that was freed
 * comes back first, where an arena would give the oldest. Statistics count live blocks only, calloc gives
 * zeroes, and in a full kind each freed block is there for any thread at once. */
#include "machine.h"
#include "pmem.h"

#include <pthread.h>

static const size_t sizes[] = {80 * KIB, 128 * KIB, 300 * KIB, MIB, 5 * MIB, 8 * MIB};

enum { N_SIZES = sizeof(sizes) / sizeof(sizes[0]), WARM = 40, N_BLOCKS = 64 };

/* Whether the block that was freed last comes back first, although one that was freed before it lies at
 * lower addresses. */
static bool comes_back(memkind_t kind, size_t size)
{
    char *low = memkind_malloc(kind, size), *between = memkind_malloc(kind, size);
    char *high = memkind_malloc(kind, size), *back;

    CHECK_NOT_NULL(low);
    CHECK_NOT_NULL(between);
    CHECK_NOT_NULL(high);
    if (low > high) {
        char *other = low;
        low = high;
        high = other;
    }
    /* Neither the places of a magazine nor what lies beside a block matter. */
    memkind_free(kind, low);
    memkind_free(kind, high);
    back = memkind_malloc(kind, size);
    memkind_free(kind, back);
    memkind_free(NULL, between);
    return back == high;
}

static void warm(memkind_t kind, size_t size)
{
    for (unsigned i = 0; i < WARM; i++) {
        void *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        memkind_free(kind, block);
    }
}

static void check_kept(memkind_t kind, size_t size)
{
    unsigned n_back = 0;

    /* What other sizes have left in the way goes to the arenas. */
    CHECK_INT(0, memkind_update_cached_stats());
    warm(kind, size);
    /* Once a second caches are handed over: not each time. */
    for (unsigned i = 0; i < WARM; i++) {
        n_back += comes_back(kind, size);
    }
    if (n_back < WARM / 2) {
        FAIL("%zu bytes: %u of %u came back", size, n_back, WARM);
    }
}

static void check_zeroes(memkind_t kind, size_t size)
{
    for (unsigned i = 0; i < WARM; i++) {
        char *block = memkind_calloc(kind, 1, size);

        CHECK_NOT_NULL(block);
        for (size_t at = 0; at < size; at += 4096) {
            CHECK_INT(0, block[at]);
            block[at] = 1;
        }
        CHECK_INT(0, block[size - 1]);
        block[size - 1] = 1;
        memkind_free(kind, block);
    }
}

static size_t allocated(memkind_t kind)
{
    size_t bytes;

    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(0, memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &bytes));
    return bytes;
}

static void check_statistics(memkind_t kind)
{
    const size_t before = allocated(kind);
    void *block;

    for (unsigned i = 0; i < N_SIZES; i++) {
        warm(kind, sizes[i]);
    }
    CHECK_INT(before, allocated(kind));
    block = memkind_malloc(kind, 5 * MIB);
    CHECK_INT(before + memkind_malloc_usable_size(kind, block), allocated(kind));
    memkind_free(kind, block);
    CHECK_INT(before, allocated(kind));
}

static memkind_t full;
static void *blocks[N_BLOCKS];
static pthread_barrier_t barrier;

/* Frees what it is given and keeps on living, with its cache. */
static void *free_each(void *argument)
{
    (void)argument;
    for (unsigned i = 0; blocks[i] != NULL; i++) {
        pthread_barrier_wait(&barrier);
        memkind_free(full, blocks[i]);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

/* Another thread frees a block of a full kind: it can be had at once. */
static void check_full(memkind_t kind)
{
    pthread_t thread;
    unsigned n = 0;

    full = kind;
    warm(kind, MIB);
    while (n < N_BLOCKS && (blocks[n] = memkind_malloc(kind, MIB)) != NULL) {
        n++;
    }
    if (n < 8 || n == N_BLOCKS) {
        FAIL("%u blocks filled the kind", n);
    }
    CHECK_INT(0, pthread_barrier_init(&barrier, NULL, 2));
    CHECK_INT(0, pthread_create(&thread, NULL, free_each, NULL));
    for (unsigned i = 0; i < n; i++) {
        void *block;

        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        CHECK_NULL(memkind_malloc(kind, MIB));
    }
    CHECK_INT(0, pthread_join(thread, NULL));
}

int main(void)
{
    static char area[32 * MIB] __attribute__((aligned(4096)));
    memkind_t kind;

    for (unsigned i = 0; i < N_SIZES; i++) {
        /* A thread keeps at most a 512th of the memory. */
        if (sizes[i] <= proc_bytes("/proc/meminfo", "MemTotal") / 512) {
            check_kept(MEMKIND_DEFAULT, sizes[i]);
            check_kept(MEMKIND_REGULAR, sizes[i]);
        }
        check_zeroes(MEMKIND_REGULAR, sizes[i]);
    }
    check_statistics(MEMKIND_REGULAR);
    kind = make_pmem(test_dir(), 256 * MIB);
    for (unsigned i = 0; i < N_SIZES; i++) {
        check_kept(kind, sizes[i]);
        check_zeroes(kind, sizes[i]);
    }
    check_statistics(kind);
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_full(make_pmem(test_dir(), 32 * MIB));
    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kind));
    check_full(kind);
    return 0;
}
