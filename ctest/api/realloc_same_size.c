/* SPDX-License-Identifier: BSD-2-Clause */
/* realloc to the size that a block has, or to another one of its size class, stays in place: programs
 * ignore the result and free the old pointer. */
#include "check.h"

static void check(memkind_t kind)
{
    static const size_t sizes[] = {1, 8, 16, 100, 512, 1024, 4096, 14336, 16384, 65536, MIB, 3 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = memkind_malloc(kind, sizes[i]);
        CHECK_NOT_NULL(block);
        fill(block, sizes[i], 3);
        CHECK_PTR(block, memkind_realloc(kind, block, sizes[i]));
        CHECK_PTR(block, memkind_realloc(kind, block, memkind_malloc_usable_size(kind, block)));
        CHECK_PTR(block, memkind_realloc(NULL, block, sizes[i]));
        CHECK(holds(block, sizes[i], 3));
        memkind_free(kind, block);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
