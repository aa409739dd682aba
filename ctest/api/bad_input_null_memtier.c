/* SPDX-License-Identifier: BSD-2-Clause */
/* Null pointers in the memtier interface are refused. The original crashes on most of these. */
#include "memtier.h"

int main(void)
{
    struct memtier_builder *builder = new_builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    const size_t value = 1;
    void *block = NULL;

    memtier_free(NULL);
    memtier_kind_free(MEMKIND_DEFAULT, NULL);
    CHECK_INT(0, memtier_usable_size(NULL));
    CHECK(memtier_builder_add_tier(builder, NULL, 1) != 0);
    if (!original()) {
        CHECK(memtier_builder_add_tier(NULL, MEMKIND_DEFAULT, 1) != 0);
        CHECK_NULL(memtier_builder_construct_memtier_memory(NULL));
        CHECK_INT(-1, memtier_ctl_set(NULL, "policy.dynamic_threshold.check_cnt", &value));
        CHECK_INT(-1, memtier_ctl_set(builder, NULL, &value));
        CHECK_INT(-1, memtier_ctl_set(builder, "policy.dynamic_threshold.check_cnt", NULL));
        memtier_builder_delete(NULL);
        memtier_delete_memtier_memory(NULL);
        CHECK_ALLOC_FAILS(EINVAL, memtier_malloc(NULL, 100));
        CHECK_ALLOC_FAILS(EINVAL, memtier_calloc(NULL, 1, 100));
        CHECK_ALLOC_FAILS(EINVAL, memtier_realloc(NULL, NULL, 100));
        CHECK_INT(EINVAL, memtier_posix_memalign(NULL, &block, 64, 100));
        CHECK_ALLOC_FAILS(EINVAL, memtier_kind_malloc(NULL, 100));
        CHECK_ALLOC_FAILS(EINVAL, memtier_kind_calloc(NULL, 1, 100));
        CHECK_ALLOC_FAILS(EINVAL, memtier_kind_realloc(NULL, NULL, 100));
        CHECK_INT(EINVAL, memtier_kind_posix_memalign(NULL, &block, 64, 100));
        CHECK_INT(EINVAL, memtier_kind_posix_memalign(MEMKIND_DEFAULT, NULL, 64, 100));
        CHECK_INT(0, memtier_kind_allocated_size(NULL));
    }
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_DEFAULT));
    memtier_builder_delete(builder);
    return 0;
}
