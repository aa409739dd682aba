/* SPDX-License-Identifier: BSD-2-Clause */
/* What is freed in a full kind is there at once for requests of all kinds: aligned ones, and other sizes of
 * the same block. */
#include "pmem.h"

/* 14000 bytes at 8 KiB fit where 16 KiB were. */
static void check_aligned(void)
{
    static void *blocks[2000];
    memkind_t kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    int n = 0;

    while ((blocks[n] = memkind_malloc(kind, 16 * KIB)) != NULL) {
        n++;
    }
    CHECK(n >= 800);
    for (int i = 0; i < 100; i++) {
        void *block = NULL;

        memkind_free(kind, blocks[i]);
        CHECK_INT(0, memkind_posix_memalign(kind, &block, 8 * KIB, 14000));
        memkind_free(kind, block);
        blocks[i] = memkind_malloc(kind, 16 * KIB);
        CHECK_NOT_NULL(blocks[i]);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* The place of a block that has grown is free; to shrink one is always possible. */
static void check_resized(size_t small, size_t large)
{
    memkind_t kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    void *first = memkind_malloc(kind, small);
    void *room = memkind_malloc(kind, large);
    void *last = NULL;

    CHECK(first != NULL && room != NULL);
    fill_up(kind, small, &last);
    memkind_free(kind, room);
    first = memkind_realloc(kind, first, large);
    CHECK_NOT_NULL(first);
    CHECK_NOT_NULL(memkind_malloc(kind, small));
    while (memkind_malloc(kind, small) != NULL) {
    }
    fill(first, small, 9);
    first = memkind_realloc(kind, first, small);
    CHECK_NOT_NULL(first);
    CHECK(holds(first, small, 9));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    if (original()) {
        SKIP("fills less of a kind, and splits no block that was used lately for a much smaller request");
    }
    check_aligned();
    check_resized(2 * KIB, 20 * KIB);
    check_resized(64, 100 * KIB);
    check_resized(1280, 100 * KIB);
    check_resized(20 * KIB, 200 * KIB);
    return 0;
}
