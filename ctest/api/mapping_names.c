/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings are named after their kinds, where the kernel has names of mappings: /proc/PID/smaps tells then
 * what is of which kind. */
#include "check.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static bool kernel_has_names(void)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    const bool has = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "test") == 0;
    munmap(page, 4096);
    return has;
}

/* Whether the mapping with `address` has the name. */
static bool is_named(const void *address, const char *name)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(maps);
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        CHECK_INT(2, sscanf(line, "%lx-%lx", &start, &end));
        found = (uintptr_t)address >= start && (uintptr_t)address < end && strstr(line, name) != NULL;
    }
    fclose(maps);
    return found;
}

int main(void)
{
    if (original()) {
        SKIP("the original names no mapping");
    }
    if (!kernel_has_names()) {
        SKIP("the kernel has no names of mappings");
    }
    memkind_t nodes = NULL;
    void *block = memkind_malloc(MEMKIND_REGULAR, MIB);
    CHECK(is_named(block, "[anon:memkind_regular]"));
    /* The first small blocks lie in the library's data. */
    CHECK(is_named(memkind_malloc(MEMKIND_DEFAULT, MIB), "[anon:memkind_default]"));
    /* One that has moved, all of it. */
    char *large = memkind_malloc(MEMKIND_REGULAR, 20 * MIB);
    CHECK_NOT_NULL(large);
    (void)mmap(large + 20 * MIB, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    large = memkind_realloc(MEMKIND_REGULAR, large, 200 * MIB);
    CHECK_NOT_NULL(large);
    CHECK(is_named(large, "[anon:memkind_regular]"));
    CHECK(is_named(large + 200 * MIB - 1, "[anon:memkind_regular]"));
    int (*create)(const char *, int, memkind_t *) = dlsym(RTLD_DEFAULT, "memkind_create_nodes");
    CHECK_NOT_NULL(create);
    CHECK_INT(0, create("0", 0, &nodes));
    CHECK(is_named(memkind_malloc(nodes, MIB), "[anon:memkind_nodes0"));
    return 0;
}
