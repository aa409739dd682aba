/* SPDX-License-Identifier: BSD-2-Clause */
/* With MEMKIND_HEAP_MANAGER=TBB every static kind but MEMKIND_DEFAULT has blocks of a pool, the others of
 * jemalloc; all heap functions work on both, with the kind or without. The original takes every block for
 * one of a pool when the kind is not given, so it is asked about those only. */
#include "tbb.h"

static memkind_t others[2];

static void check_block(memkind_t kind, void *block, size_t size)
{
    CHECK_NOT_NULL(block);
    CHECK(memkind_malloc_usable_size(kind, block) >= size);
    if (!original() || is_on_tbb(kind)) {
        CHECK_PTR(kind, memkind_detect_kind(block));
        CHECK_INT(memkind_malloc_usable_size(kind, block), memkind_malloc_usable_size(NULL, block));
    }
}

static void check_resizing(memkind_t kind)
{
    static const size_t sizes[] = {1, 100, 9000, 300 * KIB, 5 * MIB, 40 * KIB, 10, 20 * MIB, 5000};
    char *block = memkind_malloc(kind, 1);

    check_block(kind, block, 1);
    fill(block, 1, 3);
    for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t kept = sizes[i] < sizes[i - 1] ? sizes[i] : sizes[i - 1];
        block = memkind_realloc(i % 2 == 0 && !original() ? NULL : kind, block, sizes[i]);
        check_block(kind, block, sizes[i]);
        CHECK(holds(block, kept, 3));
        fill(block, sizes[i], 3);
    }
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, (size_t)1 << 47));
    CHECK(holds(block, 5000, 3));
    CHECK_NULL(memkind_defrag_reallocate(kind, block));
    /* Into every other kind and back, which the original leaves to chance. */
    for (int i = 0; i < 2 && !original(); i++) {
        block = memkind_realloc(others[i], block, 6000);
        check_block(others[i], block, 6000);
        CHECK(holds(block, 5000, 3));
        block = memkind_realloc(kind, block, 5000);
        check_block(kind, block, 5000);
        CHECK(holds(block, 5000, 3));
    }
    CHECK_NULL(memkind_realloc(kind, block, 0));
}

static void check_kind(memkind_t kind)
{
    void *blocks[200];

    skip_first_block(kind);
    void *block = memkind_malloc(kind, 5000);
    check_block(kind, block, 5000);
    CHECK_INT(is_on_tbb(kind) ? TBB_5000 : JEMALLOC_5000, memkind_malloc_usable_size(kind, block));
    memkind_free(kind, block);
    check_resizing(kind);
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = memkind_malloc(kind, i * 100 + 1);
        check_block(kind, blocks[i], i * 100 + 1);
        memset(blocks[i], 0xff, i * 100 + 1);
    }
    for (size_t i = 0; i < 200; i++) {
        memkind_free(i % 2 == 0 && (!original() || is_on_tbb(kind)) ? NULL : kind, blocks[i]);
    }
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = memkind_calloc(kind, i + 1, 100);
        check_block(kind, blocks[i], (i + 1) * 100);
        CHECK(all_zero(blocks[i], (i + 1) * 100));
    }
    for (size_t i = 0; i < 200; i++) {
        memkind_free(kind, blocks[i]);
    }
    for (size_t alignment = 8; alignment <= 4 * MIB; alignment *= 2) {
        CHECK_INT(0, memkind_posix_memalign(kind, &block, alignment, 100));
        check_block(kind, block, 100);
        CHECK(aligned(block, alignment));
        memkind_free(kind, block);
    }
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, SIZE_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (size_t)PTRDIFF_MAX));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, SIZE_MAX / 2, 3));
    CHECK_ALLOC_FAILS(0, memkind_malloc(kind, 0));
    CHECK_INT(EINVAL, memkind_posix_memalign(kind, &block, 3, 100));
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 64, SIZE_MAX - 32));
    if (!original()) {
        CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, (size_t)1 << 62, 100));
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        need_tbb();
        CHECK_CHILD(run_again("every-kind", ON_TBB));
        return 0;
    }
    others[0] = MEMKIND_DEFAULT;
    others[1] = MEMKIND_REGULAR;
    CHECK_INT(0, every_kind(argc, check_kind));
    if (original()) {
        _exit(0); /* It crashes in a destructor of its own. */
    }
    return 0;
}
