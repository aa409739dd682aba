// SPDX-License-Identifier: BSD-2-Clause
// A container takes nodes or system calls away. A kind that cannot have its memory then
// says so, with a code and a line that tells why; memory from a wrong place is never
// handed out as a success.
//
// Needs root and cgroup2, which a test machine has; without them the tests are skipped.
#include "machine.h"
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define GROUP "/sys/fs/cgroup/memkind-test"

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

// Moves this process into a cpuset of some nodes.
static bool enter_cpuset(const char *nodes)
{
    mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL);
    write_text("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
    mkdir(GROUP, 0755);
    return write_text(GROUP "/cpuset.mems", nodes) && write_text(GROUP "/cgroup.procs", "0");
}

// Lets the listed system calls fail with EPERM, as Docker's standard profile does.
static bool forbid(const int *calls, size_t n_calls)
{
    struct sock_filter program[16];
    unsigned short n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < n_calls; i++) {
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {n, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Collects what the library says from here on.
static int messages = -1;

static void listen(void)
{
    messages = memfd_create("messages", MFD_CLOEXEC);
    dup2(messages, STDERR_FILENO);
    setenv("MEMKIND_DEBUG", "1", 1);
}

static const char *heard(void)
{
    static char text[16384];
    ssize_t n = pread(messages, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static bool says(const char *word) { return strstr(heard(), word) != NULL; }

// The nodes that each kind takes without a container, from the first CPU.
static uint64_t *usual;

static int find_usual(void)
{
    usual = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        run_on_node(0);
        for (size_t i = 0; i < N_ROWS; i++) {
            char *block = memkind_malloc(*rows[i].kind, MIB);
            usual[i] = block ? policy_at(block).nodes : 0;
        }
        _exit(0);
    }
    return fate(child) != NULL;
}

// By name a kind means some sort of memory; those that mean the best there is may find
// another best among the nodes that are left.
static bool means_a_sort(const struct row *row)
{
    return strncmp(row->name, "HBW", 3) == 0 || strncmp(row->name, "DAX", 3) == 0 || strcmp(row->name, "REGULAR") == 0;
}

// Every kind in a cpuset: what it hands out lies within, and is what the kind means.
static int cpuset(const void *nodes_)
{
    const char *nodes = nodes_;
    uint64_t allowed = list_bits(nodes, MAX_NODES);
    if (!enter_cpuset(nodes)) {
        remark("no cpuset of nodes %s here: %s", nodes, strerror(errno));
        return SKIPPED;
    }
    listen();
    run_on_node(0);
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        size_t size = row->huge ? HUGE_PAGE : 2 * MIB;
        off_t before = lseek(messages, 0, SEEK_END);
        int available = memkind_check_available(*row->kind);
        errno = 0;
        char *block = memkind_malloc(*row->kind, size);
        int error = errno;
        if (!block) {
            if (error != ENOMEM)
                remark("%s: NULL with errno %d", row->name, error);
            if (available == 0 && !row->huge)
                remark("%s: available, but NULL", row->name);
            if (lseek(messages, 0, SEEK_END) == before)
                remark("%s: nothing says why it is not available", row->name);
            continue;
        }
        if (available != 0)
            remark("%s: %s, but memory", row->name, code_name(available));
        touch(block, size);
        struct census census = count_pages(block, size);
        uint64_t on = census_nodes(&census);
        char text[512];
        if (on & ~allowed || census.absent)
            remark("%s: pages %s", row->name, census_text(&census, text, sizeof(text)));
        struct policy policy = policy_at(block);
        if (policy.nodes & ~allowed)
            remark("%s: policy of nodes %s", row->name, list_text(policy.nodes, text, sizeof(text)));
        if (means_a_sort(row) && row->mode != PREFERRED && usual[i] && on & ~usual[i])
            remark("%s: pages %s instead of %s", row->name, list_text(on, text, 64), list_text(usual[i], text + 64, 64));
    }
    return 0;
}

// A kind whose nodes are all outside says that it is the cpuset.
static int reason(const void *row_)
{
    const struct row *row = row_;
    size_t i = (size_t)(row - rows);
    uint64_t others = nodes_with_memory() & ~usual[i];
    char nodes[64];
    if (!usual[i] || !others) {
        remark("the kind has no nodes here that a cpuset could leave out");
        return SKIPPED;
    }
    if (!enter_cpuset(list_text(others, nodes, sizeof(nodes)))) {
        remark("no cpuset of nodes %s here: %s", nodes, strerror(errno));
        return SKIPPED;
    }
    listen();
    run_on_node(0);
    int available = memkind_check_available(*row->kind);
    if (available == 0 || memkind_malloc(*row->kind, 100))
        remark("available without its nodes: %s", code_name(available));
    if (!says("cpuset") && !says("Mems_allowed"))
        remark("no word of the cpuset: %.300s", heard());
    return 0;
}

struct prohibition {
    const char *name;
    int calls[4];
    size_t n_calls;
};

// Without the calls that bind memory, kinds that bind have none; the others go on.
static int seccomp(const void *prohibition_)
{
    const struct prohibition *prohibition = prohibition_;
    listen();
    run_on_node(0);
    if (!forbid(prohibition->calls, prohibition->n_calls)) {
        remark("no seccomp here: %s", strerror(errno));
        return SKIPPED;
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        off_t before = lseek(messages, 0, SEEK_END);
        errno = 0;
        char *block = memkind_malloc(*row->kind, 100);
        int error = errno;
        if (row->mode == NO_POLICY) {
            if (!block && !row->huge)
                remark("%s: NULL", row->name);
            continue;
        }
        if (block)
            remark("%s: memory, though nothing can be bound", row->name);
        else if (error != ENOMEM)
            remark("%s: NULL with errno %d", row->name, error);
        else if (lseek(messages, 0, SEEK_END) == before)
            remark("%s: nothing says why", row->name);
    }
    if (usual[row_of("REGULAR") - rows] && !says("mbind"))
        remark("no word of mbind: %.300s", heard());
    return 0;
}

int main(void)
{
    if (find_usual())
        printf("FAIL containers: the kinds cannot be tried\n");
    uint64_t memory = nodes_with_memory();
    for (int node = 0; node < MAX_NODES; node++) {
        char nodes[16], name[64];
        if (!(memory >> node & 1))
            continue;
        snprintf(nodes, sizeof(nodes), "%d", node);
        snprintf(name, sizeof(name), "containers: a cpuset of node %d", node);
        run_test(name, cpuset, nodes);
    }
    if (memory & (memory - 1)) {
        // All but the last, and all but the first.
        char nodes[2][64], name[128];
        uint64_t last = memory;
        while (last & (last - 1))
            last &= last - 1;
        list_text(memory & ~last, nodes[0], sizeof(nodes[0]));
        list_text(memory & (memory - 1), nodes[1], sizeof(nodes[1]));
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof(name), "containers: a cpuset of nodes %.64s", nodes[i]);
            run_test(name, cpuset, nodes[i]);
        }
        run_test("containers: HBW outside the cpuset", reason, row_of("HBW"));
        run_test("containers: REGULAR outside the cpuset", reason, row_of("REGULAR"));
    }
    static const struct prohibition prohibitions[] = {
        {"mbind", {SYS_mbind}, 1},
        {"all calls of memory policy", {SYS_mbind, SYS_get_mempolicy, SYS_set_mempolicy, 450 /* set_mempolicy_home_node */}, 4},
    };
    for (size_t i = 0; i < 2; i++) {
        char name[96];
        snprintf(name, sizeof(name), "containers: seccomp forbids %s", prohibitions[i].name);
        run_test(name, seccomp, &prohibitions[i]);
    }
    return n_failed != 0;
}
