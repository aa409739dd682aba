/* SPDX-License-Identifier: BSD-2-Clause */
/* Building memtier memories in the tests of the memtier API. */
#ifndef MEMKIND_CTEST_MEMTIER_H
#define MEMKIND_CTEST_MEMTIER_H

#include "check.h"

#include <memkind_memtier.h>

static inline struct memtier_builder *new_builder(memtier_policy_t policy)
{
    struct memtier_builder *builder = memtier_builder_new(policy);

    CHECK_NOT_NULL(builder);
    return builder;
}

/* Two tiers, DEFAULT and REGULAR. */
static inline struct memtier_builder *two_tiers(memtier_policy_t policy, unsigned ratio_0, unsigned ratio_1)
{
    struct memtier_builder *builder = new_builder(policy);

    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_DEFAULT, ratio_0));
    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_REGULAR, ratio_1));
    return builder;
}

/* Constructs, and deletes the builder. */
static inline struct memtier_memory *build(struct memtier_builder *builder)
{
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);

    CHECK_NOT_NULL(memory);
    memtier_builder_delete(builder);
    return memory;
}

#endif
