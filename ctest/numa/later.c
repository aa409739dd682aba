// SPDX-License-Identifier: BSD-2-Clause
// A CPU that comes online when kinds are in use already has its nearest node, too.
//
// Needs root and CPUs that can be taken offline, which a test machine has.
#include "machine.h"
#include <fcntl.h>

static bool set_online(int cpu, const char *online)
{
    char path[96];
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, online, 1) == 1;
    if (fd >= 0)
        close(fd);
    return done;
}

// A node whose only CPU goes and comes, and the fast nodes.
struct step {
    int node, cpu;
    uint64_t fast;
};

static uint64_t nearest(const struct step *step)
{
    int best = -1;
    uint64_t nodes = 0;
    for (int node = 0; node < MAX_NODES; node++) {
        if (!(step->fast >> node & 1))
            continue;
        int here = distance(step->node, node);
        if (best < 0 || here < best) {
            best = here;
            nodes = 0;
        }
        if (here == best)
            nodes |= UINT64_C(1) << node;
    }
    return nodes;
}

// Blocks of several sizes from the CPU on which this thread runs.
static void expect(uint64_t nodes, const char *when)
{
    static const size_t sizes[] = {100, 5000, 3 * MIB};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = memkind_malloc(MEMKIND_HBW, sizes[i]), pages[512], wanted[64];
        if (!block) {
            remark("%s: no %zu bytes", when, sizes[i]);
            continue;
        }
        touch(block, sizes[i]);
        struct census census = count_pages(block, sizes[i]);
        if (census_nodes(&census) & ~nodes || census.absent)
            remark("%s: %zu bytes, pages %s, not on %s", when, sizes[i], census_text(&census, pages, sizeof(pages)),
                   list_text(nodes, wanted, sizeof(wanted)));
    }
}

static int comes_later(const void *step_)
{
    const struct step *step = step_;
    if (!run_on(0) || !set_online(step->cpu, "0")) {
        remark("CPU %d cannot be taken offline: %s", step->cpu, strerror(errno));
        return SKIPPED;
    }
    char *first = memkind_malloc(MEMKIND_HBW, 100);
    if (!set_online(step->cpu, "1") || !run_on(step->cpu)) {
        remark("CPU %d does not come back: %s", step->cpu, strerror(errno));
        return 1;
    }
    if (!first)
        remark("nothing while the CPU is offline");
    expect(nearest(step), "on the CPU that came later");
    return 0;
}

int main(void)
{
    struct step step = {0};
    char list[64];
    for (int node = 0; node < MAX_NODES; node++) {
        if (nodes_with_memory() >> node & 1 && first_cpu(node) < 0)
            step.fast |= UINT64_C(1) << node;
    }
    setenv("MEMKIND_HBW_NODES", list_text(step.fast, list, sizeof(list)), 1);
    for (step.node = 0; step.node < MAX_NODES; step.node++) {
        step.cpu = first_cpu(step.node);
        if (step.cpu <= 0)
            continue;
        char name[64];
        snprintf(name, sizeof(name), "a CPU of node %d that comes later", step.node);
        run_test(name, comes_later, &step);
        set_online(step.cpu, "1");
    }
    return n_failed != 0;
}
