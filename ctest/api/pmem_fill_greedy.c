/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a small kind holds: the greedy filling of an 18 MiB kind, what still fits beside a large
 * block, and the number of equal blocks in a 16 MiB kind: as many as in the original, and as many as the
 * pages allow, with one more for each block of 16 KiB or more. */
#include "pmem.h"

/* Always the largest size that fits, and not a byte more: 16 MiB, 1.75 MiB, 224 KiB and 16 KiB, each
 * with a page more, are all of 18 MiB. */
static void check_greedy(void)
{
    static const size_t expected[] = {16 * MIB, 1792 * KIB, 224 * KIB, 16 * KIB};
    memkind_t kind = make_pmem(test_dir(), 18 * MIB);

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, expected[i] + 1));
        CHECK_NOT_NULL(memkind_malloc(kind, expected[i]));
    }
    for (size_t size = 16 * KIB; size > 0; size /= 2) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_beside_large(void)
{
    memkind_t kind = make_pmem(test_dir(), 18 * MIB);

    CHECK_NOT_NULL(memkind_malloc(kind, 16 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 2 * MIB));
    CHECK_INT(0, memkind_destroy_kind(kind));

    kind = make_pmem(test_dir(), 18 * MIB);
    void *block = memkind_malloc(kind, 1 * KIB);
    CHECK_NOT_NULL(block);
    fill(block, 1 * KIB, 1);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, 16 * MIB + 4 * KIB));
    CHECK(holds(block, 1 * KIB, 1));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_destroy_kind(kind));

    kind = make_pmem(test_dir(), 32 * MIB);
    CHECK_NOT_NULL(memkind_malloc(kind, 512));
    CHECK_NOT_NULL(memkind_malloc(kind, 8 * MIB));
    CHECK_NOT_NULL(memkind_malloc(kind, 16 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 16 * MIB));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_count(size_t size, size_t original)
{
    const size_t bytes = size < 16 * KIB ? size : size + 4 * KIB;
    memkind_t kind = make_pmem(test_dir(), 16 * MIB);
    void *last = NULL;

    const size_t count = fill_up(kind, size, &last);
    CHECK(count >= original && count <= 16 * MIB / bytes);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size));
    release_all(kind, &last);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check_greedy();
    check_beside_large();
    check_count(32, 524288);
    check_count(1 * KIB, 16384);
    check_count(4 * KIB, 4096);
    check_count(16 * KIB, 817);
    check_count(64 * KIB, 239);
    check_count(1 * MIB, 11);
    return 0;
}
