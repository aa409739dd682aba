/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that no enumeration has, and sizes that no machine has. */
#include "check.h"

#include <hbwmalloc.h>

static void check_enumerations(void)
{
    static const int strange[] = {-1, 5, 100, INT32_MAX, INT32_MIN};
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;
    void *block = NULL;

    CHECK_NOT_NULL(config);
    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 0);
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        const int number = strange[i];

        CHECK_INT(MEMKIND_ERROR_INVALID,
                  memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, (memkind_policy_t)number, 0, &kind));
        CHECK_INT(MEMKIND_ERROR_INVALID,
                  memkind_create_kind((memkind_memtype_t)(number & ~3), MEMKIND_POLICY_PREFERRED_LOCAL, 0, &kind));
        CHECK_NULL(kind);
        CHECK_INT(EINVAL, hbw_set_policy((hbw_policy_t)number));
        if (!original()) { /* It crashes. */
            CHECK_INT(EINVAL, hbw_posix_memalign_psize(&block, 64, 100, (hbw_pagesize_t)(number & ~15)));
        }
        memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)number);
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, &kind));
        kind = NULL; /* The original creates one all the same. */
    }
    memkind_config_delete(config);
}

static void check_sizes(memkind_t kind)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4095, SIZE_MAX / 2 + 1, SIZE_MAX / 2,
                                   (size_t)1 << 62, (size_t)1 << 48};
    char *block = memkind_malloc(kind, 100);

    fill(block, 100, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *result = NULL;

        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, NULL, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, sizes[i]));
        CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &result, 64, sizes[i]));
        CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &result, 4096, sizes[i]));
        CHECK_NULL(result);
    }
    CHECK(holds(block, 100, 1));
    memkind_free(kind, block);
}

int main(void)
{
    memkind_t pmem = make_pmem(test_dir(), 0), limited = make_pmem(test_dir(), 32 * MIB);

    check_enumerations();
    check_sizes(MEMKIND_DEFAULT);
    check_sizes(MEMKIND_REGULAR);
    check_sizes(MEMKIND_INTERLEAVE);
    check_sizes(pmem);
    check_sizes(limited);
    CHECK_INT(0, memkind_destroy_kind(pmem));
    CHECK_INT(0, memkind_destroy_kind(limited));
    return 0;
}
