/* SPDX-License-Identifier: BSD-2-Clause */
/* The areas of several kinds may overlap, as long as one at most is in use: no control data is in them,
 * not when a kind is created, used or destroyed. */
#include "check.h"

#define SIZE (16 * HEAP_PAGE)

static unsigned char area[SIZE + 12] __attribute__((aligned(HEAP_PAGE)));

static void check_untouched(void)
{
    for (size_t i = 0; i < sizeof(area); i++) {
        if (area[i] != 0x5a) {
            FAIL("byte %zu of the area: expected 0x5a, got %#x", i, area[i]);
        }
    }
}

int main(void)
{
    static const size_t offsets[] = {0, 8, 12};
    memkind_t kinds[3];

    memset(area, 0x5a, sizeof(area));
    for (int i = 0; i < 3; i++) {
        kinds[i] = make_fixed(area + offsets[i], SIZE);
    }
    CHECK(kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[0] != kinds[2]);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(SIZE, memkind_get_capacity(kinds[i]));
    }
    check_untouched();
    /* One of them in use: its records are elsewhere. */
    void *block = memkind_malloc(kinds[1], 100);
    CHECK_NOT_NULL(block);
    memkind_free(kinds[1], block);
    CHECK_NOT_NULL(memkind_malloc(kinds[1], 5 * HEAP_PAGE));
    check_untouched();
    for (int i = 0; i < 3; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    check_untouched();
    return 0;
}
