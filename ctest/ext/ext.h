/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions for the tests of memkind_ext.h, besides those of ctest/api/check.h. */
#ifndef MEMKIND_CTEST_EXT_H
#define MEMKIND_CTEST_EXT_H

#include "check.h"

#include <memkind_ext.h>
#include <sys/mman.h>

/* A fixed kind of `size` bytes, which a test can use up. */
static inline memkind_t small_kind(size_t size)
{
    return make_fixed(map_area(size), size);
}

static inline struct memkind_region *make_region(memkind_t kind, size_t chunk, size_t limit)
{
    struct memkind_region *region = NULL;
    CHECK_INT(0, memkind_region_create(kind, chunk, limit, &region));
    CHECK_NOT_NULL(region);
    return region;
}

static inline struct memkind_usage region_usage(struct memkind_region *region)
{
    struct memkind_usage usage;
    CHECK_INT(0, memkind_region_get_usage(region, &usage, sizeof(usage)));
    return usage;
}

static inline struct memkind_pool *make_pool(memkind_t kind, size_t size, size_t alignment, size_t count)
{
    struct memkind_pool *pool = NULL;
    CHECK_INT(0, memkind_pool_create(kind, size, alignment, count, &pool));
    CHECK_NOT_NULL(pool);
    return pool;
}

static inline struct memkind_usage pool_usage(struct memkind_pool *pool)
{
    struct memkind_usage usage;
    CHECK_INT(0, memkind_pool_get_usage(pool, &usage, sizeof(usage)));
    return usage;
}

/* Numbers that look like chance and are the same in each run. */
static inline unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What memkind_free() and its like do with an address of the kind that is no block. */
static inline void check_no_block(void *address, memkind_t kind)
{
    const unsigned char before = *(unsigned char *)address;

    /* The thread's cache, which it has once it has freed often, has a block of the size that realloc is asked for. */
    for (int i = 0; i < 2000; i++) {
        memkind_free(kind, memkind_malloc(kind, 100));
    }
    CHECK_INT(0, memkind_malloc_usable_size(NULL, address));
    CHECK_PTR(kind, memkind_detect_kind(address));
    memkind_free(NULL, address);
    memkind_free(kind, address);
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, address, 100));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(NULL, address, 100));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, address, 100000));
    CHECK_NULL(memkind_defrag_reallocate(kind, address));
    CHECK_INT(before, *(unsigned char *)address);
    CHECK_PTR(kind, memkind_detect_kind(address));
}

#endif
