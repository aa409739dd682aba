/* SPDX-License-Identifier: BSD-2-Clause */
/* Without huge pages the huge page kinds say so and every allocation is NULL and ENOMEM, each time; with
 * the preferred policy hbw_* does not fall back on base pages when huge ones are asked for. A failed allocation
 * tells the reason under MEMKIND_DEBUG=1. */
#include "machine.h"
#include "output.h"

#include <hbwmalloc.h>

static memkind_t *const huge_kinds[] = {&MEMKIND_HUGETLB, &MEMKIND_HBW_HUGETLB, &MEMKIND_HBW_ALL_HUGETLB,
                                        &MEMKIND_HBW_PREFERRED_HUGETLB};

int main(int argc, char **argv)
{
    if (has_huge_pages()) {
        SKIP("there are huge pages");
    }
    if (argc == 1) {
        CHECK_CHILD(run_again("child", node_0_for_all_kinds));
        if (!original()) {
            const struct output *const told = output_of("tell", ENV("MEMKIND_DEBUG=1"));

            CHECK_INT(0, told->status);
            CHECK(strstr(told->text, "MEMKIND_INFO: Overcommit limit for 2097152 kB hugepages is 0.\n") != NULL);
            CHECK(strstr(told->text, "MEMKIND_INFO: Number of 2097152 kB hugepages on node ") != NULL);
            CHECK(strstr(told->text, "Persistent hugepages and overcommit hugepages are not available.\n") != NULL);
            CHECK(strstr(told->text, "huge pages of 2 MiB") != NULL && strstr(told->text, "vm.nr_hugepages") != NULL);
        }
        return 0;
    }
    if (strcmp(argv[1], "tell") == 0) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_HUGETLB, 100));
        return 0;
    }
    for (size_t i = 0; i < sizeof(huge_kinds) / sizeof(huge_kinds[0]); i++) {
        const memkind_t kind = *huge_kinds[i];
        for (int again = 0; again < 3; again++) {
            void *block = NULL;

            CHECK_INT(MEMKIND_ERROR_HUGETLB, memkind_check_available(kind));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 100));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, 4 * MIB));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, NULL, 100));
            CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 64, 100));
            CHECK_ALLOC_FAILS(0, memkind_malloc(kind, 0));
        }
    }
    void *block = NULL;
    CHECK_INT(0, hbw_check_available());
    CHECK_INT(ENOMEM, hbw_posix_memalign_psize(&block, 64, 100, HBW_PAGESIZE_2MB));
    CHECK_INT(0, hbw_posix_memalign_psize(&block, 64, 100, HBW_PAGESIZE_4KB));
    CHECK_NOT_NULL(block);
    hbw_free(block);
    return 0;
}
