/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the kernel, or a sandbox, has no membarrier(2), a kind that takes the place of a destroyed one hands out blocks
 * of its own and none that the other left in a thread's cache; a kind that runs full still says so. */
#include "forbid.h"
#include "pmem.h"
#include "threads.h"

#define N_BLOCKS 1000

static void *use(void *kind)
{
    void *blocks[N_BLOCKS];

    for (int i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 64);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        memset(blocks[i], i, 64);
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
    return NULL;
}

int main(void)
{
    forbid(SYS_membarrier, ENOSYS);
    for (int round = 0; round < 4; round++) {
        memkind_t kind = NULL;

        CHECK_INT(0, memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kind));
        use(kind);
        in_thread(use, kind);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 2 * MEMKIND_PMEM_MIN_SIZE));
        use(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    return 0;
}
