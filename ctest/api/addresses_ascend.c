/* SPDX-License-Identifier: BSD-2-Clause */
/* Small blocks of a fresh kind follow each other without a gap, at ascending addresses; those of 16
 * bytes and more are 16-aligned. */
#include "check.h"

/* The first block of a class may lie anywhere; what follows it is next to it. */
static void check_distance(memkind_t kind, size_t size, size_t distance)
{
    char *first = memkind_malloc(kind, size);
    char *second = memkind_malloc(kind, size);

    CHECK_NOT_NULL(first);
    CHECK_INT(distance, second - first);
    CHECK(aligned(first, distance >= 16 ? 16 : 8));
}

static void check_aligned_distance(memkind_t kind)
{
    void *first = NULL;
    void *second = NULL;

    CHECK_INT(0, memkind_posix_memalign(kind, &first, 64, 32));
    CHECK_INT(0, memkind_posix_memalign(kind, &second, 64, 32));
    CHECK_INT(64, (char *)second - (char *)first);
}

int main(void)
{
    memkind_t kind = make_pmem(test_dir(), 32 * MIB);

    check_distance(kind, 32, 32);
    check_aligned_distance(kind);
    check_distance(kind, 1, 8);
    check_distance(kind, 16, 16);
    check_distance(kind, 100, 112);
    check_distance(kind, 1000, 1024);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
