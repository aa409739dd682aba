/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration only stores what it is given; memkind_create_pmem_with_config checks it. Programs read
 * the fields directly: the path at 0 is the caller's own pointer, the size at 8, the policy at 16.
 * Difference: for a wrong policy 1.14.0 creates the kind, and leaks it, before it refuses. */
#include "pmem.h"

struct fields {
    const char *dir;
    size_t size;
    unsigned policy;
};

static struct memkind_config *config;

static void set(const char *dir, size_t size, unsigned policy)
{
    struct fields fields;

    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, size);
    memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)policy);
    memcpy(&fields, config, sizeof(fields));
    CHECK_PTR(dir, fields.dir);
    CHECK_INT(size, fields.size);
    CHECK_INT(policy, fields.policy);
}

static void check_refused(const char *dir, size_t size, unsigned policy)
{
    memkind_t kind = NULL;

    set(dir, size, policy);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, &kind));
    CHECK_NULL(kind);
}

static void check_wrong_policy(unsigned policy)
{
    memkind_t kind = NULL;
    const int free_descriptor = dup(0);

    CHECK_INT(0, close(free_descriptor));
    set(test_dir(), 16 * MIB, policy);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, &kind));
    if (original()) {
        CHECK_NOT_NULL(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    } else {
        CHECK_NULL(kind);
    }
    CHECK_INT(free_descriptor, dup(0));
    CHECK_INT(0, close(free_descriptor));
}

int main(void)
{
    memkind_t kind = NULL;

    config = memkind_config_new();
    CHECK_NOT_NULL(config);
    check_refused("/missing/directory", 16 * MIB, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    check_refused(test_dir(), 1 * MIB, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    check_refused(test_dir(), 16 * MIB - 1, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    check_wrong_policy(MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    check_wrong_policy(7);
    check_wrong_policy(UINT32_MAX);

    for (unsigned policy = 0; policy < MEMKIND_MEM_USAGE_POLICY_MAX_VALUE; policy++) {
        set(test_dir(), 16 * MIB + 1, policy);
        CHECK_INT(0, memkind_create_pmem_with_config(config, &kind));
        CHECK_INT(18 * MIB, memkind_get_capacity(kind));
        void *block = memkind_malloc(kind, 1 * MIB);
        CHECK_NOT_NULL(block);
        CHECK_PTR(kind, memkind_detect_kind(block));
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    memkind_config_delete(config);
    return 0;
}
