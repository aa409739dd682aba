/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc whose product does not fit in size_t gives NULL and ENOMEM.
 * Difference: 1.14.0 checks this for MEMKIND_DEFAULT only; on the others the product wraps around. */
#include "check.h"

static void check(memkind_t kind)
{
    const size_t half = (size_t)1 << 63;
    const size_t root = (size_t)1 << 32;

    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 2, SIZE_MAX / 2));
    if (original() && kind != MEMKIND_DEFAULT) {
        void *block = memkind_calloc(kind, half + 8, 2);
        CHECK_NOT_NULL(block);
        CHECK_INT(16, memkind_malloc_usable_size(kind, block));
        memkind_free(kind, block);
        CHECK_ALLOC_FAILS(0, memkind_calloc(kind, 2 * root, 2 * root));
        return;
    }
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, half + 8, 2));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 2, half + 8));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 2 * root, 2 * root));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, root, root));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, root + 1, root));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 10, SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, SIZE_MAX, 10));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, SIZE_MAX, SIZE_MAX));
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
