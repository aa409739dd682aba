// SPDX-License-Identifier: BSD-2-Clause
// The home node of a heap that is for the CPUs of one node: of several nodes that it is
// bound to, memory comes from the one nearest to the allocating CPU, whichever CPU touches it first.
#include "sandbox.h"

#define SIZE (2 * MIB)
#define BIND_MODE 2

static bool several(uint64_t nodes) { return (nodes & (nodes - 1)) != 0; }

// Memory that a CPU has asked for, touched by a CPU from which another node is nearer.
struct crossing {
    const char *block;
    int near;      // of the memory's nodes the nearest to the CPU that asked,
    int elsewhere; // and the nearest to the CPU that touches
};

static int nearest(int from, uint64_t nodes)
{
    int best = -1;
    for (int node = 0; node < MAX_NODES; node++)
        if (nodes >> node & 1 && (best < 0 || distance(from, node) < distance(from, best)))
            best = node;
    return best;
}

static bool cross(struct crossing *crossing)
{
    // All memory is fast enough: from each CPU the nodes whose bandwidth is known there.
    setenv("MEMKIND_HBW_THRESHOLD", "1", 1);
    for (int home = 0; home < MAX_NODES; home++) {
        if (!(nodes_online() >> home & 1) || !run_on_node(home))
            continue;
        char *block = memkind_malloc(MEMKIND_HBW_ALL, SIZE);
        uint64_t nodes = block ? policy_at(block).nodes : 0;
        for (int other = 0; several(nodes) && other < MAX_NODES; other++) {
            if (!(nodes_online() >> other & 1) || nearest(home, nodes) == nearest(other, nodes) || !run_on_node(other))
                continue;
            crossing->block = block;
            crossing->near = nearest(home, nodes);
            crossing->elsewhere = nearest(other, nodes);
            return true;
        }
    }
    remark("no nodes of HBW_ALL lie in two orders here");
    return false;
}

static int check_crossing(const struct crossing *crossing, int expected)
{
    char text[256];
    touch((void *)crossing->block, SIZE);
    struct census census = count_pages(crossing->block, SIZE);
    if (census.on[expected] != census.total)
        remark("pages %s instead of %d", census_text(&census, text, sizeof(text)), expected);
    if (policy_at(crossing->block).mode != BIND_MODE)
        remark("policy %s", mode_name(policy_at(crossing->block).mode));
    return 0;
}

// A heap that is for the CPUs of one node takes the node nearest to them.
static int home_node(const void *unused)
{
    (void)unused;
    struct crossing crossing;
    if (!cross(&crossing))
        return SKIPPED;
    return check_crossing(&crossing, crossing.near);
}

// Without set_mempolicy_home_node the CPU that touches decides; the memory is bound all the same.
static int home_node_on_an_old_kernel(const void *error)
{
    const struct refusal old = {SYS_set_mempolicy_home_node, ANY_MODE, *(const int *)error};
    struct crossing crossing;
    listen();
    refuse(&old, 1);
    if (!cross(&crossing))
        return SKIPPED;
    if (!says("set_mempolicy_home_node"))
        remark("no word of the call: %.300s", heard());
    return check_crossing(&crossing, crossing.elsewhere);
}

int main(void)
{
    static const int no_call = ENOSYS, forbidden = EPERM;
    run_test("home: near to the CPU that has asked", home_node, NULL);
    run_test("home: an old kernel", home_node_on_an_old_kernel, &no_call);
    run_test("home: a sandbox", home_node_on_an_old_kernel, &forbidden);
    return n_failed != 0;
}
