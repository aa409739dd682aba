/* SPDX-License-Identifier: BSD-2-Clause */
/* Large blocks of several file-backed kinds that are mapped and freed next to each other never touch
 * each other. Difference: 1.14.0 merges extents of two kinds and crashes, on memory file systems
 * (docs/compatibility.md, "Kinds that programs make"). */
#include "pmem.h"

static void check(const char *dir, size_t size)
{
    memkind_t a = make_pmem(dir, 64 * MIB);
    memkind_t b = make_pmem(dir, 64 * MIB);

    for (int round = 0; round < 3; round++) {
        char *block = memkind_malloc(a, size);
        CHECK_NOT_NULL(block);
        fill(block, size, 1);
        memkind_free(a, block);
        block = memkind_malloc(b, size);
        CHECK_NOT_NULL(block);
        CHECK_PTR(b, memkind_detect_kind(block));
        fill(block, size, 2);
        char *other = memkind_malloc(a, size);
        CHECK_NOT_NULL(other);
        CHECK_PTR(a, memkind_detect_kind(other));
        fill(other, size, 3);
        CHECK(holds(block, size, 2));
        memkind_free(a, other);
        memkind_free(b, block);
    }
    CHECK_INT(0, memkind_destroy_kind(a));
    char *block = memkind_malloc(b, size);
    CHECK_NOT_NULL(block);
    fill(block, size, 4);
    CHECK_INT(0, memkind_destroy_kind(b));
}

int main(void)
{
    static const size_t sizes[] = {MIB, 5 * MIB, 8 * MIB, 9 * MIB, 20 * MIB};

    if (original()) {
        SKIP("1.14.0 crashes here: it merges extents of two kinds");
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check("/dev/shm", sizes[i]);
        check(test_dir(), sizes[i]);
    }
    return 0;
}
