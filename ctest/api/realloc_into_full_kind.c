/* SPDX-License-Identifier: BSD-2-Clause */
/* A block that is to move into another kind, and finds no room there, stays as it is: NULL and ENOMEM, also if
 * it would become smaller. Difference: the original leaves some blocks in their kind and says that all is well. */
#include "memtier.h"
#include "pmem.h"

static char area[16 * MIB] __attribute__((aligned(4096)));

static void check(memkind_t full)
{
    static const size_t sizes[] = {100, 5000, 100 * KIB, 3 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t wanted = sizes[i] / 2; wanted <= sizes[i] * 2; wanted += sizes[i] / 2) {
            char *block = memkind_malloc(MEMKIND_REGULAR, sizes[i]);

            fill(block, sizes[i], 4);
            CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(full, block, wanted));
            CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(block));
            CHECK(holds(block, sizes[i], 4));
            memkind_free(NULL, block);

            block = memtier_kind_malloc(MEMKIND_REGULAR, sizes[i]);
            const size_t counted = memtier_kind_allocated_size(MEMKIND_REGULAR);
            const size_t counted_there = memtier_kind_allocated_size(full);
            fill(block, sizes[i], 5);
            CHECK_ALLOC_FAILS(ENOMEM, memtier_kind_realloc(full, block, wanted));
            CHECK_INT(counted, memtier_kind_allocated_size(MEMKIND_REGULAR));
            CHECK_INT(counted_there, memtier_kind_allocated_size(full));
            CHECK(holds(block, sizes[i], 5));
            memtier_kind_free(NULL, block);
        }
    }
}

int main(void)
{
    memkind_t fixed = NULL;
    void *last = NULL;

    if (original()) {
        SKIP("leaves some blocks in their kind");
    }
    fixed = make_fixed(area, sizeof(area));
    fill_up(fixed, MIB, &last);
    fill_up(fixed, 16 * KIB, &last);
    fill_up(fixed, 64, &last);
    fill_up(fixed, 8, &last);
    check(fixed);
    if (memkind_check_available(MEMKIND_DAX_KMEM) != MEMKIND_SUCCESS) {
        check(MEMKIND_DAX_KMEM);
    }
    return 0;
}
