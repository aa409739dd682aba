/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that waste addresses do not use up those of a file-backed kind: it still holds what it can. */
#include "pmem.h"

#define LIMIT (4096 * HEAP_PAGE)
#define SMALL (4 * HEAP_PAGE - 384)
/* With the page that each takes besides. */
#define TAKEN (5 * HEAP_PAGE)

static void check_holds(memkind_t kind, size_t bytes)
{
    size_t n = 0;

    while (memkind_malloc(kind, SMALL) != NULL) {
        n++;
    }
    if (n * TAKEN < bytes) {
        FAIL("%zu blocks instead of %zu", n, bytes / TAKEN);
    }
}

static void check_freed(size_t alignment)
{
    memkind_t kind = make_pmem(test_dir(), LIMIT);

    for (int i = 0; i < 100; i++) {
        void *block = NULL;
        if (memkind_posix_memalign(kind, &block, alignment, 4096) == 0) {
            memkind_free(kind, block);
        }
    }
    check_holds(kind, LIMIT - LIMIT / 16);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_kept(size_t alignment)
{
    memkind_t kind = make_pmem(test_dir(), LIMIT);
    void *block = NULL;
    size_t taken = 0;

    while (taken < LIMIT / 2 && memkind_posix_memalign(kind, &block, alignment, 4096) == 0) {
        taken += TAKEN;
    }
    check_holds(kind, LIMIT - LIMIT / 16 - taken);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Without a limit the addresses end where the file system's largest file does, or the processor's. */
static void check_unlimited(void)
{
    memkind_t kind = make_pmem(test_dir(), 0);

    CHECK_NOT_NULL(memkind_malloc(kind, MIB));
    for (unsigned bits = 40; bits < 47; bits++) {
        void *block = NULL;
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (size_t)1 << bits));
        if (bits > 44 && memkind_posix_memalign(kind, &block, (size_t)1 << bits, 100) == 0) {
            memset(block, 1, 100);
        }
    }
    for (int i = 0; i < 100; i++) {
        char *block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        block[MIB - 1] = 1;
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    static const size_t alignments[] = {2 * HEAP_PAGE, 2 * MIB, 32 * MIB, 128 * MIB, GIB};

    if (original()) {
        SKIP("1.14.0 aligns to a page at most");
    }
    for (size_t i = 0; i < sizeof(alignments) / sizeof(alignments[0]); i++) {
        check_freed(alignments[i]);
        check_kept(alignments[i]);
    }
    check_unlimited();
    return 0;
}
