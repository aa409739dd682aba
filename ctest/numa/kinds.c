// SPDX-License-Identifier: BSD-2-Clause
// For every static kind, from a CPU of every node: is it available, what is its
// capacity, which policy do its mappings get, and on which node lands each page.
//
// usage: kinds [KIND...]
//
// Prints facts of the machine and a table per node with CPUs; compare.py holds the
// expectations against them. A kind is tried by a child of its own, so that a kind that
// dies does not end the others, and each allocates from a fresh heap.
#include "machine.h"

// Some 2 MiB pages and their boundaries, and less than the smallest node has.
#define SIZE (8 * MIB)
// What eight huge pages per node must be enough for, with the heap's own needs.
#define HUGE_SIZE (4 * MIB + 1)

static void print_machine(void)
{
    uint64_t online = nodes_online();
    for (int node = 0; node < MAX_NODES; node++) {
        if (!(online >> node & 1))
            continue;
        char path[96], cpus[256] = "", distances[1024] = "";
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
        read_text(path, cpus, sizeof(cpus));
        printf("node %d cpus=%s kib=%zu distances=", node, *cpus ? cpus : "-", node_kib(node, "MemTotal"));
        for (int other = 0; other < MAX_NODES; other++)
            if (online >> other & 1)
                append(distances, sizeof(distances), "%s%d:%d", *distances ? "," : "", other, distance(node, other));
        printf("%s\n", distances);
    }
    size_t pages = 0;
    char text[64];
    if (read_text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", text, sizeof(text)))
        pages += strtoul(text, NULL, 10);
    if (read_text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", text, sizeof(text)))
        pages += strtoul(text, NULL, 10);
    printf("huge pages %zu\n", pages);
    printf("base pages %ld\n", sysconf(_SC_PAGESIZE) / 1024);
}

// Whether every page of the block has the policy of its first one.
static bool one_policy(const char *block, size_t size)
{
    struct policy first = policy_at(block);
    for (size_t offset = 0; offset < size; offset += PAGE) {
        struct policy policy = policy_at(block + offset);
        if (policy.mode != first.mode || policy.nodes != first.nodes)
            return false;
    }
    return true;
}

static void try_kind(const struct row *row)
{
    memkind_t kind = *row->kind;
    int available = memkind_check_available(kind);
    ssize_t capacity = memkind_get_capacity(kind);
    printf("%-34s %-22s %12zd ", row->name, code_name(available), capacity);
    fflush(stdout);
    size_t size = row->huge ? HUGE_SIZE : SIZE;
    errno = 0;
    char *block = memkind_malloc(kind, size);
    if (!block) {
        printf("%s\n", errno == ENOMEM ? "NULL:ENOMEM" : "NULL");
        return;
    }
    struct census before = count_pages(block, size);
    touch(block, size);
    struct census census = count_pages(block, size);
    struct policy policy = policy_at(block);
    char pages[1024], mask[256];
    printf("%s%s %s %zuK %s resident:%zu%s\n", mode_name(policy.mode), one_policy(block, size) ? "" : "/mixed",
           list_text(policy.nodes, mask, sizeof(mask)), kernel_page_kib(block),
           census_text(&census, pages, sizeof(pages)), before.total - before.absent,
           memkind_detect_kind(block) == kind ? "" : " wrong-kind");
    memkind_free(kind, block);
}

static void table(int node, int argc, char **argv)
{
    printf("table %d\n", node);
    fflush(stdout);
    for (size_t i = 0; i < N_ROWS; i++) {
        bool wanted = argc < 2;
        for (int j = 1; j < argc; j++)
            wanted |= strcmp(rows[i].name, argv[j]) == 0;
        if (!wanted)
            continue;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            if (!run_on_node(node)) {
                printf("cannot run on a CPU of node %d\n", node);
                exit(1);
            }
            try_kind(&rows[i]);
            fflush(stdout);
            _exit(0);
        }
        const char *end = fate(child);
        if (end)
            printf("%s\n", end);
    }
}

int main(int argc, char **argv)
{
    print_machine();
    // Once for all children: the nodes are found at the first question.
    for (size_t i = 0; i < N_ROWS; i++)
        memkind_check_available(*rows[i].kind);
    for (int node = 0; node < MAX_NODES; node++)
        if (nodes_online() >> node & 1 && first_cpu(node) >= 0)
            table(node, argc, argv);
    printf("end\n");
    return 0;
}
