/* SPDX-License-Identifier: BSD-2-Clause */
/* A null pointer where C code passes one is refused: NULL and EINVAL, or MEMKIND_ERROR_INVALID, or
 * nothing at all for functions without a result. The original crashes on most of these. */
#include "check.h"

#include <hbwmalloc.h>

static void check_null_kind(void)
{
    void *block = &block;

    CHECK_ALLOC_FAILS(EINVAL, memkind_malloc(NULL, 100));
    CHECK_ALLOC_FAILS(EINVAL, memkind_calloc(NULL, 10, 10));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(NULL, NULL, 100));
    CHECK_INT(EINVAL, memkind_posix_memalign(NULL, &block, 64, 100));
    memkind_free(NULL, NULL);
    CHECK_INT(0, memkind_malloc_usable_size(NULL, NULL));
    CHECK_NULL(memkind_detect_kind(NULL));
    CHECK_NULL(memkind_defrag_reallocate(NULL, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_destroy_kind(NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_check_available(NULL));
    CHECK_INT(-1, memkind_get_capacity(NULL));
    void *const set = dlsym(RTLD_DEFAULT, "memkind_set_allow_zero_allocs"); /* Not in every header. */
    CHECK_NOT_NULL(set);
    ((void (*)(memkind_t, bool))(uintptr_t)set)(NULL, true);
}

static void check_null_results(void)
{
    struct memkind_config *config = memkind_config_new();

    CHECK_NOT_NULL(config);
    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, NULL));
    memkind_config_delete(config);
    static char area[64 * 1024];
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_fixed(area, sizeof(area), NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(test_dir(), 0, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID,
              memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, 0, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ACTIVE, NULL));
    CHECK_INT(EINVAL, memkind_posix_memalign(MEMKIND_DEFAULT, NULL, 64, 100));
    CHECK_INT(EINVAL, memkind_posix_memalign(MEMKIND_REGULAR, NULL, 64, 100));
    CHECK_INT(EINVAL, hbw_posix_memalign(NULL, 64, 100));
    CHECK_INT(EINVAL, hbw_posix_memalign_psize(NULL, 64, 100, HBW_PAGESIZE_4KB));
    memkind_error_message(MEMKIND_ERROR_INVALID, NULL, 100);
}

static void check_null_strings(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(NULL, 0, &kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(NULL, &kind));
    memkind_config_set_path(config, NULL);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
    CHECK_NULL(kind);
    CHECK(memkind_check_dax_path(NULL) < 0);
    memkind_config_set_path(NULL, test_dir());
    memkind_config_set_size(NULL, 0);
    memkind_config_set_memory_usage_policy(NULL, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_config_delete(NULL);
}

int main(void)
{
    /* What the original does as well. */
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(NULL, NULL, 100));
    memkind_free(NULL, NULL);
    memkind_free(MEMKIND_REGULAR, NULL);
    hbw_free(NULL);
    CHECK_INT(0, memkind_malloc_usable_size(NULL, NULL));
    CHECK_INT(EINVAL, hbw_verify_memory_region(NULL, 4096, 0));
    memkind_config_delete(NULL);
    if (!original()) {
        check_null_kind();
        check_null_results();
        check_null_strings();
    }
    return 0;
}
