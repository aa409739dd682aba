/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes that are no multiples of their kind's alignment are counted as the blocks that they get. */
#include "kind.h"

#include <memkind_memtier.h>

#define KEPT 64

static memkind_t kind;

/* Pairs, and blocks that stay for a while, of sizes of all classes up to 256 bytes. */
static void churn(void *(*get)(size_t size), void (*put)(void *block))
{
    unsigned random = 1;
    char *kept[KEPT] = {NULL};

    for (int i = 0; i < 60000; i++) {
        const unsigned slot = next_random(&random) % KEPT;
        const size_t size = i / 200 % 2 ? 100 : 1 + next_random(&random) % 256;

        put(kept[slot]);
        kept[slot] = get(size);
        CHECK(memkind_detect_kind(kept[slot]) != kind || aligned(kept[slot], 64));
        CHECK(memkind_malloc_usable_size(kind, kept[slot]) >= size);
        memset(kept[slot], (int)slot, size);
    }
    for (int slot = 0; slot < KEPT; slot++)
        put(kept[slot]);
}

static void *get_block(size_t size)
{
    return memkind_malloc(kind, size);
}

static void put_block(void *block)
{
    memkind_free(NULL, block);
}

static void pairs(void)
{
    for (int i = 0; i < 2000; i++)
        put_block(get_block(100));
}

static size_t allocated(void)
{
    size_t bytes;

    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(0, memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &bytes));
    return bytes;
}

static struct memtier_memory *memory;

static void *get_tiered(size_t size)
{
    return memtier_malloc(memory, size);
}

static void check_tier(memtier_policy_t policy)
{
    struct memtier_builder *builder = memtier_builder_new(policy);
    void *block;

    CHECK_NOT_NULL(builder);
    CHECK_INT(0, memtier_builder_add_tier(builder, kind, 1));
    if (policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD)
        CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1));
    CHECK_NOT_NULL(memory = memtier_builder_construct_memtier_memory(builder));
    memtier_builder_delete(builder);
    /* Now the kind's caches have blocks of 128 bytes for requests of 100. */
    pairs();
    CHECK_NOT_NULL(block = memtier_kind_malloc(kind, MIB));
    CHECK_INT(MIB, memtier_kind_allocated_size(kind));
    churn(get_tiered, memtier_free);
    CHECK_INT(MIB, memtier_kind_allocated_size(kind));
    memtier_free(block);
    memtier_delete_memtier_memory(memory);
}

int main(void)
{
    kind = make_wanted((struct wanted){.alignment = 64});
    churn(get_block, put_block);
    pairs();
    CHECK_INT(0, allocated());
    check_tier(MEMTIER_POLICY_STATIC_RATIO);
    check_tier(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
