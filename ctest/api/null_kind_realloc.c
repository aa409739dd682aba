/* SPDX-License-Identifier: BSD-2-Clause */
/* realloc with a NULL kind: EINVAL without a block, otherwise the block stays in its kind. */
#include "check.h"

static void check(memkind_t kind)
{
    static const size_t sizes[] = {0, 1, 1024, SIZE_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(NULL, NULL, sizes[i]));
    }

    void *block = memkind_malloc(kind, 100);
    CHECK_NOT_NULL(block);
    fill(block, 100, 1);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(NULL, block, SIZE_MAX));
    CHECK(holds(block, 100, 1));
    static const size_t steps[] = {1000, 100000, 3 * MIB, 500, 100};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        block = memkind_realloc(NULL, block, steps[i]);
        CHECK_NOT_NULL(block);
        CHECK(holds(block, 100, 1));
        CHECK_PTR(kind, memkind_detect_kind(block));
    }
    CHECK_ALLOC_FAILS(0, memkind_realloc(NULL, block, 0));

    /* That it freed: otherwise 128 blocks of 1 MiB would not fit in the smaller kinds. */
    for (int i = 0; i < 128; i++) {
        block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        CHECK_NULL(memkind_realloc(NULL, block, 0));
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
