/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_defrag_reallocate: nothing for NULL and for a lone block; in a heap full of holes it moves
 * blocks, with their contents, inside their kind. */
#include "check.h"

#define N_BLOCKS 400000
#define PMEM_BLOCKS 50000

static char *blocks[N_BLOCKS], *others[N_BLOCKS / 2];

static int move_all(memkind_t asked, memkind_t kind, size_t n, size_t size)
{
    int moved = 0;

    for (size_t i = 0; i < n; i++) {
        if (blocks[i] == NULL) {
            continue;
        }
        char *block = memkind_defrag_reallocate(asked, blocks[i]);
        if (block != NULL) {
            CHECK(block != blocks[i]);
            blocks[i] = block;
            moved++;
        }
        CHECK(holds(blocks[i], size, (unsigned)i));
    }
    for (size_t i = 0; i < n; i += 1000) {
        if (blocks[i] != NULL) {
            CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        }
    }
    return moved;
}

static void check_holes(memkind_t asked, memkind_t kind)
{
    for (size_t i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 150);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], 150, (unsigned)i);
    }
    for (size_t i = 1; i < N_BLOCKS; i += 2) {
        memkind_free(kind, blocks[i]);
        blocks[i] = NULL;
    }
    for (size_t i = 0; i < N_BLOCKS / 2; i++) {
        others[i] = memkind_malloc(kind, 300);
        CHECK_NOT_NULL(others[i]);
    }
    CHECK(move_all(asked, kind, N_BLOCKS, 150) > 0);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
    for (size_t i = 0; i < N_BLOCKS / 2; i++) {
        memkind_free(kind, others[i]);
    }
}

static void check_pmem(bool kind_known)
{
    memkind_t kind = make_pmem(test_dir(), 0);

    for (size_t i = 0; i < PMEM_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, KIB);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], KIB, (unsigned)i);
    }
    for (size_t i = 0; i < PMEM_BLOCKS; i++) {
        if (i * i % 10 < 5) {
            memkind_free(kind, blocks[i]);
            blocks[i] = NULL;
        }
    }
    CHECK(move_all(kind_known ? kind : NULL, kind, PMEM_BLOCKS, KIB) > 0);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    char *lone = memkind_malloc(MEMKIND_INTERLEAVE, 512);

    CHECK_NULL(memkind_defrag_reallocate(NULL, NULL));
    CHECK_NULL(memkind_defrag_reallocate(MEMKIND_DEFAULT, NULL));
    CHECK_NULL(memkind_defrag_reallocate(MEMKIND_REGULAR, NULL));
    CHECK_NOT_NULL(lone);
    CHECK_NULL(memkind_defrag_reallocate(MEMKIND_INTERLEAVE, lone));
    CHECK_NULL(memkind_defrag_reallocate(NULL, lone));
    memkind_free(MEMKIND_INTERLEAVE, lone);
    /* Large ones stay, wherever in the address space they are. */
    for (size_t size = 100000; size <= 4096 * MIB; size *= 3) {
        char *large = memkind_malloc(MEMKIND_DEFAULT, size);

        if (large != NULL) {
            large[0] = 1;
            CHECK_NULL(memkind_defrag_reallocate(NULL, large));
            memkind_free(NULL, large);
        }
    }

    check_holes(MEMKIND_DEFAULT, MEMKIND_DEFAULT);
    check_holes(NULL, MEMKIND_REGULAR);
    check_pmem(false);
    check_pmem(true);
    return 0;
}
