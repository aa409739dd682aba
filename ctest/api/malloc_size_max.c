/* SPDX-License-Identifier: BSD-2-Clause */
/* A size that no memory can satisfy gives NULL and ENOMEM; a block whose realloc failed stays valid. */
#include "check.h"

static void check(memkind_t kind)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4095, (size_t)PTRDIFF_MAX + 1,
                                   (size_t)1 << 47};
    unsigned char *block = memkind_malloc(kind, 1000);

    CHECK_NOT_NULL(block);
    fill(block, 1000, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, sizes[i], 1));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, NULL, sizes[i]));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, sizes[i]));
    }
    CHECK(holds(block, 1000, 1));
    CHECK(memkind_malloc_usable_size(kind, block) >= 1000);
    memkind_free(kind, block);
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
