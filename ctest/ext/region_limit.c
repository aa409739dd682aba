/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit of a region counts bytes of blocks; what is asked for beyond it is ENOMEM, whatever its size, and
 * changes nothing. */
#include "ext.h"

static void exactly(size_t limit, size_t block)
{
    struct memkind_region *region = make_region(MEMKIND_REGULAR, 4096, limit);

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < limit / block; i++) {
            CHECK_NOT_NULL(memkind_region_alloc(region, block));
        }
        CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, block));
        CHECK_INT(limit, region_usage(region).in_use);
        CHECK_INT(limit, region_usage(region).limit);
        CHECK_INT(round + 1, region_usage(region).n_refused);
        CHECK_INT(0, memkind_region_reset(region));
    }
    memkind_region_destroy(region);
}

int main(void)
{
    static const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 4095,
                                        SIZE_MAX - 65536, SIZE_MAX / 2, SIZE_MAX / 2 + 1, (size_t)1 << 47};
    struct memkind_region *region;
    void *mark;

    exactly(1008, 16);
    exactly(1 << 20, 1 << 20);
    exactly(1 << 20, 4096);
    exactly(160000, 16000);
    exactly(5 << 20, 1 << 20);

    /* All of it at once, by sizes that are no multiple of 16. */
    region = make_region(MEMKIND_REGULAR, 0, 1000);
    CHECK_NOT_NULL(memkind_region_alloc(region, 1000));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, 1));
    memkind_region_destroy(region);

    for (int limited = 0; limited < 2; limited++) {
        region = make_region(MEMKIND_REGULAR, 0, limited ? 1 << 20 : 0);
        for (int begun = 0; begun < 2; begun++) {
            for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
                mark = memkind_region_mark(region);
                CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, impossible[i]));
                CHECK_ALLOC_FAILS(ENOMEM, memkind_region_memalign(region, 4096, impossible[i]));
                CHECK_ALLOC_FAILS(ENOMEM, memkind_region_memalign(region, impossible[i] & ~(SIZE_MAX >> 1) ? (size_t)1 << 63 : (size_t)1 << 46, 1));
                CHECK_PTR(mark, memkind_region_mark(region));
            }
            CHECK_NOT_NULL(memkind_region_alloc(region, 100));
        }
        memkind_region_destroy(region);
    }

    /* A limit and a chunk near the largest number. */
    region = make_region(MEMKIND_REGULAR, 4096, SIZE_MAX);
    CHECK_NOT_NULL(memkind_region_alloc(region, 100));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, SIZE_MAX - 200));
    memkind_region_destroy(region);
    region = NULL;
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_create(MEMKIND_REGULAR, SIZE_MAX, 0, &region));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_create(MEMKIND_REGULAR, SIZE_MAX - 4095, 0, &region));
    CHECK_NULL(region);
    return 0;
}
