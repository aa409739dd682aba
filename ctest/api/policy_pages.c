/* SPDX-License-Identifier: BSD-2-Clause */
/* Every page of a block carries the memory policy of its kind and lies on the kind's node, however the
 * block was made. One node, which is also declared high-bandwidth and persistent. */
#include "machine.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#define NODES 1024
#define PAGE 4096

static const struct {
    memkind_t *kind;
    int mode;
} expected[] = {
    {&MEMKIND_DEFAULT, MPOL_DEFAULT},
    {&MEMKIND_REGULAR, MPOL_BIND},
    {&MEMKIND_INTERLEAVE, MPOL_INTERLEAVE},
    {&MEMKIND_HBW, MPOL_BIND},
    {&MEMKIND_HBW_ALL, MPOL_BIND},
    {&MEMKIND_HBW_PREFERRED, MPOL_PREFERRED},
    {&MEMKIND_HBW_INTERLEAVE, MPOL_INTERLEAVE},
    {&MEMKIND_DAX_KMEM, MPOL_BIND},
    {&MEMKIND_DAX_KMEM_ALL, MPOL_BIND},
    {&MEMKIND_DAX_KMEM_PREFERRED, MPOL_PREFERRED},
    {&MEMKIND_DAX_KMEM_INTERLEAVE, MPOL_INTERLEAVE},
    {&MEMKIND_HIGHEST_CAPACITY, MPOL_BIND},
    {&MEMKIND_HIGHEST_CAPACITY_PREFERRED, MPOL_PREFERRED},
    {&MEMKIND_HIGHEST_CAPACITY_LOCAL, MPOL_BIND},
    {&MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED, MPOL_PREFERRED},
};

/* The last of these need libhwloc. */
enum { NEED_HWLOC = 2 };

static void check_pages(char *block, size_t size, int expected_mode)
{
    CHECK_NOT_NULL(block);
    memset(block, 1, size);
    const uintptr_t end = (uintptr_t)block + size;
    for (uintptr_t page = (uintptr_t)block & ~(uintptr_t)(PAGE - 1); page < end; page += PAGE) {
        unsigned long mask[NODES / (8 * sizeof(unsigned long))] = {0};
        int mode = -1, node = -1;
        void *address = (void *)page;

        CHECK_INT(0, syscall(SYS_get_mempolicy, &mode, mask, NODES, address, MPOL_F_ADDR));
        CHECK_INT(expected_mode, mode);
        CHECK_INT(expected_mode == MPOL_DEFAULT ? 0 : 1, mask[0]);
        CHECK(all_zero(mask + 1, sizeof(mask) - sizeof(mask[0])));
        CHECK_INT(0, syscall(SYS_move_pages, 0, 1UL, &address, NULL, &node, 0));
        CHECK_INT(0, node);
    }
}

static void check_kind(memkind_t kind, int mode)
{
    static const size_t sizes[] = {1, 5 * KIB, 200 * KIB, 11 * MIB - 5};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t size = sizes[i];
        void *aligned_block = NULL;
        char *block = memkind_malloc(kind, size);
        char *zeroed = memkind_calloc(kind, size, 1);

        check_pages(block, size, mode);
        check_pages(zeroed, size, mode);
        CHECK_INT(0, memkind_posix_memalign(kind, &aligned_block, 64 * KIB, size));
        check_pages(aligned_block, size, mode);
        block = memkind_realloc(kind, block, 3 * size);
        check_pages(block, 3 * size, mode);
        memkind_free(kind, block);
        memkind_free(NULL, zeroed);
        /* Memory that was freed keeps its policy when it is used again. */
        block = memkind_malloc(kind, size);
        check_pages(block, size, mode);
        memkind_free(kind, block);
        memkind_free(kind, aligned_block);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (!one_node()) {
        SKIP("more than one node with memory, or no NUMA");
    }
    if (argc == 1) {
        CHECK_CHILD(run_again("kinds", node_0_for_all_kinds));
        return 0;
    }
    const size_t n_kinds = sizeof(expected) / sizeof(expected[0]) - (has_hwloc() ? 0 : NEED_HWLOC);
    for (size_t i = 0; i < n_kinds; i++) {
        CHECK_INT(0, memkind_check_available(*expected[i].kind));
        check_kind(*expected[i].kind, expected[i].mode);
    }
    return 0;
}
