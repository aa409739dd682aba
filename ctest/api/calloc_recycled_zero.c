/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc gives zeroes also when it recycles a block that held something else. */
#include "check.h"

static void check(memkind_t kind)
{
    static const size_t sizes[] = {1, 100, 1024, 5000, 16384, 100000, 2 * MIB};

    for (int round = 0; round < 30; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            unsigned char *dirty = memkind_malloc(kind, sizes[i]);
            CHECK_NOT_NULL(dirty);
            memset(dirty, 0xa5, memkind_malloc_usable_size(kind, dirty));
            memkind_free(kind, dirty);

            unsigned char *block = memkind_calloc(kind, sizes[i], 1);
            CHECK_NOT_NULL(block);
            CHECK(all_zero(block, sizes[i]));
            memset(block, 0x5a, sizes[i]);
            memkind_free(kind, block);
        }
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
