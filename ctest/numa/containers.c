// SPDX-License-Identifier: BSD-2-Clause
// A container takes nodes or system calls away. A kind that cannot have its memory then
// says so, with a code and a line that tells why; memory from a wrong place is never
// handed out as a success.
//
// Needs root and cgroup2, which a test machine has; without them the tests are skipped.
#include "sandbox.h"
#include <fcntl.h>
#include <hbwmalloc.h>
#include <sys/mount.h>
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
    struct refusal refusals[4];
    size_t n_refusals;
    int code;         // of kinds that bind
    const char *word; // of the line that tells why
};

// Without the calls that bind memory, kinds that bind have none and say so; the others go on.
static int seccomp(const void *prohibition_)
{
    const struct prohibition *prohibition = prohibition_;
    listen();
    run_on_node(0);
    if (!refuse(prohibition->refusals, prohibition->n_refusals)) {
        remark("no seccomp here: %s", strerror(errno));
        return SKIPPED;
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        off_t before = lseek(messages, 0, SEEK_END);
        int available = memkind_check_available(*row->kind);
        errno = 0;
        char *block = memkind_malloc(*row->kind, 100);
        int error = errno;
        if (row->mode == NO_POLICY) {
            if (!row->huge && (!block || available))
                remark("%s: NULL, %s", row->name, code_name(available));
            continue;
        }
        if (block)
            remark("%s: memory, though nothing can be bound", row->name);
        else if (error != ENOMEM)
            remark("%s: NULL with errno %d", row->name, error);
        else if (lseek(messages, 0, SEEK_END) == before)
            remark("%s: nothing says why", row->name);
        if (available == 0 || (usual[i] && !row->huge && available != prohibition->code))
            remark("%s: %s", row->name, code_name(available));
    }
    if (usual[row_of("REGULAR") - rows] && (!says("mbind") || !says(prohibition->word)))
        remark("no word of mbind and %s: %.300s", prohibition->word, heard());
    return 0;
}

// Forbidden after the kinds were asked about: what is mapped then is refused.
static int seccomp_later(const void *unused)
{
    (void)unused;
    static const struct refusal mbind = {SYS_mbind, ANY_MODE, EPERM};
    memkind_t kind = MEMKIND_REGULAR;
    listen();
    if (memkind_check_available(kind) || !refuse(&mbind, 1)) {
        remark("no REGULAR memory or no seccomp here: %s", strerror(errno));
        return SKIPPED;
    }
    errno = 0;
    if (memkind_malloc(kind, MIB) || errno != ENOMEM)
        remark("memory that cannot be bound, or errno %d", errno);
    if (!says("SYS_NICE"))
        remark("no word of the capability: %.300s", heard());
    return 0;
}

// The preferred policy of hbwmalloc(3) is ordinary memory where there is no other.
static int hbw_falls_back(const void *unused)
{
    (void)unused;
    static const struct refusal mbind = {SYS_mbind, ANY_MODE, EPERM};
    if (!refuse(&mbind, 1)) {
        remark("no seccomp here: %s", strerror(errno));
        return SKIPPED;
    }
    char *block = hbw_malloc(100);
    if (!block || memkind_detect_kind(block) != MEMKIND_DEFAULT)
        remark("%s", block ? "not ordinary memory" : "NULL");
    if (hbw_check_available() != ENODEV)
        remark("hbw_check_available: %d", hbw_check_available());
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
        {"mbind", {{SYS_mbind, ANY_MODE, EPERM}}, 1, MEMKIND_ERROR_MBIND, "SYS_NICE"},
        {"all calls of memory policy",
         {{SYS_mbind, ANY_MODE, EPERM},
          {SYS_get_mempolicy, ANY_MODE, EPERM},
          {SYS_set_mempolicy, ANY_MODE, EPERM},
          {SYS_set_mempolicy_home_node, ANY_MODE, EPERM}},
         4,
         MEMKIND_ERROR_MBIND,
         "SYS_NICE"},
        {"mbind, as if it did not exist", {{SYS_mbind, ANY_MODE, ENOSYS}}, 1, MEMKIND_ERROR_MBIND, "NUMA"},
    };
    for (size_t i = 0; i < sizeof(prohibitions) / sizeof(prohibitions[0]); i++) {
        char name[96];
        snprintf(name, sizeof(name), "containers: seccomp forbids %s", prohibitions[i].name);
        run_test(name, seccomp, &prohibitions[i]);
    }
    run_test("containers: seccomp forbids mbind later", seccomp_later, NULL);
    run_test("containers: hbw_malloc falls back where mbind is forbidden", hbw_falls_back, NULL);
    return n_failed != 0;
}
