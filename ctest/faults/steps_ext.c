/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps on statistics, tiers, and what stands on kinds: pools, vectors, regions, maps. */
#include "steps.h"

#include <memkind_memtier.h>

static void ignore(void *context, const char *text)
{
    *(size_t *)context += strlen(text);
}

void step_stats(void)
{
    char *block;
    size_t value = 0;

    BLOCK(block, memkind_malloc(MEMKIND_REGULAR, 2 * MIB));
    CODE(memkind_update_cached_stats(), IS(MEMKIND_ERROR_OPERATION_FAILED));
    CODE(memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ALLOCATED, &value),
         IS(MEMKIND_ERROR_OPERATION_FAILED, MEMKIND_ERROR_INVALID));
    CHECK(value >= 2 * MIB);
    value = 0;
    CODE(memkind_stats_print(ignore, &value, MEMKIND_STAT_PRINT_ALL), IS(MEMKIND_ERROR_OPERATION_FAILED));
    CHECK(value > 1000);
    QUIET(memkind_free(NULL, block));
}

void step_tiers(void)
{
    struct memtier_builder *builder;
    struct memtier_memory *memory;
    char *blocks[40];

    ATTEMPT(builder = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD), builder != NULL, true);
    ATTEMPT(code = memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1), code == 0, code == -1);
    ATTEMPT(code = memtier_builder_add_tier(builder, MEMKIND_REGULAR, 4), code == 0, code == -1);
    ATTEMPT(memory = memtier_builder_construct_memtier_memory(builder), memory != NULL, true);
    QUIET(memtier_builder_delete(builder));
    for (size_t i = 0; i < 40; i++) {
        BLOCK(blocks[i], memtier_malloc(memory, 10000 * i + 1));
        write_to(blocks[i], 10000 * i + 1, (unsigned)i);
    }
    for (size_t i = 0; i < 40; i++) {
        CHECK(has(blocks[i], 10000 * i + 1, (unsigned)i));
        QUIET(memtier_free(blocks[i]));
    }
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_REGULAR));
    QUIET(memtier_delete_memtier_memory(memory));
}

void step_pool(void)
{
    enum { N = 3000 };
    static char *objects[N];
    struct memkind_pool *pool;

    CODE(memkind_pool_create(MEMKIND_REGULAR, 2000, 0, 0, &pool), IS(MEMKIND_ERROR_MALLOC));
    ATTEMPT(code = memkind_pool_prepare(pool, 1500), code == 0, code == ENOMEM);
    for (size_t i = 0; i < N; i++) {
        BLOCK(objects[i], memkind_pool_get(pool));
        write_to(objects[i], 2000, (unsigned)i);
    }
    for (size_t i = 0; i < N; i++) {
        CHECK(has(objects[i], 2000, (unsigned)i));
        QUIET(memkind_pool_put(pool, objects[i]));
    }
    ATTEMPT(code = memkind_pool_get_many(pool, (void **)objects, 100) == 100 ? 0 : errno, code == 0, code == ENOMEM);
    QUIET(memkind_pool_put_many(pool, (void **)objects, 100));
    ALWAYS(memkind_pool_destroy(pool));
}

void step_vector(void)
{
    struct memkind_pool *pool;
    struct memkind_stream *stream;
    struct memkind_iovec vectors[100][4], clone;

    CODE(memkind_pool_create(MEMKIND_REGULAR, 65536, 4096, 0, &pool), IS(MEMKIND_ERROR_MALLOC));
    CODE(memkind_stream_create(pool, &stream), IS(MEMKIND_ERROR_MALLOC));
    for (unsigned i = 0; i < 100; i++) {
        ATTEMPT(code = memkind_iovec_alloc(stream, 100000, 64, 4, i % 2 ? MEMKIND_IOVEC_SHARED : MEMKIND_IOVEC_LOCAL,
                                           vectors[i]),
                code > 0, code == -1 && errno == ENOMEM);
        for (int j = 0; j < code; j++) {
            write_to(vectors[i][j].data, vectors[i][j].length, i);
        }
        memset(&vectors[i][code], 0, sizeof(vectors[i][0]) * (size_t)(4 - code));
    }
    for (unsigned i = 0; i < 100; i++) {
        memkind_iovec_clone(&clone, &vectors[i][0]);
        CHECK(has(clone.data, clone.length, i));
        QUIET(memkind_iovec_release(&clone));
        QUIET(memkind_iovecs_release(vectors[i], 4));
    }
    QUIET(memkind_stream_destroy(stream));
    ALWAYS(memkind_pool_destroy(pool));
}

void step_region(void)
{
    struct memkind_region *region;
    char *blocks[100];

    CODE(memkind_region_create(MEMKIND_REGULAR, 0, 0, &region), IS(MEMKIND_ERROR_MALLOC));
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 100; i++) {
            BLOCK(blocks[i], memkind_region_alloc(region, 50000));
            write_to(blocks[i], 50000, (unsigned)i);
        }
        CODE(memkind_region_protect(region, true), code == MEMKIND_ERROR_OPERATION_FAILED && errno != 0);
        CODE(memkind_region_protect(region, false), code == MEMKIND_ERROR_OPERATION_FAILED && errno != 0);
        for (size_t i = 0; i < 100; i++) {
            CHECK(has(blocks[i], 50000, (unsigned)i));
        }
        if (round == 0) {
            ALWAYS(memkind_region_reset(region));
        }
    }
    /* Destroyed while it is read-only. */
    CHECK_INT(0, memkind_region_protect(region, true));
    QUIET(memkind_region_destroy(region));
}

static size_t registered;

static int add(void *context, void *address, size_t size, void **handle)
{
    (void)context;
    registered += size;
    *handle = address;
    return 0;
}

static void take_away(void *context, void *address, size_t size, void *handle)
{
    (void)context;
    CHECK_PTR(address, handle);
    registered -= size;
}

void step_map(void)
{
    static char area[16 * MIB] __attribute__((aligned(4096)));
    struct memkind_map *map;
    struct memkind_range range;
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;
    char *block;

    memkind_config_set_options(config, MEMKIND_OPTION_PIN);
    memkind_config_set_slab_size(config, 4 * MIB);
    CHECK_INT(0, memkind_create_with_config(config, &kind));
    memkind_config_delete(config);
    CODE(memkind_map_create(add, take_away, MIB, NULL, &map), IS(MEMKIND_ERROR_MALLOC));
    CODE(memkind_map_add(map, area, sizeof(area)), code == ENOMEM);
    CHECK_INT(sizeof(area), registered);
    CODE(memkind_map_attach(map, kind), IS(MEMKIND_ERROR_MALLOC));
    BLOCK(block, memkind_malloc(kind, 10 * MIB));
    memset(block, 1, 10 * MIB);
    for (size_t i = 0; i < 10; i++) {
        ALWAYS(memkind_map_find(map, block + i * MIB, &range));
        CHECK(range.handle == range.address);
    }
    ALWAYS(memkind_map_detach(map, kind));
    CHECK_INT(sizeof(area), registered);
    ALWAYS(memkind_map_remove(map, area, sizeof(area)));
    QUIET(memkind_map_destroy(map));
    CHECK_INT(0, registered);
    QUIET(memkind_free(NULL, block));
    ALWAYS(memkind_destroy_kind(kind));
}

void step_dma(void)
{
    memkind_t kind;
    char *block;

    CODE(memkind_dma_kind(-1, 0, &kind), IS(MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_OPERATION_FAILED));
    CODE(memkind_prepare(kind, MIB), IS(MEMKIND_ERROR_MALLOC));
    BLOCK(block, memkind_malloc(kind, 100000));
    write_to(block, 100000, 1);
    QUIET(code = memkind_get_node(block));
    CHECK(has(block, 100000, 1));
    QUIET(memkind_free(kind, block));
}
