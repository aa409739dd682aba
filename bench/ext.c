/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of memkind_ext.h, n times each: `ext OP n`. bench/ext.py counts their instructions. */
#include <memkind_ext.h>
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

static const struct {
    const char *name;
    void (*run)(long n);
    size_t object;
} operations[] = {
    {"region_alloc", region_alloc, 4096}, {"obstack", obstack, 4096},
    {"pool_pair", pool_pair, 4096}, {"pool_pair_1m", pool_pair, 1 << 20},
    {"pool_bulk", pool_bulk, 2048}, {"alloc_local", alloc_local, 2 << 20}, {"alloc_shared", alloc_shared, 2 << 20},
    {"clone_local", clone_local, 2 << 20}, {"clone_shared", clone_shared, 2 << 20}, {"reserve", reserve, 2 << 20},
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
