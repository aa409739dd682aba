/* SPDX-License-Identifier: BSD-2-Clause */
/* A million blocks of one region, and some hundred thousand vectors of one stream, alive together: with MEMKIND_CHECKS
 * each one more takes as long as the first. Were all looked at each time, this would take minutes. */
#include "ext.h"

#define BLOCKS  1000000
#define VECTORS 300000

static struct memkind_iovec vectors[VECTORS];

static void fill_region(void)
{
    struct memkind_region *region = make_region(MEMKIND_DEFAULT, 0, 0);

    for (int i = 0; i < BLOCKS; i++) {
        int *block = memkind_region_alloc(region, 24);

        CHECK_NOT_NULL(block);
        *block = i;
    }
    CHECK_INT(0, memkind_region_reset(region));
    memkind_region_destroy(region);
}

static void fill_stream(bool reserves)
{
    struct memkind_pool *pool = make_pool(MEMKIND_DEFAULT, 65536, 0, 0);
    struct memkind_stream *stream;

    CHECK_INT(0, memkind_stream_create(pool, &stream));
    for (int i = 0; i < VECTORS; i++) {
        if (reserves) {
            CHECK_INT(1, memkind_iovec_reserve(stream, 32, 0, 1, &vectors[i]));
            CHECK_INT(0, memkind_iovec_commit(stream, 0, &vectors[i], 1));
        } else {
            CHECK_INT(1, memkind_iovec_alloc(stream, 32, 0, 1, MEMKIND_IOVEC_LOCAL, &vectors[i]));
        }
    }
    memkind_iovecs_release(vectors, VECTORS);
    memkind_stream_destroy(stream);
    CHECK_INT(0, memkind_pool_destroy(pool));
}

int main(void)
{
    fill_region();
    fill_stream(false);
    fill_stream(true);
    return 0;
}
