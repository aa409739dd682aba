/* SPDX-License-Identifier: BSD-2-Clause */
/* Freed blocks above 8 MiB are kept for the next ones, which touch no page again; for at most some seconds, and no more
 * of them than 256 MiB, or an eighth of the machine's memory if that is less. What is too large for a request by more than a quarter is left for
 * others, and a request that would get nothing gets what is kept. jemalloc is told to wait one second instead of ten,
 * which holds for these blocks too. */
#include "machine.h"
#include "output.h"
#include "pmem.h"
#include "process.h"

#include <time.h>

enum { BLOCKS = 8 };

static const size_t size = 24 * MIB;

static void take(memkind_t kind, char **blocks, size_t bytes)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, bytes);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], 1, bytes);
    }
}

static void give(memkind_t kind, char **blocks)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
}

/* The next blocks have the pages of the last ones, also if these are a little larger. */
static void check_reuse(memkind_t kind)
{
    char *blocks[BLOCKS];

    take(kind, blocks, size);
    for (size_t n = 0; n < 5; n++) {
        const size_t next = size - n * MIB;
        const long faults = n_faults();
        give(kind, blocks);
        take(kind, blocks, next);
        CHECK_INT(next, memkind_malloc_usable_size(kind, blocks[0]));
        if (n_faults() - faults > 200) {
            FAIL("%ld faults at %zu MiB", n_faults() - faults, next / MIB);
        }
    }
    give(kind, blocks);
    /* A large one is not cut down for a small one. */
    char *large = memkind_malloc(kind, 10 * size);
    CHECK_NOT_NULL(large);
    memset(large, 1, 10 * size);
    memkind_free(kind, large);
    take(kind, blocks, size);
    char *ninth = memkind_malloc(kind, size);
    const long faults = n_faults();
    large = memkind_malloc(kind, 10 * size);
    memset(large, 1, 10 * size);
    CHECK(n_faults() - faults < 200);
    memkind_free(kind, large);
    memkind_free(kind, ninth);
    give(kind, blocks);
}

/* Blocks of a file are not mappings of their own: of these up to 256 MiB are kept. */
static void check_file(void)
{
    memkind_t kind = make_pmem(test_dir(), 0);
    char *blocks[4][BLOCKS];

    for (size_t i = 0; i < 4; i++) {
        take(kind, blocks[i], size / 2);
    }
    const size_t full = pmem_record(kind)->current_size;
    for (size_t i = 0; i < 4; i++) {
        give(kind, blocks[i]);
    }
    CHECK(pmem_record(kind)->current_size < full - 200 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Within three seconds, for a program that does little else. */
static void check_goes_back(memkind_t kind)
{
    const size_t before = resident_memory();
    const struct timespec pause = {0, 20000000};
    char *blocks[BLOCKS];

    take(kind, blocks, size);
    give(kind, blocks);
    CHECK(resident_memory() > before + BLOCKS * size / 2);
    for (unsigned n = 0; resident_memory() > before + size; n++) {
        if (n == 1000) {
            FAIL("%zu MiB are still there", (resident_memory() - before) / MIB);
        }
        nanosleep(&pause, NULL);
        for (size_t i = 0; i < 100; i++) {
            memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, 100));
        }
    }
}

/* Untouched blocks of four times what is kept at most: addresses tell. Other mappings are kept before, and less than
 * a block more may go than comes; lists take some pages. */
static void check_most(memkind_t kind)
{
    const size_t part = meminfo("MemTotal") / 8, most = part < 256 * MIB ? part : 256 * MIB, each = most / 4;
    char *blocks[16];

    CHECK(each > 8 * MIB);
    for (size_t i = 0; i < 16; i++) {
        blocks[i] = memkind_malloc(kind, each);
        CHECK_NOT_NULL(blocks[i]);
    }
    const size_t full = address_space();
    for (size_t i = 0; i < 16; i++) {
        memkind_free(kind, blocks[i]);
    }
    const size_t gone = full - address_space();
    if (gone < 15 * each - most || gone >= 17 * each) {
        FAIL("%zu MiB of %zu have gone", gone / MIB, 16 * each / MIB);
    }
}

/* What is kept is there when addresses are short, for this kind's blocks of any size. */
static void with_limit(void)
{
    char *blocks[BLOCKS];

    take(MEMKIND_DEFAULT, blocks, size);
    give(MEMKIND_DEFAULT, blocks);
    limit_address_space(address_space() + size);
    char *all = memkind_malloc(MEMKIND_DEFAULT, BLOCKS * size);
    CHECK_NOT_NULL(all);
    memkind_free(MEMKIND_DEFAULT, all);
}

static int child(const char *what)
{
    if (strcmp(what, "soon") == 0) {
        check_goes_back(MEMKIND_DEFAULT);
        check_goes_back(MEMKIND_REGULAR);
        return 0;
    }
    check_reuse(MEMKIND_DEFAULT);
    check_reuse(MEMKIND_REGULAR);
    if (strcmp(what, "later") == 0) {
        check_most(MEMKIND_DEFAULT);
        check_most(MEMKIND_INTERLEAVE);
        CHECK_CHILD(run_forked(with_limit));
        check_file();
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (original()) {
        SKIP("the original unmaps some and keeps others");
    }
    if (argc > 1) {
        return child(argv[1]);
    }
    CHECK_CHILD(run_again("soon", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0", "MEMKIND_HOG_MEMORY")));
    CHECK_CHILD(run_again("later", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:100000", "MEMKIND_HOG_MEMORY")));
    CHECK_CHILD(run_again("hog", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:0", "MEMKIND_HOG_MEMORY=1")));
    return 0;
}
