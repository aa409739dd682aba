/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that frees much in large blocks and then goes on without memory calls does not hold it for good: at
 * most 256 MiB of it, and what one free in the end leaves. With less, the next blocks have the pages of the last. */
#include "process.h"

enum { BLOCKS = 32, KEPT = 8 };

static const size_t size = 10 * MIB;

static void take(char **blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        blocks[i] = memkind_malloc(MEMKIND_DEFAULT, size);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], 1, size);
    }
}

static void give(char **blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memkind_free(MEMKIND_DEFAULT, blocks[i]);
    }
}

int main(void)
{
    char *blocks[BLOCKS];
    size_t before;

    take(blocks, KEPT);
    before = resident_memory();
    give(blocks, KEPT);
    CHECK(resident_memory() + KEPT * size / 2 > before || original());
    take(blocks, BLOCKS);
    CHECK(resident_memory() >= before + (BLOCKS - KEPT - 1) * size);
    give(blocks, BLOCKS);
    CHECK(resident_memory() < before);
    return 0;
}
