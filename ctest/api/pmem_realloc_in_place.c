/* SPDX-License-Identifier: BSD-2-Clause */
/* Large blocks shrink and grow where they are, and what they give up can be had at once; a large block
 * that becomes small moves. */
#include "pmem.h"

int main(void)
{
    memkind_t kind = make_pmem(test_dir(), 18 * MIB);
    static const size_t steps[] = {6 * MIB, 10 * MIB, 8 * MIB};
    char *large = memkind_malloc(kind, 10 * MIB);

    CHECK_NOT_NULL(large);
    fill(large, 6 * MIB, 1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        CHECK_PTR(large, memkind_realloc(kind, large, steps[i]));
        CHECK_INT(steps[i], memkind_malloc_usable_size(kind, large));
    }
    CHECK(holds(large, 6 * MIB, 1));

    char *beside = memkind_malloc(kind, 4 * MIB);
    CHECK_NOT_NULL(beside);
    fill(beside, 16, 2);
    CHECK(holds(large, 6 * MIB, 1));
    beside = memkind_realloc(kind, beside, 16);
    CHECK_NOT_NULL(beside);
    CHECK(holds(beside, 16, 2));

    const uintptr_t old = (uintptr_t)large;
    char *small = memkind_realloc(kind, large, 16);
    CHECK_NOT_NULL(small);
    CHECK((uintptr_t)small != old);
    CHECK(holds(small, 16, 1));
    CHECK_NOT_NULL(memkind_malloc(kind, 5 * MIB));
    CHECK(holds(beside, 16, 2));
    CHECK(holds(small, 16, 1));
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
