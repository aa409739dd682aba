/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit that no machine has, as programs give that want none, is no reason to refuse blocks. One that cannot be
 * rounded up to 2 MiB is none. And no kind takes as many addresses. */
#include "pmem.h"
#include "process.h"

#define TIB (1024 * GIB)

int main(void)
{
    static const size_t limits[] = {TIB, TIB + 1, 20 * TIB, 64 * TIB, 100 * TIB, (size_t)1 << 50, PTRDIFF_MAX,
                                    (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 64 * MIB, SIZE_MAX - 1, SIZE_MAX};

    const size_t before = address_space();

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        memkind_t kind = make_pmem(test_dir(), limits[i]);
        char *small = memkind_malloc(kind, 100), *large = memkind_malloc(kind, 100 * MIB);

        CHECK_NOT_NULL(small);
        CHECK_NOT_NULL(large);
        fill(small, 100, 1);
        fill(large, 100 * MIB, 2);
        CHECK(holds(small, 100, 1) && holds(large, 100 * MIB, 2));
        if (limits[i] < PTRDIFF_MAX) {
            CHECK_INT((limits[i] + 2 * MIB - 1) / (2 * MIB) * (2 * MIB), (size_t)memkind_get_capacity(kind));
        }
        if (limits[i] >= SIZE_MAX - 1) {
            CHECK(memkind_get_capacity(kind) > 0);
        }
        /* The addresses of a kind are not as many as its limit. */
        CHECK(address_space() < before + 2 * TIB);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    return 0;
}
