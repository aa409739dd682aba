// SPDX-License-Identifier: BSD-2-Clause
// MEMKIND_PREFERRED_TIES=many: several equally good nodes are preferred at once
// (MPOL_PREFERRED_MANY). A seccomp filter plays a kernel that cannot.
#include "sandbox.h"

#define PREFERRED_MANY 5

static bool several(uint64_t nodes) { return (nodes & (nodes - 1)) != 0; }

// Preferred kinds and the kinds that bind to the same nodes.
static const char *const pairs[][2] = {
    {"HBW_PREFERRED", "HBW"},
    {"DAX_KMEM_PREFERRED", "DAX_KMEM"},
    {"HIGHEST_CAPACITY_PREFERRED", "HIGHEST_CAPACITY"},
};
#define N_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

// The first kind that meets a tie on CPUs of the first node; NULL if there is none.
static const struct row *tied(uint64_t *nodes)
{
    run_on_node(0);
    for (size_t i = 0; i < N_PAIRS; i++) {
        char *block = memkind_malloc(*row_of(pairs[i][1])->kind, MIB);
        *nodes = block ? policy_at(block).nodes : 0;
        if (several(*nodes))
            return row_of(pairs[i][0]);
    }
    remark("no tie here");
    return NULL;
}

// More than the nodes of a tie have: the rest comes from elsewhere.
static int ties_fall_back(const void *unused)
{
    (void)unused;
    setenv("MEMKIND_PREFERRED_TIES", "many", 1);
    uint64_t nodes;
    const struct row *row = tied(&nodes);
    if (!row)
        return SKIPPED;
    size_t size = 32 * MIB;
    uint64_t others = nodes_with_memory() & ~nodes;
    size_t room = 0;
    for (int node = 0; node < MAX_NODES; node++) {
        if (nodes >> node & 1)
            size += node_kib(node, "MemFree") << 10;
        if (others >> node & 1)
            room += node_kib(node, "MemFree") << 10;
    }
    if (room < 96 * MIB) {
        remark("nothing to fall back on");
        return SKIPPED;
    }
    char *block = memkind_malloc(*row->kind, size), text[256];
    if (!block) {
        remark("%s: NULL", row->name);
        return 0;
    }
    touch(block, size);
    struct census census = count_pages(block, size);
    uint64_t on = census_nodes(&census);
    if (policy_at(block).mode != PREFERRED_MANY)
        remark("policy %s", mode_name(policy_at(block).mode));
    if ((on & nodes) != nodes || !(on & others) || census.absent)
        remark("%s: pages %s", row->name, census_text(&census, text, sizeof(text)));
    return 0;
}

// Without MPOL_PREFERRED_MANY a tie is refused as ever, and the reason is said.
static int ties_on_an_old_kernel(const void *unused)
{
    (void)unused;
    static const struct refusal old = {SYS_mbind, PREFERRED_MANY, EINVAL};
    uint64_t nodes;
    listen();
    const struct row *row = tied(&nodes);
    if (!row)
        return SKIPPED;
    setenv("MEMKIND_PREFERRED_TIES", "many", 1);
    refuse(&old, 1);
    int available = memkind_check_available(*row->kind);
    if (available != MEMKIND_ERROR_RUNTIME && available != MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE)
        remark("%s: %s", row->name, code_name(available));
    if (memkind_malloc(*row->kind, 100))
        remark("%s: memory", row->name);
    if (!says("Linux 5.15"))
        remark("no word of the kernel: %.300s", heard());
    return 0;
}

int main(void)
{
    run_test("ties: several preferred nodes fall back", ties_fall_back, NULL);
    run_test("ties: several preferred nodes on an old kernel", ties_on_an_old_kernel, NULL);
    return n_failed != 0;
}
