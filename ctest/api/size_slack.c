/* SPDX-License-Identifier: BSD-2-Clause */
/* What a block may hold beyond what was asked for, in a file-backed kind of the smallest size. */
#include "check.h"

int main(void)
{
    static const size_t limits[][2] = {{10, 8}, {100, 16}, {200, 32}, {500, 64}, {1000, 128}, {2000, 256},
                                       {3000, 512}, {1 * MIB, 4 * MIB}, {2 * MIB, 4 * MIB},
                                       {3 * MIB, 4 * MIB}, {4 * MIB, 4 * MIB}};
    memkind_t kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        void *block = memkind_malloc(kind, limits[i][0]);
        CHECK_NOT_NULL(block);
        size_t usable = memkind_malloc_usable_size(kind, block);
        CHECK(usable >= limits[i][0]);
        CHECK(usable - limits[i][0] <= limits[i][1]);
        CHECK_INT(usable, memkind_malloc_usable_size(NULL, block));
        memkind_free(kind, block);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
