/* SPDX-License-Identifier: BSD-2-Clause */
/* A read-only region: writing is SIGSEGV, allocating EACCES, reading goes on; and back. */
#include "ext.h"

#include <signal.h>

static struct memkind_region *region;
static unsigned char *blocks[100];

static void write_first(void)
{
    *(volatile unsigned char *)blocks[0] = 1;
}

static void write_last(void)
{
    *(volatile unsigned char *)(blocks[99] + 9999) = 1;
}

int main(void)
{
    void *mark;
    struct memkind_usage usage;

    region = make_region(MEMKIND_REGULAR, 4096, 0);
    for (int i = 0; i < 100; i++) {
        blocks[i] = memkind_region_alloc(region, 10000);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], 10000, (unsigned)i);
    }
    mark = memkind_region_mark(region);
    CHECK_INT(0, memkind_region_protect(region, true));
    CHECK_INT(0, memkind_region_protect(region, true));
    CHECK_INT(128 + SIGSEGV, run_forked(write_first));
    CHECK_INT(128 + SIGSEGV, run_forked(write_last));
    CHECK_ALLOC_FAILS(EACCES, memkind_region_alloc(region, 1));
    CHECK_ALLOC_FAILS(EACCES, memkind_region_alloc(region, SIZE_MAX));
    CHECK_ALLOC_FAILS(EACCES, memkind_region_memalign(region, 4096, 1));
    CHECK_NULL(memkind_region_alloc(region, 0));
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_region_rewind(region, mark));
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_region_reset(region));
    CHECK_PTR(mark, memkind_region_mark(region));
    usage = region_usage(region);
    for (int i = 0; i < 100; i++) {
        CHECK(holds(blocks[i], 10000, (unsigned)i));
    }

    CHECK_INT(0, memkind_region_protect(region, false));
    CHECK_INT(0, run_forked(write_first));
    CHECK_INT(0, run_forked(write_last));
    CHECK_PTR(mark, memkind_region_mark(region));
    CHECK_INT(usage.in_use, region_usage(region).in_use);
    CHECK_NOT_NULL(memkind_region_alloc(region, 1));

    /* Spare chunks too; and what was read-only is whole when others have its memory. */
    CHECK_INT(0, memkind_region_reset(region));
    CHECK_INT(0, memkind_region_protect(region, true));
    memkind_region_destroy(region);
    for (int i = 0; i < 100; i++) {
        void *block = memkind_malloc(MEMKIND_REGULAR, 10000);
        CHECK_NOT_NULL(block);
        memset(block, 1, 10000);
    }

    /* Before its first block. */
    region = make_region(MEMKIND_REGULAR, 0, 0);
    CHECK_INT(0, memkind_region_protect(region, true));
    CHECK_ALLOC_FAILS(EACCES, memkind_region_alloc(region, 1));
    CHECK_INT(0, memkind_region_protect(region, false));
    CHECK_NOT_NULL(memkind_region_alloc(region, 1));
    memkind_region_destroy(region);
    return 0;
}
