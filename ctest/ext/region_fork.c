/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child destroys regions, as a program in C++ does at its end, whether it has their memory or not, and leaves
 * its parent's alone; it makes others of the same kind, which have no memory. */
#include "kind.h"

#define BLOCKS 100
#define SIZE   20000

static struct memkind_region *region;
static memkind_t kind;

static void in_child(void)
{
    memkind_region_destroy(region);
    region = make_region(kind, 0, 0);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, 1));
    memkind_region_destroy(region);
    region = make_region(MEMKIND_REGULAR, 0, 0);
    memset(memkind_region_alloc(region, SIZE), 1, SIZE);
    memkind_region_destroy(region);
}

static void one(unsigned options, bool read_only)
{
    unsigned char *blocks[BLOCKS];

    kind = make_wanted((struct wanted){.options = options, .slab_size = 4 * MIB});
    region = make_region(kind, 0, 0);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_region_alloc(region, SIZE);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], i, SIZE);
    }
    CHECK_INT(0, memkind_region_protect(region, read_only));
    CHECK_INT(0, run_forked(in_child));
    CHECK_INT(0, memkind_region_protect(region, false));
    for (int i = 0; i < BLOCKS; i++)
        CHECK(blocks[i][0] == i && blocks[i][SIZE - 1] == i);
    CHECK_INT(0, memkind_region_rewind(region, blocks[BLOCKS / 2]));
    CHECK_NOT_NULL(memkind_region_alloc(region, SIZE));
    memkind_region_destroy(region);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    const unsigned lost[] = {MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_PIN, MEMKIND_OPTION_SHARED,
                             MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_WIPE};

    for (int i = 0; i < 3; i++) {
        one(lost[i], false);
        one(lost[i], true);
    }
    return 0;
}
