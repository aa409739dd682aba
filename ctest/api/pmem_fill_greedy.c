/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a small kind holds: the greedy filling of an 18 MiB kind, what still fits beside a large
 * block, and the number of equal blocks in a 16 MiB kind: as many as in the original, and as many as the
 * pages allow, with one more for each block of 16 KiB or more. With larger pages all of it is larger. */
#include "pmem.h"

enum { PAGE = HEAP_PAGE };

static const size_t mib = 256 * PAGE;

/* Always the largest size that fits, and not a byte more: 16 MiB, 1.75 MiB, 224 KiB and 16 KiB, each
 * with a page more, are all of 18 MiB. */
static void check_greedy(void)
{
    static const size_t expected[] = {4096 * HEAP_PAGE, 448 * PAGE, 56 * PAGE, 4 * PAGE};
    memkind_t kind = make_pmem(test_dir(), 18 * mib);

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, expected[i] + 1));
        CHECK_NOT_NULL(memkind_malloc(kind, expected[i]));
    }
    for (size_t size = 4 * PAGE; size > 0; size /= 2) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_beside_large(void)
{
    memkind_t kind = make_pmem(test_dir(), 18 * mib);

    CHECK_NOT_NULL(memkind_malloc(kind, 16 * mib));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 2 * mib));
    CHECK_INT(0, memkind_destroy_kind(kind));

    kind = make_pmem(test_dir(), 18 * mib);
    void *block = memkind_malloc(kind, 1 * KIB);
    CHECK_NOT_NULL(block);
    fill(block, 1 * KIB, 1);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, 16 * mib + PAGE));
    CHECK(holds(block, 1 * KIB, 1));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_destroy_kind(kind));

    kind = make_pmem(test_dir(), 32 * mib);
    CHECK_NOT_NULL(memkind_malloc(kind, 512));
    CHECK_NOT_NULL(memkind_malloc(kind, 8 * mib));
    CHECK_NOT_NULL(memkind_malloc(kind, 16 * mib));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 16 * mib));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_count(size_t size, size_t original)
{
    const size_t bytes = size < 4 * PAGE ? size : size + PAGE;
    memkind_t kind = make_pmem(test_dir(), 16 * mib);
    void *last = NULL;

    const size_t count = fill_up(kind, size, &last);
    CHECK(count >= original && count <= 16 * mib / bytes);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size));
    release_all(kind, &last);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check_greedy();
    check_beside_large();
    check_count(PAGE / 128, 524288);
    check_count(PAGE / 4, 16384);
    check_count(PAGE, 4096);
    check_count(4 * PAGE, 817);
    check_count(16 * PAGE, 239);
    check_count(256 * PAGE, 11);
    return 0;
}
