/* SPDX-License-Identifier: BSD-2-Clause */
/* A block can always be made smaller through the kind that was asked for it, full or not, whether that gave it or a
 * fallback: it keeps its bytes, and an alignment that the kind promises. The program is not asked for room. */
#include "kind.h"

#define LIMIT (1 * MIB)
#define SIZE  10000

static int never(void *context, memkind_t kind, size_t size)
{
    (void)context, (void)kind;
    /* With checks a resized block is a new one, if there is room for that. */
    CHECK(size >= SIZE || getenv("MEMKIND_CHECKS"));
    return 0;
}

static void shrink_all(size_t alignment)
{
    memkind_t chained[3];
    struct wanted wanted = {.limit = LIMIT, .alignment = alignment};
    unsigned char *blocks[3 * LIMIT / SIZE];
    int n = 0, of[3] = {0};

    for (int i = 2; i >= 0; i--) {
        wanted.fallback = i < 2 ? chained[i + 1] : NULL;
        wanted.exhausted = i == 0 ? never : NULL;
        chained[i] = make_wanted(wanted);
    }
    for (unsigned char *block; (block = memkind_malloc(chained[0], SIZE)); n++) {
        memset(block, n, SIZE);
        blocks[n] = block;
        for (int i = 0; i < 3; i++)
            of[i] += memkind_detect_kind(block) == chained[i];
    }
    CHECK(of[0] > 20 && of[1] > 20 && of[2] > 20);
    /* The last first: no room has been made before it. */
    for (int i = n - 1; i >= 0; i--) {
        for (size_t size = SIZE; size > 100; size = size * 2 / 3) {
            blocks[i] = memkind_realloc(chained[0], blocks[i], size);
            CHECK_NOT_NULL(blocks[i]);
            CHECK(alignment == 0 || (uintptr_t)blocks[i] % alignment == 0);
            CHECK(blocks[i][0] == (unsigned char)i && blocks[i][size - 1] == (unsigned char)i);
        }
    }
    for (int i = 0; i < n; i++)
        memkind_free(NULL, blocks[i]);
    for (int i = 0; i < 3; i++)
        CHECK_INT(0, memkind_destroy_kind(chained[i]));
}

int main(void)
{
    shrink_all(0);
    shrink_all(64);
    return 0;
}
