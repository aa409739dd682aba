/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of memkind_ext.h, n times each: `ext OP n`. bench/ext.py counts their instructions. */
#include <memkind_ext.h>
#include <memkind/compat/spdk/env.h>
#include <obstack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct memkind_pool *pool;
static struct memkind_stream *stream;
static struct memkind_region *region;

static void region_alloc(long n)
{
    while (n-- > 0) {
        memkind_region_alloc(region, 32);
    }
}

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

static void obstack(long n)
{
    struct obstack stack;

    obstack_init(&stack);
    while (n-- > 0) {
        void *volatile block = obstack_alloc(&stack, 32);
        (void)block;
    }
}

static void pool_pair(long n)
{
    while (n-- > 0) {
        memkind_pool_put(pool, memkind_pool_get(pool));
    }
}

static void pool_bulk(long n)
{
    void *objects[32];

    for (n /= 32; n > 0; n--) {
        memkind_pool_get_many(pool, objects, 32);
        memkind_pool_put_many(pool, objects, 32);
    }
}

static void alloc_flags(long n, unsigned flags)
{
    struct memkind_iovec iovec;

    while (n-- > 0) {
        memkind_iovec_alloc(stream, 4096, 0, 1, flags, &iovec);
        memkind_iovec_release(&iovec);
    }
}

static void alloc_local(long n)
{
    alloc_flags(n, MEMKIND_IOVEC_LOCAL);
}

static void alloc_shared(long n)
{
    alloc_flags(n, MEMKIND_IOVEC_SHARED);
}

static void clone_flags(long n, unsigned flags)
{
    struct memkind_iovec iovec, other;

    memkind_iovec_alloc(stream, 4096, 0, 1, flags, &iovec);
    while (n-- > 0) {
        memkind_iovec_clone(&other, &iovec);
        memkind_iovec_release(&other);
    }
    memkind_iovec_release(&iovec);
}

static void clone_local(long n)
{
    clone_flags(n, MEMKIND_IOVEC_LOCAL);
}

static void clone_shared(long n)
{
    clone_flags(n, MEMKIND_IOVEC_SHARED);
}

static void reserve(long n)
{
    struct memkind_iovec iovec;

    while (n-- > 0) {
        memkind_iovec_reserve(stream, 4096, 0, 1, &iovec);
        iovec.length = 100;
        memkind_iovec_commit(stream, 0, &iovec, 1);
        memkind_iovec_release(&iovec);
    }
}

static void dma_pair(long n, size_t size)
{
    memkind_t kind;

    if (memkind_dma_kind(-1, 0, &kind) != 0) {
        exit(1);
    }
    while (n-- > 0) {
        memkind_free(NULL, memkind_malloc(kind, size));
    }
}

static void dma_64(long n)
{
    dma_pair(n, 64);
}

static void dma_100(long n)
{
    dma_pair(n, 100);
}

static void dma_4k(long n)
{
    dma_pair(n, 4096);
}

static void dma_64k(long n)
{
    dma_pair(n, 65536);
}

static void regular_64k(long n)
{
    while (n-- > 0) {
        memkind_free(NULL, memkind_malloc(MEMKIND_REGULAR, 65536));
    }
}

static void spdk_node(long n)
{
    while (n-- > 0) {
        spdk_free(spdk_malloc(4096, 64, NULL, 0, SPDK_MALLOC_DMA));
    }
}

static void spdk_any(long n)
{
    while (n-- > 0) {
        spdk_dma_free(spdk_dma_malloc(4096, 64, NULL));
    }
}

static void spdk_100(long n)
{
    while (n-- > 0) {
        spdk_free(spdk_malloc(100, 64, NULL, 0, SPDK_MALLOC_DMA));
    }
}

static int accept_all(void *context, void *address, size_t size, void **handle)
{
    (void)address, (void)size;
    *handle = context;
    return 0;
}

static void map_find(long n)
{
    static char area[4096] __attribute__((aligned(4096)));
    struct memkind_map *map;
    struct memkind_range range;

    if (memkind_map_create(accept_all, NULL, 0, area, &map) != 0 || memkind_map_add(map, area, sizeof(area)) != 0) {
        exit(1);
    }
    while (n-- > 0) {
        memkind_map_find(map, area + 100, &range);
    }
}

static const struct {
    const char *name;
    void (*run)(long n);
    size_t object;
} operations[] = {
    {"region_alloc", region_alloc, 4096}, {"obstack", obstack, 4096},
    {"pool_pair", pool_pair, 4096}, {"pool_pair_1m", pool_pair, 1 << 20},
    {"pool_bulk", pool_bulk, 2048}, {"alloc_local", alloc_local, 2 << 20}, {"alloc_shared", alloc_shared, 2 << 20},
    {"clone_local", clone_local, 2 << 20}, {"clone_shared", clone_shared, 2 << 20}, {"reserve", reserve, 2 << 20},
    {"dma_64", dma_64, 4096}, {"dma_100", dma_100, 4096}, {"dma_4k", dma_4k, 4096}, {"dma_64k", dma_64k, 4096},
    {"regular_64k", regular_64k, 4096}, {"spdk_node", spdk_node, 4096}, {"spdk_any", spdk_any, 4096},
    {"spdk_100", spdk_100, 4096}, {"map_find", map_find, 4096},
};

int main(int argc, char *argv[])
{
    for (size_t i = 0; argc == 3 && i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, argv[1]) == 0) {
            if (memkind_pool_create(MEMKIND_REGULAR, operations[i].object, 4096, 0, &pool) != 0 ||
                memkind_stream_create(pool, &stream) != 0 || memkind_region_create(MEMKIND_REGULAR, 0, 0, &region) != 0) {
                return 1;
            }
            operations[i].run(atol(argv[2]));
            return 0;
        }
    }
    fprintf(stderr, "usage: ext OPERATION n\n");
    return 2;
}
