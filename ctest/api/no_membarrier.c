/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the kernel, or a sandbox, has no membarrier(2), a kind that takes the place of a destroyed one hands out blocks
 * of its own and none that the other left in a thread's cache; a kind that runs full still says so; and what the caches of
 * a thread held that has ended serves others at once. */
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

/* Uses blocks of many sizes so often that they are all cached. */
static void *use_many(void *kind)
{
    for (size_t size = 16; size <= 64 * KIB; size += size / 4) {
        const size_t room = 2 * MIB / size, count = room < N_BLOCKS ? room : N_BLOCKS;
        void *blocks[N_BLOCKS];

        for (int round = 0; round < 40; round++) {
            for (size_t i = 0; i < count; i++) {
                blocks[i] = memkind_malloc(kind, size);
                CHECK_NOT_NULL(blocks[i]);
            }
            for (size_t i = 0; i < count; i++) {
                memkind_free(kind, blocks[i]);
            }
        }
    }
    return NULL;
}

static void check_what_is_left(void)
{
    const size_t size = 10000;
    size_t bytes = 0;
    memkind_t kind = NULL;

    CHECK_INT(0, memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kind));
    in_thread(use_many, kind);
    while (memkind_malloc(kind, size) != NULL) {
        bytes += size;
    }
    if (bytes < MEMKIND_PMEM_MIN_SIZE - MIB) {
        FAIL("%zu KiB of %zu can be had", bytes / KIB, (size_t)MEMKIND_PMEM_MIN_SIZE / KIB);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
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
    /* A full kind of the original does not take what its threads have cached. */
    if (!original()) {
        check_what_is_left();
    }
    return 0;
}
