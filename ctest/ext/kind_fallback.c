/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fallback gave is a block of that kind: it stays when the kind that was asked goes, and is resized, measured and
 * freed like any other; with MEMKIND_CHECKS, too. */
#include "kind.h"

#define N    200
#define SIZE 10000

int main(void)
{
    memkind_t last = make_wanted((struct wanted){.limit = 4 * MIB});
    memkind_t first = make_wanted((struct wanted){.limit = 1 * MIB, .fallback = last});
    unsigned char *blocks[N];
    int n_last = 0;

    for (int i = 0; i < N; i++) {
        unsigned char *block = memkind_malloc(first, SIZE);

        CHECK_NOT_NULL(block);
        memset(block, i, SIZE);
        if (memkind_detect_kind(block) == last)
            blocks[n_last++] = block;
    }
    CHECK(n_last > 50 && n_last < N);
    /* Through the kind that was asked, and through the one that gave. */
    blocks[0] = memkind_realloc(first, blocks[0], SIZE + 100);
    CHECK_NOT_NULL(blocks[0]);
    memkind_free(first, blocks[0]);
    memkind_free(last, blocks[1]);
    CHECK_INT(0, memkind_destroy_kind(first));

    for (int i = 2; i < n_last; i++) {
        const unsigned char byte = blocks[i][0];

        CHECK_PTR(last, memkind_detect_kind(blocks[i]));
        CHECK(memkind_malloc_usable_size(NULL, blocks[i]) >= SIZE);
        blocks[i] = memkind_realloc(i % 2 ? NULL : last, blocks[i], SIZE + (size_t)i);
        CHECK_NOT_NULL(blocks[i]);
        CHECK(blocks[i][SIZE - 1] == byte);
        memkind_free(i % 3 ? NULL : last, blocks[i]);
    }
    CHECK_INT(0, memkind_destroy_kind(last));
    return 0;
}
