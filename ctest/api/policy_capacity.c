/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_get_capacity: the size of the node for the kinds that have it, -1 for *_PREFERRED and for
 * unavailable kinds, the size of the area or the limit for fixed and file-backed kinds. */
#include "machine.h"
#include "output.h"

#include <sys/statvfs.h>

static long long node_size(void)
{
    FILE *file = fopen("/sys/devices/system/node/node0/meminfo", "r");
    long long kib = -1;

    CHECK_NOT_NULL(file);
    CHECK_INT(1, fscanf(file, "Node 0 MemTotal: %lld kB", &kib));
    fclose(file);
    return kib * 1024;
}

/* The node may grow or shrink between two looks at it. */
static void check_node_capacity(memkind_t kind)
{
    for (int tries = 0; tries < 10; tries++) {
        const long long before = node_size();
        const long long capacity = memkind_get_capacity(kind);

        if (capacity == before) {
            return;
        }
        if (node_size() == before) {
            CHECK_INT(before, capacity);
        }
    }
    SKIP("the node's size does not stay the same");
}

static void check_static_kinds(bool nodes_given)
{
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        const char *name = check_context = static_kinds[i].name;
        const memkind_t kind = *static_kinds[i].kind;
        const bool given = strstr(name, "hbw") != NULL || strstr(name, "dax_kmem") != NULL;

        if (original() && kind == MEMKIND_REGULAR) {
            CHECK_INT(-1, memkind_get_capacity(kind)); /* Ours knows its nodes before the first use. */
            CHECK_NULL(memkind_malloc(kind, 0));
        }
        if (given && strstr(name, "hugetlb") != NULL && nodes_given) {
            continue;
        }
        if (strcmp(name, "memkind_hugetlb") == 0 || strcmp(name, "memkind_gbtlb") == 0) {
            CHECK_INT(0, memkind_get_capacity(kind));
        } else if (strstr(name, "preferred") != NULL || (given && !nodes_given) ||
                   strstr(name, "latency") != NULL || strstr(name, "bandwidth") != NULL) {
            CHECK_INT(-1, memkind_get_capacity(kind));
        } else {
            check_node_capacity(kind);
        }
    }
    check_context = NULL;
}

static void check_dynamic_kinds(void)
{
    static char area[1000];
    struct statvfs fs;
    memkind_t kind;

    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kind));
    CHECK_INT(sizeof(area), memkind_get_capacity(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = make_pmem(test_dir(), 17 * MIB);
    CHECK_INT(18 * MIB, memkind_get_capacity(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = make_pmem(test_dir(), 0);
    CHECK_INT(0, statvfs(test_dir(), &fs));
    CHECK_INT((long long)fs.f_blocks * (long long)fs.f_frsize, memkind_get_capacity(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        check_static_kinds(strcmp(argv[1], "given") == 0);
        return 0;
    }
    check_dynamic_kinds();
    if (!has_hwloc()) {
        SKIP("no libhwloc can be loaded");
    }
    if (!one_node() || has_memory_attributes() || has_huge_pages()) {
        SKIP("the static kinds need one node without memory attributes and huge pages");
    }
    CHECK_CHILD(run_again("none", NULL));
    CHECK_CHILD(run_again("given", node_0_for_all_kinds));
    return 0;
}
