/* SPDX-License-Identifier: BSD-2-Clause */
/* detect_kind on a pointer whose block was moved away by realloc answers with the old kind, and on one
 * that was just freed never crashes; realloc with another kind moves a block into that kind.
 * Difference: 1.14.0 aborts on some of these pointers (once their extent was merged with another). */
#include "check.h"

/* The pointer as an integer, so that the compiler does not see that it is used after its end. */
static volatile uintptr_t stale;

/* The tier tests of the original depend on this one, in a fresh kind. */
static void check_moved(memkind_t kind)
{
    void *block = memkind_malloc(kind, 256 * KIB);

    CHECK_NOT_NULL(block);
    stale = (uintptr_t)block;
    block = memkind_realloc(kind, block, 512);
    CHECK_NOT_NULL(block);
    CHECK_PTR(kind, memkind_detect_kind((void *)stale));
    CHECK_PTR(kind, memkind_detect_kind(block));
    memkind_free(kind, block);
    CHECK_PTR(kind, memkind_detect_kind(block));
}

static void check_freed(memkind_t kind)
{
    static const size_t sizes[] = {8, 512, 4096, 100000, 256 * KIB, MIB, 5 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = memkind_malloc(kind, sizes[i]);
        CHECK_NOT_NULL(block);
        stale = (uintptr_t)block;
        memkind_free(kind, block);
        memkind_t found = memkind_detect_kind((void *)stale);
        CHECK(found == kind || found == NULL);
    }
}

static void check_moved_to_another_kind(void)
{
    void *block = memkind_malloc(MEMKIND_REGULAR, 500);

    CHECK_NOT_NULL(block);
    fill(block, 500, 1);
    block = memkind_realloc(MEMKIND_DEFAULT, block, 5000);
    CHECK_NOT_NULL(block);
    CHECK(holds(block, 500, 1));
    CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(block));
    memkind_free(MEMKIND_DEFAULT, block);
}

static void check(memkind_t kind)
{
    check_moved(kind);
    if (!original()) {
        check_freed(kind);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        check_moved_to_another_kind();
    }
    return every_kind(argc, check);
}
