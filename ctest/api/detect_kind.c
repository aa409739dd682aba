/* SPDX-License-Identifier: BSD-2-Clause */
/* detect_kind names the kind of any live block, small or large, also among several file-backed kinds
 * and when the blocks of many kinds lie between each other. */
#include "check.h"

#define N_PMEM 10

static void check(memkind_t kind)
{
    static const size_t sizes[] = {1, 8, 512, 4096, 16384, 100000, 2 * MIB, 8 * MIB};
    const size_t n_sizes = sizeof(sizes) / sizeof(sizes[0]);
    void *blocks[sizeof(sizes) / sizeof(sizes[0])];

    for (size_t i = 0; i < n_sizes; i++) {
        blocks[i] = memkind_malloc(kind, sizes[i]);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
    }
    void *block = NULL;
    CHECK_INT(0, memkind_posix_memalign(kind, &block, 4096, 100));
    CHECK_PTR(kind, memkind_detect_kind(block));
    for (size_t i = 0; i < n_sizes; i++) {
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        memkind_free(NULL, blocks[i]);
    }
    memkind_free(NULL, block);
}

static void check_several_pmem(void)
{
    memkind_t kinds[N_PMEM];
    void *blocks[N_PMEM][20];

    for (int i = 0; i < N_PMEM; i++) {
        kinds[i] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    }
    for (int j = 0; j < 20; j++) {
        for (int i = 0; i < N_PMEM; i++) {
            blocks[i][j] = memkind_malloc(kinds[i], (size_t)16 << j / 2);
            CHECK_NOT_NULL(blocks[i][j]);
        }
    }
    for (int i = 0; i < N_PMEM; i++) {
        for (int j = 0; j < 20; j++) {
            CHECK_PTR(kinds[i], memkind_detect_kind(blocks[i][j]));
        }
    }
    /* One that is destroyed does not disturb the others. */
    CHECK_INT(0, memkind_destroy_kind(kinds[N_PMEM / 2]));
    for (int i = 0; i < N_PMEM; i++) {
        if (i != N_PMEM / 2) {
            CHECK_PTR(kinds[i], memkind_detect_kind(blocks[i][19]));
            CHECK_INT(0, memkind_destroy_kind(kinds[i]));
        }
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        check_several_pmem();
    }
    return every_kind(argc, check);
}
