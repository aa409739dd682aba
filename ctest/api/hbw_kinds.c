/* SPDX-License-Identifier: BSD-2-Clause */
/* Which kind hbw_malloc and hbw_posix_memalign_psize use under each policy and page size, and that
 * PREFERRED alone falls back where there is no high bandwidth memory.
 * Difference: 1.14.0 crashes on a page size that does not exist. */
#include "check.h"

#include <hbwmalloc.h>

/* The kinds of a policy, for base and huge pages. */
static const struct row {
    memkind_t *base, *huge;
} rows[] = {
    [HBW_POLICY_BIND] = {&MEMKIND_HBW, &MEMKIND_HBW_HUGETLB},
    [HBW_POLICY_PREFERRED] = {&MEMKIND_HBW_PREFERRED, &MEMKIND_HBW_PREFERRED_HUGETLB},
    [HBW_POLICY_INTERLEAVE] = {&MEMKIND_HBW_INTERLEAVE, NULL},
    [HBW_POLICY_BIND_ALL] = {&MEMKIND_HBW_ALL, &MEMKIND_HBW_ALL_HUGETLB},
};

static bool usable(memkind_t kind)
{
    return memkind_check_available(kind) == 0;
}

static void check_block(memkind_t expected, void *block, int err)
{
    if (!usable(expected)) {
        CHECK_INT(ENOMEM, err);
        CHECK_NULL(block);
        return;
    }
    CHECK_INT(0, err);
    CHECK_NOT_NULL(block);
    CHECK_PTR(expected, memkind_detect_kind(block));
    fill(block, 100, 1);
    hbw_free(block);
}

static int psize(void **block, size_t alignment, size_t size, int page_size)
{
    *block = NULL;
    return hbw_posix_memalign_psize(block, alignment, size, (hbw_pagesize_t)page_size);
}

static void check_huge(const struct row *row, bool fallback)
{
    void *block;
    int err;

    if (row->huge == NULL) {
        CHECK_INT(EINVAL, psize(&block, 4096, 100, HBW_PAGESIZE_2MB));
        CHECK_INT(EINVAL, psize(&block, 4096, GIB, HBW_PAGESIZE_1GB));
    } else {
        err = psize(&block, 4096, 100, HBW_PAGESIZE_2MB);
        check_block(fallback ? MEMKIND_HUGETLB : *row->huge, block, err);
    }
    CHECK_INT(EINVAL, psize(&block, 4096, 100, HBW_PAGESIZE_1GB_STRICT));
    CHECK_INT(EINVAL, psize(&block, 4096, GIB + 1, HBW_PAGESIZE_1GB_STRICT));
    CHECK_INT(EINVAL, psize(&block, SIZE_MAX, GIB, HBW_PAGESIZE_1GB_STRICT));
    CHECK_INT(EINVAL, psize(&block, SIZE_MAX, GIB, HBW_PAGESIZE_1GB));
    CHECK_INT(EINVAL, psize(&block, SIZE_MAX, 100, HBW_PAGESIZE_4KB));
    CHECK_INT(EINVAL, psize(&block, 3, 100, HBW_PAGESIZE_4KB));
    if (!original()) {
        CHECK_INT(EINVAL, psize(&block, 4096, 100, HBW_PAGESIZE_MAX_VALUE));
        CHECK_INT(EINVAL, psize(&block, 4096, 100, -1));
    }
}

int main(int argc, char **argv)
{
    void *block;
    int err;

    if (argc == 1) {
        static const char *const runs[] = {"1", "2", "3", "4"};
        for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
            CHECK_CHILD(run_again(runs[i], NULL));
            CHECK_CHILD(run_again(runs[i], node_0_for_all_kinds));
        }
        return 0;
    }
    check_context = argv[1];
    const int policy = atoi(argv[1]);
    const bool hbw = hbw_check_available() == 0;
    const bool fallback = policy == HBW_POLICY_PREFERRED && !hbw;
    const memkind_t base = fallback ? MEMKIND_DEFAULT : *rows[policy].base;

    CHECK_INT(hbw ? 0 : ENODEV, hbw_check_available());
    CHECK_INT(usable(MEMKIND_HBW), hbw);
    CHECK_INT(0, hbw_set_policy((hbw_policy_t)policy));
    errno = ENOMEM;
    block = hbw_malloc(100);
    check_block(base, block, block == NULL ? errno : 0);
    block = hbw_calloc(10, 10);
    check_block(base, block, block == NULL ? errno : 0);
    block = hbw_realloc(NULL, 100);
    check_block(base, block, block == NULL ? errno : 0);
    block = NULL;
    err = hbw_posix_memalign(&block, 64, 100);
    check_block(base, block, err);
    err = psize(&block, 4096, 100, HBW_PAGESIZE_4KB);
    check_block(base, block, err);
    check_huge(&rows[policy], fallback);
    return 0;
}
