/* SPDX-License-Identifier: BSD-2-Clause */
/* How much an area holds, that all blocks lie in it, apart from each other, and that its pages are the
 * user's: they stay resident when blocks are freed and when the kind is gone. */
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
    char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memkind_t kind;
    void *last = NULL;

    CHECK(area != MAP_FAILED);
    CHECK_INT(0, memkind_create_fixed(area, size, &kind));
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
    CHECK(pages >= 53 * MIB / 4096);
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
    char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memkind_t kind;

    CHECK(area != MAP_FAILED);
    CHECK_INT(0, memkind_create_fixed(area, size, &kind));
    CHECK_NOT_NULL(memkind_malloc(kind, 512));
    CHECK_NOT_NULL(memkind_malloc(kind, 8 * MIB));
    CHECK_NOT_NULL(memkind_malloc(kind, 16 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 16 * MIB));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, munmap(area, size));
}

int main(void)
{
    check_counts();
    check_pattern();
    return 0;
}
