/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest kind never fails when blocks of 10 bytes to 4 MiB are in it one at a time. */
#include "pmem.h"

static void check(const char *dir)
{
    static const size_t sizes[] = {10, 100, 200, 500, 1000, 2000, 3000, 1 * MIB, 2 * MIB, 3 * MIB, 4 * MIB};
    memkind_t kind = make_pmem(dir, MEMKIND_PMEM_MIN_SIZE);

    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *block = memkind_malloc(kind, sizes[i]);
            CHECK_NOT_NULL(block);
            block[0] = 1;
            block[sizes[i] - 1] = 2;
            memkind_free(kind, block);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check(test_dir());
    check("/dev/shm");
    return 0;
}
