/* SPDX-License-Identifier: BSD-2-Clause */
/* A fault of each sort in a block of a kind, for tools that watch accesses: `tools KIND FAULT`. Besides, a block of a
 * kind, an object of a pool and a block of a region hold the only pointers to some of malloc(3)'s, which are not lost. */
#include "../api/check.h"

#include <memkind_ext.h>

static void **root, **object, **part;
static char *kept;
static char area[32 * MIB] __attribute__((aligned(4096)));

__attribute__((noinline)) static void lose(memkind_t kind)
{
    char *volatile block = memkind_malloc(kind, 100);

    CHECK_NOT_NULL(block);
    block = NULL;
}

int main(int argc, char **argv)
{
    const char *const sort = argc > 1 ? argv[1] : "";
    const char *const fault = argc > 2 ? argv[2] : "";
    memkind_t kind = MEMKIND_DEFAULT;
    struct memkind_pool *pool;
    struct memkind_region *region;

    if (strcmp(sort, "regular") == 0) {
        kind = MEMKIND_REGULAR;
    } else if (strcmp(sort, "pmem") == 0) {
        kind = make_pmem(test_dir(), 32 * MIB);
    } else if (strcmp(sort, "fixed") == 0) {
        CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kind));
    }
    root = memkind_malloc(kind, 64);
    CHECK_NOT_NULL(root);
    memset(root, 0, 64);
    root[0] = malloc(1000);
    CHECK_INT(0, memkind_pool_create(kind, 1000, 0, 0, &pool));
    CHECK_INT(0, memkind_region_create(kind, 0, 0, &region));
    object = memkind_pool_get(pool);
    part = memkind_region_alloc(region, 64);
    CHECK_NOT_NULL(object);
    CHECK_NOT_NULL(part);
    memset(object, 0, 1000);
    memset(part, 0, 64);
    object[100] = malloc(2000);
    part[7] = malloc(3000);
    kept = memkind_malloc(kind, 10);
    CHECK_NOT_NULL(kept);
    memset(kept, 1, 10);
    if (strcmp(fault, "overflow") == 0) {
        kept[10] = 'x';
    }
    /* Used again and again, aligned, resized, zeroed. */
    for (size_t i = 1; i < 300; i++) {
        char *block = memkind_calloc(kind, i, 7);
        void *other = NULL;

        CHECK(all_zero(block, 7 * i));
        block = memkind_realloc(kind, block, 11 * i);
        CHECK(all_zero(block, 7 * i));
        memset(block, 1, 11 * i);
        CHECK_INT(0, memkind_posix_memalign(kind, &other, 256, i));
        memset(other, 2, i);
        memkind_free(kind, block);
        memkind_free(NULL, other);
    }
    memkind_free(kind, kept);
    if (strcmp(fault, "use") == 0) {
        kept[0] = 'y';
    }
    if (strcmp(fault, "double") == 0) {
        memkind_free(kind, kept);
    }
    kept = NULL;
    if (strcmp(fault, "leak") == 0) {
        lose(kind);
    }
    return 0;
}
