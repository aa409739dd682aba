/* SPDX-License-Identifier: BSD-2-Clause */
/* ALLOCATED is what is live, to the byte, for a kind and for the whole library, and ACTIVE is what holds it: blocks
 * that caches keep count for neither, and what the library keeps records in does not either. */
#include "check.h"

#include <pthread.h>

enum { BLOCKS = 50000, LARGEST = 1200, WARM = 2000 };

static size_t stat_of(memkind_t kind, memkind_stat_type type)
{
    size_t bytes = 0;

    CHECK_INT(0, memkind_get_stat(kind, type, &bytes));
    return bytes;
}

static void check_live(memkind_t kind, size_t live, size_t most_active)
{
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(live, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK_INT(live, stat_of(NULL, MEMKIND_STAT_TYPE_ALLOCATED));
    const memkind_t both[] = {kind, NULL};

    for (size_t i = 0; i < 2; i++) {
        const size_t active = stat_of(both[i], MEMKIND_STAT_TYPE_ACTIVE);

        CHECK(active >= live);
        if (active > most_active) {
            FAIL("%zu KiB active for %zu live", active / KIB, live / KIB);
        }
    }
}

static size_t allocate(memkind_t kind, char **place, size_t i)
{
    *place = memkind_malloc(kind, i * 7919 % LARGEST + 1);
    CHECK_NOT_NULL(*place);
    **place = 1;
    return memkind_malloc_usable_size(kind, *place);
}

/* Another thread, with caches of its own, which waits. */
static void *hold_caches(void *argument)
{
    static char *blocks[WARM];
    pthread_barrier_t *barrier = ((void **)argument)[1];

    for (size_t i = 0; i < WARM; i++) {
        allocate(((void **)argument)[0], &blocks[i], i);
    }
    for (size_t i = 0; i < WARM; i++) {
        memkind_free(NULL, blocks[i]);
    }
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void check_kind(memkind_t kind)
{
    static char *blocks[BLOCKS];
    pthread_barrier_t barrier;
    pthread_t thread;
    void *argument[] = {kind, &barrier};
    size_t live = 0;

    CHECK_INT(0, pthread_barrier_init(&barrier, NULL, 2));
    CHECK_INT(0, pthread_create(&thread, NULL, hold_caches, argument));
    pthread_barrier_wait(&barrier);
    check_live(kind, 0, 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        live += allocate(kind, &blocks[i], i);
    }
    check_live(kind, live, live + live / 8);
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % 5 != 0) {
            live -= memkind_malloc_usable_size(kind, blocks[i]);
            memkind_free(kind, blocks[i]);
        }
    }
    check_live(kind, live, SIZE_MAX);
    for (size_t i = 0; i < BLOCKS; i += 5) {
        memkind_free(kind, blocks[i]);
    }
    /* Of each class one slab stays for the next block. */
    check_live(kind, 0, MIB);
    pthread_barrier_wait(&barrier);
    CHECK_INT(0, pthread_join(thread, NULL));
}

int main(void)
{
    if (original()) {
        SKIP("counts blocks in caches");
    }
    memkind_t file = make_pmem(test_dir(), 0);

    check_kind(file);
    CHECK_INT(0, memkind_destroy_kind(file));
    check_kind(MEMKIND_REGULAR);
    check_kind(MEMKIND_DEFAULT);
    return 0;
}
