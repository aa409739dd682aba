/* SPDX-License-Identifier: BSD-2-Clause */
/* What a memtier builder accepts and refuses, and that it stays usable after a refusal. */
#include "memtier.h"

int main(void)
{
    struct memtier_builder *builder;
    struct memtier_memory *memory, *second;

    CHECK_NULL(memtier_builder_new((memtier_policy_t)-1));
    CHECK_NULL(memtier_builder_new(MEMTIER_POLICY_MAX_VALUE));
    CHECK_NULL(memtier_builder_new((memtier_policy_t)(MEMTIER_POLICY_MAX_VALUE + 1)));

    builder = new_builder(MEMTIER_POLICY_STATIC_RATIO);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    CHECK(memtier_builder_add_tier(builder, NULL, 1) != 0);
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1));
    CHECK(memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1) != 0);
    CHECK(memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 7) != 0);
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_REGULAR, 0));
    CHECK(memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1) != 0);
    memtier_builder_delete(builder);

    builder = new_builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1));
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1));
    memory = memtier_builder_construct_memtier_memory(builder);
    CHECK_NOT_NULL(memory);
    second = memtier_builder_construct_memtier_memory(builder);
    CHECK_NOT_NULL(second);
    CHECK(memory != second);
    memtier_builder_delete(builder);

    /* Both outlive the builder and each other. */
    void *block = memtier_malloc(memory, 100);
    void *other = memtier_malloc(second, 5000);
    CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(block));
    CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(other));
    memtier_delete_memtier_memory(memory);
    CHECK_INT(112, memtier_usable_size(block));
    void *third = memtier_malloc(second, 100);
    CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(third));
    memtier_free(third);
    memtier_free(block);
    memtier_free(other);
    memtier_delete_memtier_memory(second);
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_DEFAULT));
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_REGULAR));

    /* One tier is enough for the static ratio. */
    builder = new_builder(MEMTIER_POLICY_STATIC_RATIO);
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1));
    memory = build(builder);
    block = memtier_malloc(memory, 100);
    CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(block));
    memtier_free(block);
    memtier_delete_memtier_memory(memory);
    return 0;
}
