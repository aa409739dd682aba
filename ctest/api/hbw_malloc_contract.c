/* SPDX-License-Identifier: BSD-2-Clause */
/* The malloc contract of the hbw_* functions: size zero, sizes too large, alignments, realloc in place.
 * hbw_malloc(0) is NULL, which the C++ allocator turns into an exception. */
#include "check.h"

#include <hbwmalloc.h>

static void check_memalign(size_t alignment, size_t size, int expected)
{
    void *block = NULL;

    errno = EILSEQ;
    CHECK_INT(expected, hbw_posix_memalign(&block, alignment, size));
    CHECK_INT(EILSEQ, errno);
    if (expected != 0 || size == 0) {
        CHECK_NULL(block);
        return;
    }
    CHECK_NOT_NULL(block);
    CHECK(aligned(block, alignment));
    CHECK(hbw_malloc_usable_size(block) >= size);
    hbw_free(block);
}

static void check(void)
{
    static const size_t wrong[] = {1, 2, 3, 4, 5, 9, 24};

    CHECK_ALLOC_FAILS(0, hbw_malloc(0));
    CHECK_ALLOC_FAILS(0, hbw_calloc(0, 10));
    CHECK_ALLOC_FAILS(0, hbw_calloc(10, 0));
    CHECK_ALLOC_FAILS(0, hbw_realloc(NULL, 0));
    CHECK_ALLOC_FAILS(ENOMEM, hbw_malloc(SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, hbw_calloc(1, SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, hbw_realloc(NULL, SIZE_MAX));
    if (!original()) {
        CHECK_ALLOC_FAILS(ENOMEM, hbw_calloc(((size_t)1 << 63) + 8, 2));
    }
    hbw_free(NULL);
    CHECK_INT(0, hbw_malloc_usable_size(NULL));

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        check_memalign(wrong[i], 100, EINVAL);
    }
    for (size_t alignment = 8; alignment <= 128 * KIB; alignment *= 2) {
        check_memalign(alignment, 0, 0);
        check_memalign(alignment, 100, 0);
        check_memalign(alignment, SIZE_MAX, ENOMEM);
    }

    void *block = hbw_calloc(100, 10);
    CHECK_NOT_NULL(block);
    CHECK(all_zero(block, 1000));
    fill(block, 1000, 1);
    /* Programs ignore the result when the size is the same. */
    CHECK_PTR(block, hbw_realloc(block, 1000));
    CHECK_ALLOC_FAILS(ENOMEM, hbw_realloc(block, SIZE_MAX));
    block = hbw_realloc(block, 100000);
    CHECK_NOT_NULL(block);
    CHECK(holds(block, 1000, 1));
    block = hbw_realloc(block, 4);
    CHECK_NOT_NULL(block);
    CHECK(holds(block, 4, 1));
    errno = EILSEQ;
    CHECK_NULL(hbw_realloc(block, 0));
    CHECK_INT(EILSEQ, errno);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(run_again("with node 0", node_0_for_all_kinds));
    }
    hbw_free(hbw_malloc(1));
    check();
    return 0;
}
