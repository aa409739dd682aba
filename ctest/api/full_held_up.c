/* SPDX-License-Identifier: BSD-2-Clause */
/* What is freed in a full kind is there at once for aligned requests, also when the thread that asks is held up in
 * the middle: what a kind refuses does not depend on how busy the machine is. */
#include "held_up.h"
#include "pmem.h"

enum { ROUNDS = 20 };

int main(void)
{
    static void *blocks[2000];
    memkind_t kind;
    int n = 0;

    if (original()) {
        SKIP("fills less of a kind, and splits no block that was used lately for a much smaller request");
    }
    kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    while ((blocks[n] = memkind_malloc(kind, 16 * KIB)) != NULL) {
        n++;
    }
    CHECK(n >= 800);
    be_held_up();
    for (int i = 0; i < ROUNDS; i++) {
        void *block = NULL;

        memkind_free(kind, blocks[i]);
        CHECK_INT(0, memkind_posix_memalign(kind, &block, 8 * KIB, 14000));
        memkind_free(kind, block);
        blocks[i] = memkind_malloc(kind, 16 * KIB);
        CHECK_NOT_NULL(blocks[i]);
    }
    return 0;
}
