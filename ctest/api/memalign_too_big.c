/* SPDX-License-Identifier: BSD-2-Clause */
/* Twice the machine's memory is ENOMEM: mappings are subject to the kernel's overcommit rules.
 * MEMKIND_DEFAULT may map with MAP_NORESERVE, as the original does, and is left out. */
#include "check.h"

static size_t twice;

static void check(memkind_t kind)
{
    void *block = NULL;

    if (kind == MEMKIND_DEFAULT) {
        return;
    }
    errno = 0;
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 1024, twice));
    CHECK_INT(0, errno);
    CHECK_NULL(block);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, twice));
}

int main(int argc, char **argv)
{
    int mode = 1;
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "r");

    (void)argv;
    if (file == NULL || fscanf(file, "%d", &mode) != 1 || mode == 1) {
        SKIP("the kernel overcommits without limit (vm.overcommit_memory = 1)");
    }
    fclose(file);
    twice = 2 * (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return every_kind(argc, check);
}
