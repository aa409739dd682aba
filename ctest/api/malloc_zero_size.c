/* SPDX-License-Identifier: BSD-2-Clause */
/* Size zero gives NULL and leaves errno alone, on every kind that has memory and with every function;
 * realloc to zero frees. Item 7. */
#include "check.h"

static void check_zero(memkind_t kind)
{
    errno = 0;
    CHECK_NULL(memkind_malloc(kind, 0));
    CHECK_NULL(memkind_calloc(kind, 0, 16));
    CHECK_NULL(memkind_calloc(kind, 16, 0));
    CHECK_NULL(memkind_calloc(kind, 0, 0));
    CHECK_NULL(memkind_calloc(kind, 0, SIZE_MAX));
    CHECK_NULL(memkind_realloc(kind, NULL, 0));
    CHECK_INT(0, errno);

    void *block = memkind_malloc(kind, 100);
    CHECK_NOT_NULL(block);
    errno = EILSEQ;
    CHECK_NULL(memkind_realloc(kind, block, 0));
    CHECK_INT(EILSEQ, errno);
}

int main(void)
{
    memkind_t pmem = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);

    check_zero(MEMKIND_DEFAULT);
    check_zero(MEMKIND_REGULAR);
    check_zero(MEMKIND_INTERLEAVE);
    check_zero(pmem);
    /* If realloc to zero did not free, 64 blocks of 1 MiB would not fit in 16 MiB. */
    for (int i = 0; i < 64; i++) {
        void *block = memkind_malloc(pmem, MIB);
        CHECK_NOT_NULL(block);
        CHECK_NULL(memkind_realloc(pmem, block, 0));
    }
    CHECK_INT(0, memkind_destroy_kind(pmem));
    return 0;
}
