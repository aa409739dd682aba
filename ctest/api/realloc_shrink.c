/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that takes a large buffer, cuts it down to what it needs and frees that later, again and
 * again, needs no more memory each time. */
#include "machine.h"
#include "pmem.h"
#include "process.h"

enum { ROUNDS = 300, KEPT = 20 };

static void check_kind(const char *name, memkind_t kind)
{
    static const size_t sizes[][2] = {{2 * MIB, 100}, {2 * MIB, 9000}, {2 * MIB, 16 * KIB}, {2 * MIB, 20 * KIB},
        {2 * MIB, 60 * KIB}, {2 * MIB, 100 * KIB}, {16 * MIB, 20 * KIB}, {16 * MIB, 100 * KIB},
        {16 * MIB, 300 * KIB}, {16 * MIB, MIB}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *kept[KEPT] = {NULL};
        size_t before = 0;

        for (size_t round = 0; round < 2 * ROUNDS; round++) {
            char **place = &kept[round % KEPT];
            char *block = memkind_malloc(kind, sizes[i][0]);

            CHECK_NOT_NULL(block);
            fill(block, sizes[i][1], (unsigned char)round);
            block = memkind_realloc(kind, block, sizes[i][1]);
            CHECK_NOT_NULL(block);
            CHECK(memkind_malloc_usable_size(kind, block) < 2 * sizes[i][1]);
            CHECK(round < KEPT || holds(*place, sizes[i][1], (unsigned char)(round - KEPT)));
            memkind_free(kind, *place);
            *place = block;
            if (round == ROUNDS) {
                before = address_space();
            }
        }
        const size_t after = address_space();
        if (after > before + ROUNDS / 10 * sizes[i][0]) {
            FAIL("%s: %zu MiB more after %d blocks of %zu KiB cut to %zu bytes", name, (after - before) / MIB,
                 ROUNDS, sizes[i][0] / KIB, sizes[i][1]);
        }
        for (size_t n = 0; n < KEPT; n++) {
            memkind_free(kind, kept[n]);
        }
    }
}

int main(void)
{
    memkind_t file = make_pmem(test_dir(), 0);

    check_kind("default", MEMKIND_DEFAULT);
    check_kind("regular", MEMKIND_REGULAR);
    check_kind("file", file);
    CHECK_INT(0, memkind_destroy_kind(file));
    return 0;
}
