/* SPDX-License-Identifier: BSD-2-Clause */
/* Under a preload library small blocks that were freed in any order come back in ascending order, but for
 * the last few and where another tier or magazine begins. Run by family.sh. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 4096, SIZE = 48 };

static char *blocks[COUNT];

int main(void)
{
    uint64_t state = 1;
    size_t ascending = 0;

    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = COUNT - 1; i > 0; i--) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            size_t j = (size_t)(state >> 33) % (i + 1);
            char *block = blocks[i];
            blocks[i] = blocks[j];
            blocks[j] = block;
        }
        for (size_t i = 0; i < COUNT; i++) {
            free(blocks[i]);
        }
        ascending = 0;
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = malloc(SIZE);
            ascending += i > 0 && blocks[i] > blocks[i - 1];
        }
    }
    if (ascending < COUNT * 7 / 10) {
        fprintf(stderr, "only %zu of %d blocks follow the one before\n", ascending, COUNT);
        return 1;
    }
    return 0;
}
