/* SPDX-License-Identifier: BSD-2-Clause */
/* The deprecated one gigabyte kinds: what they say without and with a machine's huge pages. Without
 * high-bandwidth memory it is pages that they miss, also where the machine has some.
 * huge pages: 8 */
#include "check.h"

int main(void)
{
    memkind_t kinds[] = {MEMKIND_GBTLB, MEMKIND_HBW_GBTLB, MEMKIND_HBW_PREFERRED_GBTLB};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        void *block = NULL;
        check_context = (const char *)kinds[i] + 12;
        memkind_free(kinds[i], NULL);
        memkind_malloc(kinds[i], 0);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kinds[i], NULL, SIZE_MAX));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[i], SIZE_MAX));
        CHECK_ALLOC_FAILS(0, memkind_malloc(kinds[i], 0));
        CHECK_INT(EINVAL, memkind_posix_memalign(kinds[i], &block, 5, GIB));
        if (memkind_check_available(kinds[i]) != 0) {
            CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[i], GIB));
            CHECK_INT(ENOMEM, memkind_posix_memalign(kinds[i], &block, 4096, GIB));
        }
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    check_context = NULL;
    if (memkind_check_available(MEMKIND_HBW) == MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE) {
        CHECK_INT(MEMKIND_ERROR_HUGETLB, memkind_check_available(MEMKIND_HBW_GBTLB));
        CHECK_INT(MEMKIND_ERROR_HUGETLB, memkind_check_available(MEMKIND_HBW_PREFERRED_GBTLB));
    }
    return 0;
}
