/* SPDX-License-Identifier: BSD-2-Clause */
/* A file-backed kind takes blocks of the file system, and counts against its limit, what it uses: not what
 * its arenas might use some day. So a small kind can be filled by one thread when many others use it too. */
#include "pmem.h"

static memkind_t kind;

static void take_the_rest(void)
{
    CHECK(pmem_file_bytes(kind) <= 4 * MIB);
    char *block = memkind_malloc(kind, 16 * MIB);
    CHECK_NOT_NULL(block);
    memset(block, 1, 16 * MIB);
    memkind_free(kind, block);
}

static void check_many_threads(void)
{
    kind = make_pmem(test_dir(), 18 * MIB);
    while_many_have_one(kind, take_the_rest);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Growing, a kind is never far ahead of what is used. */
static void check_growth(size_t size)
{
    size_t used = 0;

    kind = make_pmem(test_dir(), 0);
    while (used < 100 * MIB) {
        CHECK_NOT_NULL(memkind_malloc(kind, size));
        used += size;
        if (used % (10 * MIB) < size) {
            /* One page more for each large block. */
            const size_t expected = size < 16 * KIB ? used : used / size * (size + 4 * KIB);
            CHECK(pmem_file_bytes(kind) <= expected + expected / 50 + 512 * KIB);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    kind = make_pmem(test_dir(), 18 * MIB);
    char *block = memkind_malloc(kind, 64);
    CHECK_NOT_NULL(block);
    *block = 1;
    if (pmem_file_bytes(kind) >= 2 * MIB) {
        SKIP("takes 2 MiB for the first block");
    }
    CHECK(pmem_file_bytes(kind) >= 4 * KIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_many_threads();
    check_growth(64);
    check_growth(1 * KIB);
    check_growth(40 * KIB);
    return 0;
}
