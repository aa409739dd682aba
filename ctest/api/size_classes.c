/* SPDX-License-Identifier: BSD-2-Clause */
/* The usable size is the size class: 8, multiples of 16 up to 128, then four classes to each doubling.
 * The same through the kind and through NULL. */
#include "check.h"

static size_t next_class(size_t size)
{
    if (size < 16) {
        return 16;
    }
    if (size < 128) {
        return size + 16;
    }
    return size + ((size_t)1 << (63 - __builtin_clzl(size))) / 4;
}

static void check_usable(memkind_t kind, size_t size, size_t expected)
{
    void *block = memkind_malloc(kind, size);

    CHECK_NOT_NULL(block);
    CHECK_INT(expected, memkind_malloc_usable_size(kind, block));
    CHECK_INT(expected, memkind_malloc_usable_size(NULL, block));
    /* All of it can be used. */
    fill(block, expected, 1);
    CHECK(holds(block, expected, 1));
    memkind_free(kind, block);
}

static void check(memkind_t kind)
{
    const bool small = memkind_get_capacity(kind) == (ssize_t)SMALL_KIND_SIZE;
    size_t previous = 0;

    for (size_t class = 8; class <= (small ? 1 : 8) * MIB; class = next_class(class)) {
        check_usable(kind, previous + 1, class);
        if (class < 64 * KIB) {
            check_usable(kind, (previous + class) / 2 + 1, class);
            check_usable(kind, class, class);
        }
        previous = class;
    }
    /* Facts by number, in case next_class is wrong. */
    static const size_t facts[][2] = {
        {16, 16}, {31, 32}, {32, 32}, {33, 48}, {129, 160}, {512, 512}, {1024, 1024}, {2048, 2048},
        {4096, 4096}, {5120, 5120}, {10240, 10240}, {14337, 16384}, {16385, 20480}, {40960, 40960},
        {360 * KIB, 384 * KIB}, {1600 * KIB, 1792 * KIB}};
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        check_usable(kind, facts[i][0], facts[i][1]);
    }
}

/* A kind for each size: that these fit one after the other in a small one is not promised. */
static void check_large(void)
{
    static const size_t facts[][2] = {{MIB + 1, 1280 * KIB}, {4 * MIB, 4 * MIB}, {4 * MIB + 1, 5 * MIB},
                                      {5 * MIB, 5 * MIB}, {5 * MIB + 1, 6 * MIB}, {8 * MIB, 8 * MIB}};

    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        memkind_t kind = make_pmem(test_dir(), SMALL_KIND_SIZE);
        check_usable(kind, facts[i][0], facts[i][1]);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        check_large();
    }
    return every_kind(argc, check);
}
