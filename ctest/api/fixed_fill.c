/* SPDX-License-Identifier: BSD-2-Clause */
/* How much an area holds, also when many threads use it, that all blocks lie in it, apart from each other,
 * and that its pages are the user's: they stay resident when blocks are freed and when the kind is gone. */
#include "pmem.h"

#include <sys/mman.h>

static size_t resident(void *address, size_t size)
{
    static unsigned char pages[64 * 1024 * 1024 / 4096];
    size_t count = 0;

    CHECK_INT(0, mincore(address, size, pages));
    for (size_t i = 0; i < size / 4096; i++) {
        count += pages[i] & 1;
    }
    return count;
}

static void check_counts(void)
{
    const size_t size = 64 * MIB;
    char *area = map_area(size);
    memkind_t kind = make_fixed(area, size);
    void *last = NULL;

    CHECK_INT(53, fill_up(kind, 1 * MIB, &last));
    for (char *block = last; block != NULL;) {
        char *before;
        CHECK(block >= area && block + MIB <= area + size);
        memcpy(&before, block, sizeof(before));
        memset(block, 0, MIB);
        memcpy(block, &before, sizeof(before));
        block = before;
    }
    const size_t pages = resident(area, size);
    CHECK(pages >= 53 * MIB / (size_t)getpagesize());
    release_all(kind, &last);
    CHECK_INT(53, fill_up(kind, 1 * MIB, &last));
    release_all(kind, &last);
    CHECK(resident(area, size) >= pages);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK(resident(area, size) >= pages);
    CHECK_INT(0, munmap(area, size));
}

static void check_pattern(void)
{
    const size_t size = 32 * MIB;
    char *area = map_area(size);
    memkind_t kind = make_fixed(area, size);

    CHECK_NOT_NULL(memkind_malloc(kind, 512));
    CHECK_NOT_NULL(memkind_malloc(kind, 8 * MIB));
    CHECK_NOT_NULL(memkind_malloc(kind, 16 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 16 * MIB));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, munmap(area, size));
}

static memkind_t shared;
static size_t rest;

static void take_the_rest(void)
{
    CHECK_NOT_NULL(memkind_malloc(shared, rest));
}

/* Each arena takes 2 MiB for its first block: a small area has few. */
static void check_many_threads(size_t size, size_t expected)
{
    char *area = map_area(size);

    shared = make_fixed(area, size);
    rest = expected;
    while_many_have_one(shared, take_the_rest);
    CHECK_INT(0, memkind_destroy_kind(shared));
    CHECK_INT(0, munmap(area, size));
}

int main(void)
{
    check_counts();
    check_pattern();
    if (!original()) {
        check_many_threads(6 * MIB, 3 * MIB);
        check_many_threads(20 * MIB, 16 * MIB);
        check_many_threads(40 * MIB, 32 * MIB);
    }
    return 0;
}
