/* SPDX-License-Identifier: BSD-2-Clause */
/* posix_memalign reports by its value: the codes, *memptr after a failure, and an errno that it never
 * touches.
 * Difference: 1.14.0 sets errno for MEMKIND_DEFAULT when the alignment exceeds the address space. */
#include "check.h"

static char untouched;

/* On failure MEMKIND_DEFAULT leaves *memptr alone, the others set it to NULL. */
static void check_one(memkind_t kind, size_t alignment, size_t size, int expected)
{
    const bool keeps = expected != 0 && kind == MEMKIND_DEFAULT;
    void *block = &untouched;

    errno = EILSEQ;
    CHECK_INT(expected, memkind_posix_memalign(kind, &block, alignment, size));
    CHECK_INT(EILSEQ, errno);
    if (expected != 0 || size == 0) {
        CHECK_PTR(keeps ? &untouched : NULL, block);
        return;
    }
    CHECK_NOT_NULL(block);
    CHECK(block != &untouched && aligned(block, alignment));
    fill(block, size, 0);
    memkind_free(kind, block);
}

static void check(memkind_t kind)
{
    static const size_t wrong[] = {0, 1, 2, 3, 4, 5, 7, 9, 12, 24, 1000, SIZE_MAX, SIZE_MAX - 1};
    static const size_t right[] = {8, 16, 32, 64, 1024, 4096};
    static const size_t too_big[] = {SIZE_MAX, SIZE_MAX - 4095, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1};

    memkind_free(kind, memkind_malloc(kind, 1));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        check_one(kind, wrong[i], 100, EINVAL);
        check_one(kind, wrong[i], SIZE_MAX, EINVAL);
        /* MEMKIND_DEFAULT looks at the size first. */
        check_one(kind, wrong[i], 0, kind == MEMKIND_DEFAULT ? 0 : EINVAL);
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        check_one(kind, right[i], 0, 0);
        check_one(kind, right[i], 1, 0);
        check_one(kind, right[i], 100, 0);
        check_one(kind, right[i], 10000, 0);
        for (size_t j = 0; j < sizeof(too_big) / sizeof(too_big[0]); j++) {
            check_one(kind, right[i], too_big[j], ENOMEM);
        }
    }
    check_one(kind, (size_t)1 << 63, 100, ENOMEM);

    if (original() && kind == MEMKIND_DEFAULT) {
        void *block = &untouched;
        errno = 0;
        CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, (size_t)1 << 47, 100));
        CHECK_INT(ENOMEM, errno);
    } else if (!original()) {
        check_one(kind, (size_t)1 << 47, 100, ENOMEM);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
