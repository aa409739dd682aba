// SPDX-License-Identifier: BSD-2-Clause
// "If there is not enough memory to satisfy the request errno is set to ENOMEM and the
// allocated pointer is set to NULL": a program that takes more than its nodes hold gets
// an answer, it is not killed. Kinds that only prefer nodes fall back to others.
//
// For a machine whose nodes of fast memory are small.
#include "machine.h"
#include <pthread.h>

// More than this is not filled, it would take long.
#define LARGEST_NODES (300 * MIB)
#define MAX_CHUNKS 131072

static const struct row *kind_row;
static uint64_t kind_nodes;

static memkind_t kind(void) { return *kind_row->kind; }

static size_t kib_of(uint64_t nodes, const char *name)
{
    size_t kib = 0;
    for (int node = 0; node < MAX_NODES; node++)
        if (nodes >> node & 1)
            kib += node_kib(node, name);
    return kib;
}

static size_t huge_pages(uint64_t nodes, const char *which)
{
    size_t n = 0;
    for (int node = 0; node < MAX_NODES; node++) {
        char path[128], text[32];
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s", node, which);
        if (nodes >> node & 1 && read_text(path, text, sizeof(text)))
            n += strtoul(text, NULL, 10);
    }
    return n;
}

// Bytes that the kind's nodes hold, and those that are free.
static size_t held(void)
{
    return kind_row->huge ? huge_pages(kind_nodes, "nr_hugepages") * HUGE_PAGE : kib_of(kind_nodes, "MemTotal") * 1024;
}

static size_t free_bytes(void)
{
    return kind_row->huge ? huge_pages(kind_nodes, "free_hugepages") * HUGE_PAGE : kib_of(kind_nodes, "MemFree") * 1024;
}

static char **chunks(void)
{
    static char **list;
    if (!list)
        list = mmap(NULL, MAX_CHUNKS * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return list;
}

// Takes chunks until there is no more, but no more than twice what there is. The number of chunks.
static size_t fill(size_t size, bool touching)
{
    size_t n = 0, limit = 2 * held() + 16 * MIB;
    for (; n * size < limit && n < MAX_CHUNKS; n++) {
        errno = 0;
        char *chunk = memkind_malloc(kind(), size);
        if (!chunk) {
            if (errno != ENOMEM)
                remark("NULL with errno %d after %zu chunks of %zu bytes", errno, n, size);
            return n;
        }
        if (touching)
            touch(chunk, size);
        chunks()[n] = chunk;
    }
    remark("%zu chunks of %zu bytes are more than the nodes have, and no NULL", n, size);
    return n;
}

static void check_nodes(size_t n, size_t size)
{
    struct census sum = {0};
    for (size_t i = 0; i < n; i++) {
        struct census census = count_pages(chunks()[i], size);
        for (int node = 0; node < MAX_NODES; node++)
            sum.on[node] += census.on[node];
    }
    char text[512];
    if (census_nodes(&sum) & ~kind_nodes)
        remark("chunks of %zu bytes on the wrong nodes: %s", size, census_text(&sum, text, sizeof(text)));
}

static void release(size_t n)
{
    for (size_t i = 0; i < n; i++)
        memkind_free(kind(), chunks()[i]);
}

#define TRANSPARENT "/sys/kernel/mm/transparent_hugepage/enabled"

static bool set(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static const size_t sizes[] = {4096, 60000, 2 * MIB, 9 * MIB};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

// Takes all there is, gives it back, and can take it again. A margin is the library's to
// keep: half of what is free must be had.
static int fill_and_again(const void *size_)
{
    size_t size = *(const size_t *)size_, enough = free_bytes() / 2;
    size_t n = fill(size, true);
    check_nodes(n, size);
    // A whole chunk may be what is missing, with all of its last huge page.
    size_t whole = size < HUGE_PAGE ? size : (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if ((n + 1) * whole < enough)
        remark("only %zu MiB in chunks of %zu bytes, %zu MiB were free", n * size / MIB, size, enough * 2 / MIB);
    release(n);
    size_t again = fill(size, true);
    if (again < n * 8 / 10)
        remark("%zu chunks of %zu bytes at first, only %zu after they were freed", n, size, again);
    release(again);
    return 0;
}

// Leaves blocks of pages half used by the kernel, which cannot move what it has there: a
// process that gets the rest of them makes it raise its watermarks. The pages are those of
// pipes, every other one of which is closed again.
#define N_PIPES 96

static bool hold_kernel_pages(uint64_t nodes)
{
    static char zeroes[16 * PAGE];
    unsigned long mask = nodes;
    int pipes[N_PIPES][2], n = 0;
    if (syscall(SYS_set_mempolicy, 2L /* MPOL_BIND */, &mask, 64UL) != 0)
        return false;
    while (n < N_PIPES && pipe(pipes[n]) == 0 && write(pipes[n][1], zeroes, sizeof(zeroes)) == (ssize_t)sizeof(zeroes))
        n++;
    syscall(SYS_set_mempolicy, 0L /* MPOL_DEFAULT */, NULL, 0UL);
    for (int i = 0; i < n; i += 2) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    return n == N_PIPES;
}

// Whether kswapd has given up on one of the nodes: it would lower the watermarks again.
static bool given_up(uint64_t nodes)
{
    FILE *file = fopen("/proc/zoneinfo", "re");
    char line[160];
    bool found = false;
    int node = -1;
    while (file && fgets(line, sizeof(line), file)) {
        unsigned value;
        sscanf(line, "Node %d", &node);
        if (sscanf(line, " node_unreclaimable: %u", &value) == 1 && value && node >= 0 && nodes >> node & 1)
            found = true;
    }
    if (file)
        fclose(file);
    return found;
}

// Takes more than the nodes have, without the library, until kswapd has given up on them.
static bool make_it_give_up(uint64_t nodes)
{
    size_t size = held();
    for (int i = 0; i < 64 && !given_up(nodes); i++) {
        pid_t child = fork();
        if (child == 0) {
            unsigned long mask = nodes;
            // As the test itself, it is the first that the kernel takes.
            char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (area != MAP_FAILED && syscall(SYS_mbind, area, size, 2L /* MPOL_BIND */, &mask, 64UL, 0UL) == 0)
                touch(area, size);
            _exit(0);
        }
        fate(child);
    }
    return given_up(nodes);
}

// Without transparent huge pages.
static int fill_between_kernel_pages(const void *unused)
{
    (void)unused;
    if (!make_it_give_up(kind_nodes))
        remark("kswapd does not give up");
    // The watermarks start from the beginning.
    if (!set(TRANSPARENT, "never"))
        remark("cannot set transparent huge pages");
    if (!hold_kernel_pages(kind_nodes))
        remark("no pipes on the nodes of the kind");
    return fill_and_again(&sizes[0]);
}

// Takes all first and touches then: what was handed out must be there.
static int fill_then_touch(const void *size_)
{
    size_t size = *(const size_t *)size_, n = fill(size, false);
    for (size_t i = 0; i < n; i++)
        touch(chunks()[i], size);
    check_nodes(n, size);
    return 0;
}

// One request for more than there is.
static int too_large(const void *unused)
{
    (void)unused;
    size_t size = held() + held() / 2;
    errno = 0;
    char *block = memkind_malloc(kind(), size);
    if (block) {
        remark("malloc of %zu MiB succeeds", size / MIB);
        touch(block, size);
        return 0;
    }
    if (errno != ENOMEM)
        remark("malloc: errno %d", errno);
    errno = 0;
    if (memkind_calloc(kind(), 2, size / 2) || errno != ENOMEM)
        remark("calloc: errno %d", errno);
    void *aligned = NULL;
    int status = memkind_posix_memalign(kind(), &aligned, 64, size);
    if (status != ENOMEM || aligned)
        remark("posix_memalign: %d", status);
    char *old = memkind_malloc(kind(), MIB);
    if (!old) {
        remark("no memory for 1 MiB");
        return 0;
    }
    memset(old, 7, MIB);
    errno = 0;
    char *moved = memkind_realloc(kind(), old, size);
    if (moved || errno != ENOMEM)
        remark("realloc: errno %d", errno);
    else if (old[0] != 7 || old[MIB - 1] != 7)
        remark("realloc: the old block has changed");
    return 0;
}

// An array grows by what the nodes have left: as a copy beside it, it would not fit. One that cannot grow stays. When
// it is freed, what it had is there for blocks of any size.
static int array_grows(const void *unused)
{
    (void)unused;
    size_t most = free_bytes(), size = most / 8 * 3, next = most / 2;
    if (size < 9 * MIB)
        return 0;
    char *block = memkind_malloc(kind(), size);
    if (!block) {
        remark("malloc of %zu MiB: NULL, %zu MiB were free", size / MIB, most / MIB);
        return 0;
    }
    touch(block, size);
    memset(block, 7, PAGE);
    char *grown = memkind_realloc(kind(), block, next);
    if (!grown) {
        remark("realloc from %zu to %zu MiB: NULL, %zu MiB were free", size / MIB, next / MIB, most / MIB);
        return 0;
    }
    touch(grown + size, next - size);
    struct census census = count_pages(grown, next);
    if (census_nodes(&census) & ~kind_nodes)
        remark("pages of an array that has grown are elsewhere");
    errno = 0;
    if (memkind_realloc(kind(), grown, 2 * held()) || errno != ENOMEM)
        remark("realloc to twice what there is: errno %d", errno);
    if (grown[0] != 7 || grown[PAGE - 1] != 7 || memkind_malloc_usable_size(kind(), grown) < next)
        remark("an array that could not grow has changed");
    memkind_free(kind(), grown);
    size_t n = fill(60000, true);
    if (n * 60000 < most / 5 * 2)
        remark("only %zu MiB in small blocks after an array was freed, %zu MiB were free", n * 60000 / MIB, most / MIB);
    return 0;
}

// Fresh memory is not touched by the library as long as there is plenty.
static int untouched(const void *unused)
{
    (void)unused;
    size_t size = free_bytes() / 4;
    char *block = memkind_malloc(kind(), size);
    if (!block) {
        remark("malloc of %zu MiB: NULL", size / MIB);
        return 0;
    }
    struct census census = count_pages(block, size);
    if (census.total != census.absent)
        remark("%zu of %zu pages are there before they are touched", census.total - census.absent, census.total);
    return 0;
}

static void *fill_in_thread(void *total)
{
    size_t size = 300000, limit = 2 * held() + 16 * MIB;
    while (*(size_t *)total < limit) {
        char *chunk = memkind_malloc(kind(), size);
        if (!chunk)
            return NULL;
        touch(chunk, size);
        *(size_t *)total += size;
    }
    remark("a thread was never told that there is no more");
    return NULL;
}

static int two_threads(const void *unused)
{
    (void)unused;
    pthread_t thread;
    size_t enough = free_bytes() / 2, mine = 0, others = 0;
    pthread_create(&thread, NULL, fill_in_thread, &others);
    fill_in_thread(&mine);
    pthread_join(thread, NULL);
    if (mine + others < enough)
        remark("only %zu MiB, %zu MiB were free", (mine + others) / MIB, enough * 2 / MIB);
    return 0;
}

// A full node does not keep threads elsewhere from theirs.
static int another_node(const void *unused)
{
    (void)unused;
    fill(2 * MIB, true);
    for (int node = 1; node < MAX_NODES; node++) {
        if (!(nodes_online() >> node & 1) || !run_on_node(node))
            continue;
        char *block = memkind_malloc(kind(), 3 * MIB);
        if (!block) {
            remark("nothing on a CPU of node %d", node);
            continue;
        }
        touch(block, 3 * MIB);
        struct census census = count_pages(block, 3 * MIB);
        if (census_nodes(&census) & kind_nodes)
            remark("memory of the full node on a CPU of node %d", node);
    }
    return 0;
}

// Half as much again as the preferred node holds: no NULL, and some of it is elsewhere.
static int falls_back(const void *unused)
{
    (void)unused;
    size_t size = kind_row->huge ? HUGE_PAGE : MIB, n = (held() + held() / 2) / size, enough = free_bytes() / 2;
    for (size_t i = 0; i < n; i++) {
        chunks()[i] = memkind_malloc(kind(), size);
        if (!chunks()[i]) {
            remark("NULL after %zu of %zu MiB", i * size / MIB, n * size / MIB);
            return 0;
        }
        touch(chunks()[i], size);
    }
    struct census sum = {0};
    for (size_t i = 0; i < n; i++) {
        struct census census = count_pages(chunks()[i], size);
        for (int node = 0; node < MAX_NODES; node++)
            sum.on[node] += census.on[node];
    }
    char text[512];
    size_t preferred = 0;
    for (int node = 0; node < MAX_NODES; node++)
        preferred += kind_nodes >> node & 1 ? sum.on[node] : 0;
    if (preferred * PAGE < enough)
        remark("little of it where it was preferred: %s", census_text(&sum, text, sizeof(text)));
    return 0;
}

// All huge pages of the machine, from whatever nodes: then NULL.
static int fill_machine(const void *unused)
{
    (void)unused;
    kind_nodes = ~(uint64_t)0;
    size_t n = fill(HUGE_PAGE, true);
    if (n * HUGE_PAGE < free_bytes() / 2)
        remark("only %zu MiB", n * HUGE_PAGE / MIB);
    return 0;
}

// Pages that the kernel may make when they are touched: they may be had or not, but what was
// handed out is there, also when it is touched late.
#define ON_DEMAND "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"

static int pages_on_demand(const void *touching)
{
    size_t before = huge_pages(kind_nodes, "free_hugepages");
    if (!set(ON_DEMAND, "4")) {
        remark("cannot allow pages on demand");
        return SKIPPED;
    }
    size_t n = fill(HUGE_PAGE, touching != NULL);
    for (size_t i = 0; i < n; i++)
        touch(chunks()[i], HUGE_PAGE);
    check_nodes(n, HUGE_PAGE);
    if (n < before / 2)
        remark("only %zu chunks, %zu pages were free", n, before);
    return 0;
}

// The nodes of the kind from here, found by a child so that this process stays clean.
static uint64_t nodes_from_here(void)
{
    uint64_t *answer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        char *block = memkind_malloc(kind(), MIB);
        if (block)
            *answer = policy_at(block).nodes;
        _exit(0);
    }
    fate(child);
    uint64_t nodes = *answer;
    munmap(answer, PAGE);
    return nodes;
}

static void test(const char *what, size_t size, int (*function)(const void *), const void *argument)
{
    char name[160];
    snprintf(name, sizeof(name), "exhaustion: %s, %s", kind_row->name, what);
    if (size)
        append(name, sizeof(name), " of %zu bytes", size);
    run_test(name, function, argument);
}

// Everything that a kind of bound memory has to hold.
static void test_bound(const char *how)
{
    char name[96];
    for (size_t j = 0; j < N_SIZES; j++) {
        if (kind_row->huge && sizes[j] > 2 * MIB)
            continue;
        snprintf(name, sizeof(name), "chunks until there is no more%s", how);
        test(name, sizes[j], fill_and_again, &sizes[j]);
        snprintf(name, sizeof(name), "chunks that are touched late%s", how);
        if (sizes[j] > 4096)
            test(name, sizes[j], fill_then_touch, &sizes[j]);
    }
    snprintf(name, sizeof(name), "two threads%s", how);
    test(name, 0, two_threads, NULL);
}

int main(void)
{
    run_on_node(0);
    for (size_t i = 0; i < N_ROWS; i++) {
        kind_row = &rows[i];
        if (memkind_check_available(kind()) != 0)
            continue;
        if (kind_row->mode == NO_POLICY) {
            if (kind_row->huge)
                test("all huge pages", 0, fill_machine, NULL);
            continue;
        }
        kind_nodes = nodes_from_here();
        if (!kind_nodes || held() > LARGEST_NODES || held() == 0)
            continue;
        if (kind_row->mode == PREFERRED) {
            if (nodes_online() & ~kind_nodes) // else there is nothing to fall back on
                test("falling back", 0, falls_back, NULL);
            continue;
        }
        if (kind_row->mode == INTERLEAVE)
            continue; // the kernel goes on elsewhere, by the manual or not
        test("a request for more than there is", 0, too_large, NULL);
        test_bound("");
        test("untouched memory", 0, untouched, NULL);
        if (!kind_row->huge)
            test("an array that grows", 0, array_grows, NULL);
        if (kind_row->huge) {
            test("pages made on demand", 0, pages_on_demand, kind_row);
            test("pages made on demand, touched late", 0, pages_on_demand, NULL);
            set(ON_DEMAND, "0");
        }
        if (kind_row->reach == LOCAL)
            test("another node", 0, another_node, NULL);
        // Without transparent huge pages memory is counted by the page.
        const bool often = strcmp(kind_row->name, "HBW") == 0 || strcmp(kind_row->name, "REGULAR") == 0;
        if (often && set(TRANSPARENT, "never")) {
            test_bound(", no transparent huge pages");
            test("between pages of the kernel, no transparent huge pages", 0, fill_between_kernel_pages, NULL);
            set(TRANSPARENT, "always");
        }
    }
    return n_failed != 0;
}
