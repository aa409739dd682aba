/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_set_block_order, which the original does not have: with the order of addresses, small blocks
 * that were freed in any order are handed out in ascending order, and none twice. */
#include "library.h"

#include <stddef.h>

enum { RECENT = 0, ADDRESS = 1, COUNT = 4096 };

static int (*set_order)(int);
static char *blocks[COUNT], *freed[COUNT];

static int by_address(const void *a, const void *b)
{
    const char *one = *(char *const *)a, *other = *(char *const *)b;
    return (one > other) - (one < other);
}

static void shuffle(void)
{
    static unsigned long long state = 1;

    for (size_t i = COUNT - 1; i > 0; i--) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t j = (size_t)(state >> 33) % (i + 1);
        char *block = blocks[i];
        blocks[i] = blocks[j];
        blocks[j] = block;
    }
}

/* Frees blocks at random, makes as many again; how many of them follow the one before in memory. */
static size_t ascending_after_a_round(memkind_t kind, size_t size)
{
    size_t ascending = 0;

    shuffle();
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(holds(blocks[i], size, (unsigned)(uintptr_t)blocks[i]));
        memkind_free(kind, blocks[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], size, (unsigned)(uintptr_t)blocks[i]);
        ascending += i > 0 && blocks[i] > blocks[i - 1];
    }
    memcpy(freed, blocks, sizeof(freed));
    qsort(freed, COUNT, sizeof(freed[0]), by_address);
    for (size_t i = 1; i < COUNT; i++) {
        CHECK(freed[i] - freed[i - 1] >= (ptrdiff_t)size);
    }
    return ascending;
}

static void check_order(memkind_t kind, size_t size, int order, size_t least, size_t most)
{
    check_context = order == ADDRESS ? "by address" : "by time";
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], size, (unsigned)(uintptr_t)blocks[i]);
    }
    CHECK_INT(0, set_order(order));
    ascending_after_a_round(kind, size);
    for (unsigned round = 0; round < 8; round++) {
        const size_t ascending = ascending_after_a_round(kind, size);
        CHECK(ascending >= least && ascending <= most);
    }
    for (size_t i = 0; i < COUNT; i++) {
        memkind_free(kind, blocks[i]);
    }
    check_context = NULL;
}

int main(void)
{
    set_order = (int (*)(int))(uintptr_t)dlsym(RTLD_DEFAULT, "memkind_set_block_order");
    if (set_order == NULL) {
        CHECK(original());
        SKIP("this library has no order of free blocks");
    }
    CHECK_INT(MEMKIND_ERROR_INVALID, set_order(2));
    CHECK_INT(MEMKIND_ERROR_INVALID, set_order(-1));
    memkind_t kind = make_pmem(test_dir(), 64 * MIB);
    for (size_t size = 16; size <= 128; size *= 2) {
        /* What was freed last, up to 512 blocks, has no order; of the rest a magazine begins anywhere. */
        check_order(kind, size, ADDRESS, COUNT * 8 / 10, COUNT);
        /* This one's first blocks lie apart from the others, and how a magazine mixes them is chance. */
        check_order(MEMKIND_DEFAULT, size, ADDRESS, COUNT * 7 / 10, COUNT);
        check_order(kind, size, RECENT, COUNT * 4 / 10, COUNT * 6 / 10);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
