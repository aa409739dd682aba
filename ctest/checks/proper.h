/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs without a fault, for faults.c and objects.c: nothing is to be said about them, whatever is checked. */
#ifndef MEMKIND_CTEST_CHECKS_PROPER_H
#define MEMKIND_CTEST_CHECKS_PROPER_H

#include "faults.h"

static inline unsigned chance(void)
{
    static unsigned state = 1;
    return (state = state * 1664525u + 1013904223u) >> 8;
}

/* Two small blocks side by side for each alignment and size: the first may be at a large multiple by its place. */
static inline void check_aligned_blocks(memkind_t of)
{
    for (size_t alignment = 8; alignment <= 256; alignment *= 2) {
        for (size_t size = 1; size <= 300; size += size < 40 ? 1 : 13) {
            void *blocks[3];

            for (int i = 0; i < 3; i++) {
                CHECK_INT(0, memkind_posix_memalign(of, &blocks[i], alignment, size));
                CHECK(aligned(blocks[i], alignment));
                memset(blocks[i], i, size);
            }
            for (int i = 0; i < 3; i++) {
                memkind_free(of, blocks[i]);
            }
        }
    }
}

/* The alignment holds for what is asked for, for what a kind promises of all its blocks, and in its fallback. */
static inline void aligned_blocks(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t other = NULL;
    void *block;

    check_aligned_blocks(kind);
    CHECK_NOT_NULL(config);
    memkind_config_set_size(config, 2 * MIB);
    memkind_config_set_alignment(config, 16);
    memkind_config_set_fallback(config, kind);
    CHECK_INT(0, memkind_create_with_config(config, &other));
    memkind_config_delete(config);
    check_aligned_blocks(other);
    do {
        block = memkind_malloc(other, 100000);
        CHECK_NOT_NULL(block);
    } while (memkind_detect_kind(block) == other);
    for (int i = 0; i < 400000 && memkind_detect_kind(block) == other; i++) {
        block = memkind_malloc(other, 8);
        CHECK(aligned(block, 16));
    }
    check_aligned_blocks(other);
    _exit(0);
}

struct region_block {
    unsigned char *start;
    size_t size;
    unsigned char value;
};

static inline void check_contents(const struct region_block *blocks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CHECK(blocks[i].start[0] == blocks[i].value);
        CHECK(memcmp(blocks[i].start, blocks[i].start + 1, blocks[i].size - 1) == 0);
    }
}

/* How much of a chunk is handed out depends on what is left of the limit, so blocks in a chunk that is used again may
 * begin elsewhere: above the former ones, or below them. One step in
 * `often` resets the region. */
static inline void one_limited_region(size_t chunk, size_t limit, unsigned often)
{
    static struct region_block blocks[2000];
    struct memkind_region *region = NULL;
    unsigned n = 0;
    void *soiled = memkind_malloc(kind, 8 * MIB);

    /* Memory that does not hold by chance what is filled in: so large a block is not kept back. */
    CHECK_NOT_NULL(soiled);
    memset(soiled, 1, 8 * MIB);
    memkind_free(kind, soiled);
    CHECK_INT(0, memkind_region_create(kind, chunk, limit, &region));
    for (int step = 0; step < 3000; step++) {
        const unsigned what = chance() % 100;

        if (chance() % often == 0) {
            CHECK_INT(0, memkind_region_reset(region));
            n = 0;
        }
        if (what < 85) {
            const size_t size = chance() % (what < 75 ? 300 : limit) + 1;
            const size_t alignment = what % 4 ? 16 : (size_t)1 << chance() % 13;
            struct region_block *block = &blocks[n];

            block->start = memkind_region_memalign(region, alignment, size);
            if (block->start != NULL) {
                block->size = size;
                block->value = (unsigned char)step;
                memset(block->start, block->value, size);
                n++;
            }
        } else if (n > 0) {
            n = chance() % n;
            CHECK_INT(0, memkind_region_rewind(region, blocks[n].start));
        }
        if (step % 10 == 0) {
            check_contents(blocks, n);
        }
    }
    check_contents(blocks, n);
    memkind_region_destroy(region);
}

/* The first chunk has a block at its end, then one far below, then blocks where none was. */
static inline void region_begun_lower(void)
{
    static const size_t lives[][2] = {{100, 98000}, {98000, 1500}, {100, 3000}};
    struct memkind_region *region = NULL;

    CHECK_INT(0, memkind_region_create(kind, 4096, 100000, &region));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++) {
            unsigned char *block = memkind_region_alloc(region, lives[i][j]);

            CHECK_NOT_NULL(block);
            memset(block, 1, lives[i][j]);
        }
        CHECK_INT(0, memkind_region_reset(region));
    }
    memkind_region_destroy(region);
}

static inline void limited_regions(void)
{
    static const size_t chunks[] = {0, 4096, 100000}, limits[] = {1000, 50000, 100000, 1000000};

    region_begun_lower();
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) {
            one_limited_region(chunks[i], limits[j], 6);
            one_limited_region(chunks[i], limits[j], 40);
        }
    }
}

#endif
