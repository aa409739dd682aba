// SPDX-License-Identifier: BSD-2-Clause
// MEMKIND_INTERLEAVE=weighted: nodes get pages by the kernel's weights
// (MPOL_WEIGHTED_INTERLEAVE). A seccomp filter plays a kernel that cannot.
#include "sandbox.h"
#include <fcntl.h>

#define WEIGHTED_INTERLEAVE 6

static bool several(uint64_t nodes) { return (nodes & (nodes - 1)) != 0; }

static bool set_weight(int node, int weight)
{
    char path[96], text[8];
    snprintf(path, sizeof(path), "/sys/kernel/mm/mempolicy/weighted_interleave/node%d", node);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof(text), "%d", weight);
    bool done = fd >= 0 && write(fd, text, (size_t)length) == length;
    if (fd >= 0)
        close(fd);
    return done;
}

// A node of weight 3 gets three pages where the others get one.
static int weights(const void *row_)
{
    const struct row *row = row_;
    setenv("MEMKIND_INTERLEAVE", "weighted", 1);
    size_t size = 8 * MIB;
    run_on_node(0);
    char *block = memkind_malloc(*row->kind, size), text[256];
    uint64_t nodes = block ? policy_at(block).nodes : 0;
    if (!several(nodes)) {
        remark("no nodes to interleave");
        return SKIPPED;
    }
    if (policy_at(block).mode != WEIGHTED_INTERLEAVE)
        remark("policy %s", mode_name(policy_at(block).mode));
    int heavy = MAX_NODES - 1, sum = 2;
    for (; !(nodes >> heavy & 1); heavy--)
        ;
    for (int node = 0; node < MAX_NODES; node++)
        sum += nodes >> node & 1;
    if (!set_weight(heavy, 3)) {
        remark("the weight of node %d cannot be set: %s", heavy, strerror(errno));
        return SKIPPED;
    }
    touch(block, size);
    set_weight(heavy, 1);
    struct census census = count_pages(block, size);
    for (int node = 0; node < MAX_NODES; node++) {
        size_t expected = !(nodes >> node & 1) ? 0 : census.total * (node == heavy ? 3 : 1) / (size_t)sum;
        size_t difference = census.on[node] > expected ? census.on[node] - expected : expected - census.on[node];
        if (difference > 4) {
            remark("pages %s with weight 3 for node %d", census_text(&census, text, sizeof(text)), heavy);
            break;
        }
    }
    return 0;
}

// Without MPOL_WEIGHTED_INTERLEAVE memory is interleaved in turn, and the reason is said.
static int weights_on_an_old_kernel(const void *unused)
{
    (void)unused;
    static const struct refusal old = {SYS_mbind, WEIGHTED_INTERLEAVE, EINVAL};
    setenv("MEMKIND_INTERLEAVE", "weighted", 1);
    listen();
    refuse(&old, 1);
    char *block = memkind_malloc(MEMKIND_INTERLEAVE, MIB);
    if (!block || policy_at(block).mode != 3)
        remark("%s", block ? mode_name(policy_at(block).mode) : "NULL");
    if (!says("Linux 6.9"))
        remark("no word of the kernel: %.300s", heard());
    return 0;
}

int main(void)
{
    run_test("weights: INTERLEAVE", weights, row_of("INTERLEAVE"));
    run_test("weights: HBW_INTERLEAVE", weights, row_of("HBW_INTERLEAVE"));
    run_test("weights: an old kernel", weights_on_an_old_kernel, NULL);
    return n_failed != 0;
}
