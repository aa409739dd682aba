/* SPDX-License-Identifier: BSD-2-Clause */
/* A file-backed kind is named after its descriptor, so the next kind after a destroyed one gets its
 * name, and its first arena. */
#include "pmem.h"

#define N_KINDS 10

int main(void)
{
    memkind_t kinds[N_KINDS];
    char expected[64], old[64];

    for (int i = 0; i < N_KINDS; i++) {
        kinds[i] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
        snprintf(expected, sizeof(expected), "pmem%08x", (unsigned)pmem_record(kinds[i])->fd);
        CHECK_STR(expected, kind_name(kinds[i]));
    }
    strcpy(old, kind_name(kinds[5]));
    CHECK_INT(0, memkind_destroy_kind(kinds[5]));
    CHECK_INT(0, memkind_destroy_kind(kinds[6]));
    kinds[5] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    CHECK_STR(old, kind_name(kinds[5]));
    kinds[6] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    CHECK(strcmp(kind_name(kinds[5]), kind_name(kinds[6])) != 0);
    for (int i = 0; i < N_KINDS; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }

    kinds[0] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    CHECK_NOT_NULL(memkind_malloc(kinds[0], 100));
    const uint32_t arena = pmem_arena_zero(kinds[0]);
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
    kinds[0] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    CHECK_NOT_NULL(memkind_malloc(kinds[0], 100));
    CHECK_INT(arena, pmem_arena_zero(kinds[0]));
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
    return 0;
}
