/* SPDX-License-Identifier: BSD-2-Clause */
/* memtier_kind_allocated_size is the sum of the usable sizes of the live memtier blocks of a kind, after
 * every operation, failed ones included; realloc stays in the block's kind. */
#include "memtier.h"

#define KIND MEMKIND_INTERLEAVE
#define ALLOCATED(size) CHECK_INT(size, memtier_kind_allocated_size(KIND))

static void check_kind_functions(void)
{
    void *block, *other = NULL;

    ALLOCATED(0);
    block = memtier_kind_malloc(KIND, 100);
    CHECK_NOT_NULL(block);
    ALLOCATED(112);
    CHECK_ALLOC_FAILS(0, memtier_kind_malloc(KIND, 0));
    CHECK_ALLOC_FAILS(ENOMEM, memtier_kind_malloc(KIND, SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, memtier_kind_calloc(KIND, SIZE_MAX, 1));
    CHECK_ALLOC_FAILS(0, memtier_kind_realloc(KIND, NULL, 0));
    ALLOCATED(112);
    block = memtier_kind_realloc(KIND, block, 5000);
    ALLOCATED(5120);
    block = memtier_kind_realloc(KIND, block, 200);
    ALLOCATED(224);
    CHECK_INT(224, memtier_usable_size(block));
    if (!original()) { /* The original takes the old size off although the block stays. */
        CHECK_ALLOC_FAILS(ENOMEM, memtier_kind_realloc(KIND, block, SIZE_MAX));
        ALLOCATED(224);
    }
    other = memtier_kind_calloc(KIND, 10, 100);
    CHECK(all_zero(other, 1000));
    ALLOCATED(224 + 1024);
    CHECK_NULL(memtier_kind_realloc(KIND, other, 0));
    ALLOCATED(224);
    CHECK_INT(EINVAL, memtier_kind_posix_memalign(KIND, &other, 3, 100));
    CHECK_INT(ENOMEM, memtier_kind_posix_memalign(KIND, &other, 64, SIZE_MAX));
    CHECK_INT(0, memtier_kind_posix_memalign(KIND, &other, 64, 0));
    CHECK_NULL(other);
    ALLOCATED(224);
    CHECK_INT(0, memtier_kind_posix_memalign(KIND, &other, 4096, 100));
    CHECK(aligned(other, 4096));
    ALLOCATED(224 + memtier_usable_size(other));
    memtier_kind_free(KIND, other);
    ALLOCATED(224);
    memtier_free(NULL);
    memtier_kind_free(KIND, NULL);
    CHECK_INT(0, memtier_usable_size(NULL));
    other = memkind_malloc(KIND, 1000);
    ALLOCATED(224);
    memkind_free(KIND, other);
    memtier_free(block);
    ALLOCATED(0);
}

static void check_memory_functions(void)
{
    struct memtier_builder *builder = new_builder(MEMTIER_POLICY_STATIC_RATIO);
    void *block, *other;

    CHECK_INT(0, memtier_builder_add_tier(builder, KIND, 1));
    struct memtier_memory *memory = build(builder);
    CHECK_ALLOC_FAILS(0, memtier_malloc(memory, 0));
    CHECK_ALLOC_FAILS(0, memtier_calloc(memory, 0, 7));
    CHECK_ALLOC_FAILS(0, memtier_realloc(memory, NULL, 0));
    CHECK_ALLOC_FAILS(ENOMEM, memtier_malloc(memory, SIZE_MAX));
    ALLOCATED(0);
    block = memtier_realloc(memory, NULL, 16);
    ALLOCATED(16);
    other = memtier_calloc(memory, 1, 4096);
    ALLOCATED(16 + 4096);
    block = memtier_realloc(memory, block, MIB);
    ALLOCATED(MIB + 4096);
    CHECK_NULL(memtier_realloc(memory, block, 0));
    ALLOCATED(4096);
    memtier_kind_free(NULL, other);
    ALLOCATED(0);
    CHECK_INT(EINVAL, memtier_posix_memalign(memory, &block, 5, 100));
    CHECK_INT(0, memtier_posix_memalign(memory, &block, 32, 100));
    CHECK_PTR(KIND, memkind_detect_kind(block));
    /* A block stays in its kind, whatever memory it is given to. */
    struct memtier_memory *elsewhere = build(two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 1));
    fill(block, 100, 5);
    block = memtier_realloc(elsewhere, block, 100 * KIB);
    CHECK(holds(block, 100, 5));
    CHECK_PTR(KIND, memkind_detect_kind(block));
    ALLOCATED(112 * KIB);
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_DEFAULT));
    CHECK_NULL(memtier_realloc(elsewhere, block, 0));
    ALLOCATED(0);
    memtier_delete_memtier_memory(elsewhere);
    memtier_delete_memtier_memory(memory);
}

static void check_destroyed_kind(void)
{
    memkind_t kind = make_pmem(test_dir(), 0);

    CHECK_NOT_NULL(memtier_kind_malloc(kind, 100));
    CHECK_INT(112, memtier_kind_allocated_size(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, memtier_kind_allocated_size(kind));
    kind = make_pmem(test_dir(), 0);
    CHECK_INT(0, memtier_kind_allocated_size(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check_kind_functions();
    check_memory_functions();
    check_destroyed_kind();
    return 0;
}
