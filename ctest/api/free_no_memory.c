/* SPDX-License-Identifier: BSD-2-Clause */
/* free() needs no memory: when there is none left for what the library would keep about freed blocks, they
 * are free all the same, and can be had again. */
#include "process.h"

enum { KINDS = 400, BLOCKS = 500, SIZE = 64, AREA = 256 * 1024 };

static memkind_t kinds[KINDS];
static void *blocks[KINDS][BLOCKS];
static char areas[KINDS][AREA] __attribute__((aligned(4096)));

int main(void)
{
    need_unlimited_address_space();
    for (int i = 0; i < KINDS; i++) {
        kinds[i] = make_fixed(areas[i], AREA);
        for (int j = 0; j < BLOCKS; j++) {
            blocks[i][j] = memkind_malloc(kinds[i], SIZE);
            CHECK_NOT_NULL(blocks[i][j]);
            memset(blocks[i][j], i, SIZE);
        }
    }
    limit_address_space(1 * MIB);
    /* What is mapped already. */
    for (size_t i = 0; i < 1000000 && malloc(1000) != NULL; i++) {
    }
    for (int i = 0; i < KINDS; i++) {
        for (int j = 0; j < BLOCKS; j++) {
            CHECK_INT(i & 0xff, *(unsigned char *)blocks[i][j]);
            memkind_free(j % 2 ? kinds[i] : NULL, blocks[i][j]);
        }
    }
    for (int i = 0; i < KINDS; i++) {
        for (int j = 0; j < BLOCKS; j++) {
            CHECK_NOT_NULL(memkind_malloc(kinds[i], SIZE));
        }
    }
    limit_address_space(RLIM_INFINITY);
    for (int i = 0; i < KINDS; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    return 0;
}
