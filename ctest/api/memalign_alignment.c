/* SPDX-License-Identifier: BSD-2-Clause */
/* Every block of posix_memalign is aligned, holds its size and does not overlap another one.
 * Difference: 1.14.0 returns misaligned blocks from file-backed kinds when the alignment is larger
 * than a page; an alignment that does not fit must be ENOMEM. */
#include "check.h"

#define N_BLOCKS 4

static void check_alignment(memkind_t kind, size_t alignment)
{
    static const size_t sizes[N_BLOCKS] = {1, 100, 5000, 70000};
    void *blocks[N_BLOCKS];

    for (unsigned i = 0; i < N_BLOCKS; i++) {
        CHECK_INT(0, memkind_posix_memalign(kind, &blocks[i], alignment, sizes[i]));
        CHECK(aligned(blocks[i], alignment));
        CHECK(memkind_malloc_usable_size(kind, blocks[i]) >= sizes[i]);
        fill(blocks[i], sizes[i], i);
    }
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        CHECK(holds(blocks[i], sizes[i], i));
        memkind_free(kind, blocks[i]);
    }
}

static void check_too_large_for_fixed(void)
{
    static char area[8 * 1024 * 1024];
    const uintptr_t start = (uintptr_t)area, end = start + sizeof(area);
    size_t alignment = 1 * GIB;
    memkind_t kind;
    void *block = NULL;

    /* Wherever the area happens to be, none of its addresses is such a multiple. */
    while ((start - 1) / alignment != (end - 1) / alignment) {
        alignment *= 2;
    }
    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kind));
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, alignment, 100));
    CHECK_NULL(block);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* A file-backed kind may refuse, but must not give a block that is not aligned. */
static void check_large_for_pmem(void)
{
    memkind_t kind = make_pmem(test_dir(), 0);

    for (size_t alignment = 8 * KIB; alignment <= (size_t)1 << 47; alignment *= 2) {
        void *block = NULL;
        int err = memkind_posix_memalign(kind, &block, alignment, 100);
        if (err == 0) {
            CHECK(aligned(block, alignment));
            fill(block, 100, 1);
            memkind_free(kind, block);
        } else {
            CHECK_INT(ENOMEM, err);
            CHECK_NULL(block);
            /* What fits easily is not refused. */
            CHECK(alignment > 4 * MIB);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check(memkind_t kind)
{
    const bool file = strstr(check_context, "file") != NULL;
    const size_t largest = file && original() ? 4 * KIB : 128 * KIB;

    for (size_t alignment = sizeof(void *); alignment <= largest; alignment *= 2) {
        check_alignment(kind, alignment);
    }
    if (!file && memkind_get_capacity(kind) != (ssize_t)SMALL_KIND_SIZE) {
        check_alignment(kind, 2 * MIB);
        check_alignment(kind, 1 * GIB);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        check_too_large_for_fixed();
        if (!original()) {
            check_large_for_pmem();
        }
    }
    return every_kind(argc, check);
}
