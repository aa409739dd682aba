// SPDX-License-Identifier: BSD-2-Clause
// What the programs of this directory share: the static kinds as memkind(3) describes
// them, and the kernel's answers about nodes, pages and policies.
#ifndef NUMA_MACHINE_H
#define NUMA_MACHINE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <memkind.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define HUGE_PAGE (2 * MIB)

// Nodes above this are not looked at; the test machines have few.
#define MAX_NODES 64
#define MAX_CPUS 256

enum mode { NO_POLICY, BIND, PREFERRED, INTERLEAVE };
enum reach { ANYWHERE, LOCAL, ALL };

// A static kind by the manual.
struct row {
    const char *name;
    memkind_t *kind;
    enum mode mode;
    enum reach reach;
    bool huge;
};

#define ROW(name, ...) {#name, &MEMKIND_##name, __VA_ARGS__}
static const struct row rows[] = {
    ROW(DEFAULT, NO_POLICY, ANYWHERE, false),
    ROW(REGULAR, BIND, ALL, false),
    ROW(INTERLEAVE, INTERLEAVE, ALL, false),
    ROW(HUGETLB, NO_POLICY, ANYWHERE, true),
    ROW(HBW, BIND, LOCAL, false),
    ROW(HBW_ALL, BIND, ALL, false),
    ROW(HBW_PREFERRED, PREFERRED, LOCAL, false),
    ROW(HBW_INTERLEAVE, INTERLEAVE, ALL, false),
    ROW(HBW_HUGETLB, BIND, LOCAL, true),
    ROW(HBW_ALL_HUGETLB, BIND, ALL, true),
    ROW(HBW_PREFERRED_HUGETLB, PREFERRED, LOCAL, true),
    ROW(DAX_KMEM, BIND, LOCAL, false),
    ROW(DAX_KMEM_ALL, BIND, ALL, false),
    ROW(DAX_KMEM_PREFERRED, PREFERRED, LOCAL, false),
    ROW(DAX_KMEM_INTERLEAVE, INTERLEAVE, ALL, false),
    ROW(HIGHEST_CAPACITY, BIND, ALL, false),
    ROW(HIGHEST_CAPACITY_PREFERRED, PREFERRED, ALL, false),
    ROW(HIGHEST_CAPACITY_LOCAL, BIND, LOCAL, false),
    ROW(HIGHEST_CAPACITY_LOCAL_PREFERRED, PREFERRED, LOCAL, false),
    ROW(LOWEST_LATENCY_LOCAL, BIND, LOCAL, false),
    ROW(LOWEST_LATENCY_LOCAL_PREFERRED, PREFERRED, LOCAL, false),
    ROW(HIGHEST_BANDWIDTH_LOCAL, BIND, LOCAL, false),
    ROW(HIGHEST_BANDWIDTH_LOCAL_PREFERRED, PREFERRED, LOCAL, false),
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static inline const struct row *row_of(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

// The name of a code of memkind(3), ERRORS, without MEMKIND_ERROR_.
static inline const char *code_name(int code)
{
    static char number[16];
    switch (code) {
    case 0: return "ok";
    case MEMKIND_ERROR_UNAVAILABLE: return "UNAVAILABLE";
    case MEMKIND_ERROR_MBIND: return "MBIND";
    case MEMKIND_ERROR_MMAP: return "MMAP";
    case MEMKIND_ERROR_MALLOC: return "MALLOC";
    case MEMKIND_ERROR_ENVIRON: return "ENVIRON";
    case MEMKIND_ERROR_INVALID: return "INVALID";
    case MEMKIND_ERROR_HUGETLB: return "HUGETLB";
    case MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE: return "MEMTYPE_NOT_AVAILABLE";
    case MEMKIND_ERROR_OPERATION_FAILED: return "OPERATION_FAILED";
    case MEMKIND_ERROR_RUNTIME: return "RUNTIME";
    default:
        snprintf(number, sizeof(number), "%d", code);
        return number;
    }
}

// ---- Files under /sys ----

static inline bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    return true;
}

// The numbers of a list such as 0-3,8 as bits; numbers from `limit` on are left out.
static inline uint64_t list_bits(const char *text, int limit)
{
    uint64_t bits = 0;
    while (*text) {
        char *end;
        long first = strtol(text, &end, 10);
        if (end == text)
            break;
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long number = first; number <= last && number < limit; number++)
            bits |= (uint64_t)1 << number;
        text = *end == ',' ? end + 1 : end;
    }
    return bits;
}

static inline uint64_t nodes_of_file(const char *name)
{
    char path[128], text[256];
    snprintf(path, sizeof(path), "/sys/devices/system/node/%s", name);
    return read_text(path, text, sizeof(text)) ? list_bits(text, MAX_NODES) : 0;
}

static inline uint64_t nodes_online(void) { return nodes_of_file("online"); }
static inline uint64_t nodes_with_memory(void) { return nodes_of_file("has_memory"); }

// The first online CPU of a node, or -1.
static inline int first_cpu(int node)
{
    char path[96], text[256], *end;
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
    if (!read_text(path, text, sizeof(text)))
        return -1;
    long cpu = strtol(text, &end, 10);
    return end == text ? -1 : (int)cpu;
}

// A value of a node's meminfo in KiB.
static inline size_t node_kib(int node, const char *name)
{
    char path[96], line[160];
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
    FILE *file = fopen(path, "re");
    size_t value = 0;
    while (file && fgets(line, sizeof(line), file)) {
        char *at = strstr(line, name);
        if (at && at[strlen(name)] == ':')
            value = strtoul(at + strlen(name) + 1, NULL, 10);
    }
    if (file)
        fclose(file);
    return value;
}

static inline int distance(int from, int to)
{
    char path[96], text[1024];
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", from);
    if (!read_text(path, text, sizeof(text)))
        return -1;
    char *at = text;
    for (int node = 0; node <= to; node++) {
        if (!(nodes_online() >> node & 1))
            continue;
        long value = strtol(at, &at, 10);
        if (node == to)
            return (int)value;
    }
    return -1;
}

// ---- CPUs ----

// Moves the calling thread to a CPU and waits until it is there.
static inline bool run_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) == 0 && sched_getcpu() == cpu;
}

static inline bool run_on_node(int node) { return run_on(first_cpu(node)); }

// ---- Pages and policies ----

static inline void touch(void *block, size_t size)
{
    volatile char *bytes = block;
    for (size_t offset = 0; offset < size; offset += PAGE)
        bytes[offset] = (char)(offset >> 12 | 1);
    bytes[size - 1] = 1;
}

// How many pages of an area lie on which node.
struct census {
    size_t on[MAX_NODES];
    size_t absent;
    size_t total;
};

static inline struct census count_pages(const void *block, size_t size)
{
    struct census census = {0};
    uintptr_t start = (uintptr_t)block & ~(PAGE - 1), end = (uintptr_t)block + size;
    void *pages[256];
    int nodes[256];
    for (uintptr_t at = start; at < end;) {
        size_t n = 0;
        for (; n < 256 && at < end; at += PAGE)
            pages[n++] = (void *)at;
        long status = syscall(SYS_move_pages, 0, n, pages, NULL, nodes, 0);
        for (size_t i = 0; i < n; i++) {
            census.total++;
            if (status == 0 && nodes[i] >= 0 && nodes[i] < MAX_NODES)
                census.on[nodes[i]]++;
            else
                census.absent++;
        }
    }
    return census;
}

static inline uint64_t census_nodes(const struct census *census)
{
    uint64_t nodes = 0;
    for (int node = 0; node < MAX_NODES; node++)
        if (census->on[node])
            nodes |= (uint64_t)1 << node;
    return nodes;
}

// Adds to a text, never beyond its end.
__attribute__((format(printf, 3, 4))) static inline void append(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, size - used, format, list);
    va_end(list);
}

// Bits as a list of ranges, 0-3,8; - for none.
static inline const char *list_text(uint64_t bits, char *text, size_t size)
{
    text[0] = 0;
    for (int first = 0; first < MAX_NODES; first++) {
        if (!(bits >> first & 1))
            continue;
        int last = first;
        while (last + 1 < MAX_NODES && bits >> (last + 1) & 1)
            last++;
        append(text, size, last > first ? "%s%d-%d" : "%s%d", *text ? "," : "", first, last);
        first = last;
    }
    if (!*text)
        snprintf(text, size, "-");
    return text;
}

// 2:1024,3:7 or, with pages that are not there, 2:1024,absent:3.
static inline const char *census_text(const struct census *census, char *text, size_t size)
{
    text[0] = 0;
    for (int node = 0; node < MAX_NODES; node++)
        if (census->on[node])
            append(text, size, "%s%d:%zu", *text ? "," : "", node, census->on[node]);
    if (census->absent)
        append(text, size, "%sabsent:%zu", *text ? "," : "", census->absent);
    return text;
}

// The policy of the mapping at an address as the kernel has it.
struct policy {
    int mode;
    uint64_t nodes;
};

static inline struct policy policy_at(const void *address)
{
    struct policy policy = {-1, 0};
    unsigned long mask[16] = {0};
    if (syscall(SYS_get_mempolicy, &policy.mode, mask, 1024UL, address, 2UL /* MPOL_F_ADDR */) != 0)
        policy.mode = -1;
    policy.mode &= 0xff;
    policy.nodes = mask[0];
    return policy;
}

static inline const char *mode_name(int mode)
{
    static const char *const names[] = {"default",      "preferred", "bind", "interleave", "local",
                                        "preferred-many", "weighted"};
    return mode >= 0 && mode < 7 ? names[mode] : "unknown";
}

// The page size of the kernel for the mapping at an address, in KiB.
static inline size_t kernel_page_kib(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    size_t kib = 0;
    bool here = false;
    while (file && fgets(line, sizeof(line), file)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (here && sscanf(line, "KernelPageSize: %zu", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

// ---- Children: what may be killed is done by one ----

// Waits for a child; NULL or what became of it as a text.
static inline const char *fate(pid_t child)
{
    static char text[64];
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "KILLED:SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        snprintf(text, sizeof(text), "EXIT:%d", WEXITSTATUS(status));
    else
        return NULL;
    return text;
}

// What a child has to say: each line of it a difference, or the reason of a skip.
static char *remarks;
#define REMARKS_SIZE 4096

__attribute__((format(printf, 1, 2))) static inline void remark(const char *format, ...)
{
    size_t used = strlen(remarks);
    va_list list;
    va_start(list, format);
    vsnprintf(remarks + used, REMARKS_SIZE - used, format, list);
    va_end(list);
    append(remarks, REMARKS_SIZE, "\n");
}

static int n_failed;
#define SKIPPED 77

// Runs one test in a child of its own and prints its result, a line that begins with
// PASS, FAIL or SKIP. The test passes when it returns 0 without a remark; SKIPPED with
// a remark skips it. Memory gone wild takes the child first, not the machine.
static inline void run_test(const char *name, int (*test)(const void *), const void *argument)
{
    if (!remarks)
        remarks = mmap(NULL, REMARKS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    remarks[0] = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        FILE *file = fopen("/proc/self/oom_score_adj", "we");
        if (file) {
            fputs("1000", file);
            fclose(file);
        }
        _exit(test(argument));
    }
    const char *end = fate(child);
    char *line = strtok(remarks, "\n");
    if (end && strcmp(end, "EXIT:77") == 0) {
        printf("SKIP %s: %s\n", name, line ? line : "");
    } else if (end || line) {
        n_failed++;
        printf("FAIL %s: %s\n", name, end ? end : "");
        for (; line; line = strtok(NULL, "\n"))
            printf("    %s\n", line);
    } else {
        printf("PASS %s\n", name);
    }
    fflush(stdout);
}

#endif
