/* SPDX-License-Identifier: BSD-2-Clause */
/* What the functions of regions answer to what they should not be given; size 0; what is a region's is no block. */
#include "ext.h"

static void no_blocks(memkind_t kind)
{
    struct memkind_region *region = make_region(kind, 0, 0);
    unsigned char *small = memkind_region_alloc(region, 100);
    unsigned char *large = memkind_region_alloc(region, 3 * MIB);
    void *block;

    CHECK_NOT_NULL(small);
    CHECK_NOT_NULL(large);
    fill(small, 100, 1);
    fill(large, 3 * MIB, 2);
    check_no_block(small, kind);
    check_no_block(large, kind);
    check_no_block(large + MIB, kind);
    CHECK(holds(small, 100, 1));
    CHECK(holds(large, 3 * MIB, 2));
    memkind_region_destroy(region);

    /* The pages hold blocks again. */
    for (size_t size = 16; size <= 4 * MIB; size *= 2) {
        block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        CHECK(memkind_malloc_usable_size(kind, block) >= size);
        memset(block, 1, size);
        block = memkind_realloc(kind, block, size + 1);
        CHECK_NOT_NULL(block);
        memkind_free(NULL, block);
    }
}

int main(int argc, char *argv[])
{
    struct memkind_region *region = NULL;
    struct memkind_region *other;
    struct memkind_usage usage;
    struct { struct memkind_usage known; size_t later; } longer;
    int dummy;
    void *mark;
    void *block;

    (void)argv;
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_create(NULL, 0, 0, &region));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_create((memkind_t)&dummy, 0, 0, &region));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_create(MEMKIND_DEFAULT, 0, 0, NULL));
    CHECK_NULL(region);
    memkind_region_destroy(NULL);
    CHECK_ALLOC_FAILS(EINVAL, memkind_region_alloc(NULL, 1));
    CHECK_ALLOC_FAILS(EINVAL, memkind_region_memalign(NULL, 16, 1));
    CHECK_ALLOC_FAILS(EINVAL, memkind_region_mark(NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(NULL, &dummy));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_reset(NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_protect(NULL, true));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_get_usage(NULL, &usage, sizeof(usage)));

    region = make_region(MEMKIND_DEFAULT, 4096, 0);
    other = make_region(MEMKIND_DEFAULT, 4096, 0);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_get_usage(region, NULL, sizeof(usage)));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_get_usage(region, &usage, 0));
    CHECK_ALLOC_FAILS(EINVAL, memkind_region_memalign(region, 0, 1));
    CHECK_ALLOC_FAILS(EINVAL, memkind_region_memalign(region, 24, 1));
    errno = 7;
    CHECK_NULL(memkind_region_alloc(region, 0));
    CHECK_NULL(memkind_region_memalign(region, 64, 0));
    CHECK_INT(7, errno);

    /* Marks: NULL, a variable's, another region's, before the first block and after, one freed already. */
    mark = memkind_region_mark(region);
    CHECK_INT(0, memkind_region_rewind(region, mark));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, &dummy));
    CHECK_NOT_NULL(memkind_region_alloc(other, 1));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, memkind_region_mark(other)));
    block = memkind_region_alloc(region, 100);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, (char *)block + 1));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, (char *)block - 16));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, memkind_region_mark(other)));
    CHECK_INT(112, region_usage(region).in_use);
    CHECK_INT(0, memkind_region_rewind(region, mark));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_region_rewind(region, block));
    CHECK_INT(0, region_usage(region).in_use);

    /* A caller's structure of an earlier and of a later version. */
    memset(&longer, 0xff, sizeof(longer));
    CHECK_INT(0, memkind_region_get_usage(region, &longer.known, sizeof(longer)));
    CHECK_INT(0, longer.later);
    CHECK_INT(4096, longer.known.page_size);
    memset(&longer, 0xff, sizeof(longer));
    CHECK_INT(0, memkind_region_get_usage(region, &longer.known, sizeof(size_t)));
    CHECK_INT(0, longer.known.limit);
    CHECK_INT(-1, (ssize_t)longer.known.held);
    memkind_region_destroy(region);
    memkind_region_destroy(other);
    return every_kind(argc, no_blocks);
}
