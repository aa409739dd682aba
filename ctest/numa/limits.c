// SPDX-License-Identifier: BSD-2-Clause
// A container's limit is the size of its node: a process that takes more than its control group
// may have gets NULL and ENOMEM from kinds that are bound to nodes and from huge pages. It is
// not killed, and what it has freed it can have again.
//
// Needs root and cgroup2, which a test machine has; without them the tests are skipped.
#include "machine.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ROOT "/sys/fs/cgroup"
#define OUTER ROOT "/memkind-limits"
#define INNER OUTER "/inner"
#define LIMIT ((size_t)96 * MIB)
#define MAX_CHUNKS 65536

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

// Moves this process into a group whose parent has a limit.
static bool enter(const char *file, const char *limit)
{
    char path[128];
    mount("none", ROOT, "cgroup2", 0, NULL);
    write_text(ROOT "/cgroup.subtree_control", "+memory");
    write_text(ROOT "/cgroup.subtree_control", "+hugetlb");
    mkdir(OUTER, 0755);
    write_text(OUTER "/cgroup.subtree_control", "+memory");
    write_text(OUTER "/cgroup.subtree_control", "+hugetlb");
    mkdir(INNER, 0755);
    snprintf(path, sizeof(path), OUTER "/%s", file);
    if (write_text(path, limit) && write_text(INNER "/cgroup.procs", "0"))
        return true;
    remark("no %s here: %s", file, strerror(errno));
    return false;
}

static void leave(const char *file)
{
    char path[128];
    snprintf(path, sizeof(path), OUTER "/%s", file);
    write_text(path, "max");
}

struct filler {
    memkind_t kind;
    size_t size, most, n;
    char **chunks;
};

static void *fill(void *filler_)
{
    struct filler *filler = filler_;
    while (filler->n * filler->size < filler->most && filler->n < MAX_CHUNKS) {
        errno = 0;
        char *chunk = memkind_malloc(filler->kind, filler->size);
        if (!chunk) {
            if (errno != ENOMEM)
                remark("NULL with errno %d", errno);
            return NULL;
        }
        touch(chunk, filler->size);
        filler->chunks[filler->n++] = chunk;
    }
    remark("%zu chunks of %zu bytes are more than the group may have, and no NULL", filler->n, filler->size);
    return NULL;
}

static struct filler filler_of(memkind_t kind, size_t size, size_t most)
{
    char **chunks = mmap(NULL, MAX_CHUNKS * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return (struct filler){kind, size, most, 0, chunks};
}

static void release(struct filler *filler)
{
    for (size_t i = 0; i < filler->n; i++)
        memkind_free(filler->kind, filler->chunks[i]);
    filler->n = 0;
}

static const size_t sizes[] = {4096, 60000, MIB, 9 * MIB};

// Half of the limit must be had, but for what is no whole chunk, and most of it again.
static int memory(const void *row_)
{
    const struct row *row = row_;
    if (!enter("memory.max", "96M"))
        return SKIPPED;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct filler filler = filler_of(*row->kind, sizes[i], 2 * LIMIT);
        fill(&filler);
        size_t first = filler.n;
        if ((first + 1) * sizes[i] < LIMIT / 2)
            remark("only %zu MiB in chunks of %zu bytes", first * sizes[i] / MIB, sizes[i]);
        release(&filler);
        fill(&filler);
        if (filler.n < first * 8 / 10)
            remark("%zu chunks of %zu bytes at first, only %zu after they were freed", first, sizes[i], filler.n);
        release(&filler);
    }
    return 0;
}

// Two kinds, on other nodes if there are, in two threads: the limit is for both together.
static int two_kinds(const void *others)
{
    memkind_t other = *((const struct row *)others)->kind;
    if (!enter("memory.max", "96M"))
        return SKIPPED;
    struct filler fillers[] = {filler_of(MEMKIND_REGULAR, 300000, 2 * LIMIT), filler_of(other, 50000, 2 * LIMIT)};
    pthread_t thread;
    pthread_create(&thread, NULL, fill, &fillers[1]);
    fill(&fillers[0]);
    pthread_join(thread, NULL);
    size_t sum = fillers[0].n * fillers[0].size + fillers[1].n * fillers[1].size;
    if (sum < LIMIT / 2 || sum > LIMIT)
        remark("%zu MiB together", sum / MIB);
    // What one frees is there for the other.
    release(&fillers[1]);
    size_t before = fillers[0].n;
    fill(&fillers[0]);
    if (sum - before * fillers[0].size > 16 * MIB && fillers[0].n <= before)
        remark("nothing of what the other has freed");
    return 0;
}

// Taken first and touched then: what was handed out is there.
static int touched_late(const void *row_)
{
    const struct row *row = row_;
    if (!enter("memory.max", "96M"))
        return SKIPPED;
    struct filler filler = filler_of(*row->kind, 2 * MIB, 2 * LIMIT);
    char *chunk;
    while (filler.n < 100 && (chunk = memkind_malloc(filler.kind, filler.size)))
        filler.chunks[filler.n++] = chunk;
    if (filler.n == 100)
        remark("200 MiB without NULL");
    for (size_t i = 0; i < filler.n; i++)
        touch(filler.chunks[i], filler.size);
    return 0;
}

// A limit that becomes another one while the program runs.
static int higher_later(const void *row_)
{
    const struct row *row = row_;
    if (!enter("memory.max", "64M"))
        return SKIPPED;
    struct filler filler = filler_of(*row->kind, MIB, 2 * LIMIT);
    fill(&filler);
    size_t first = filler.n;
    write_text(OUTER "/memory.max", "128M");
    // What was refused is remembered for a tenth of a second at most.
    usleep(200000);
    fill(&filler);
    if (filler.n < first + 40)
        remark("%zu MiB below 64 MiB, only %zu below 128 MiB", first, filler.n);
    return 0;
}

// 4 MiB are two pages. No signal, and no less either.
static int huge_pages(const void *row_)
{
    const struct row *row = row_;
    if (!enter("hugetlb.2MB.max", "4M"))
        return SKIPPED;
    for (int round = 0; round < 3; round++) {
        struct filler filler = filler_of(*row->kind, MIB, 8 * HUGE_PAGE);
        fill(&filler);
        if (filler.n < 2 || filler.n > 4)
            remark("%zu blocks of 1 MiB in turn %d", filler.n, round);
        release(&filler);
    }
    errno = 0;
    if (memkind_malloc(*row->kind, 5 * MIB) || errno != ENOMEM)
        remark("5 MiB: errno %d", errno);
    return 0;
}

#define PAGES_OF_NODE "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages"

// A kind that only prefers nodes has the pages of others, and says that it has.
static int preferred_elsewhere(const void *unused)
{
    (void)unused;
    memkind_t kind = MEMKIND_HBW_PREFERRED_HUGETLB;
    uint64_t fast = list_bits(getenv("FAST_NODES"), MAX_NODES);
    char path[128], before[MAX_NODES][32];
    for (int node = 0; node < MAX_NODES; node++) {
        snprintf(path, sizeof(path), PAGES_OF_NODE, node);
        if (fast >> node & 1 && read_text(path, before[node], sizeof(before[node])))
            write_text(path, "0");
    }
    int available = memkind_check_available(kind);
    char *block = memkind_malloc(kind, MIB);
    if (block)
        touch(block, MIB);
    for (int node = 0; node < MAX_NODES; node++) {
        snprintf(path, sizeof(path), PAGES_OF_NODE, node);
        if (fast >> node & 1)
            write_text(path, before[node]);
    }
    if (available || !block)
        remark("%s, and %s", code_name(available), block ? "memory" : "NULL");
    return 0;
}

// The nodes of high-bandwidth memory, found by a child.
static void find_fast_nodes(void)
{
    uint64_t *answer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        char *block = memkind_malloc(MEMKIND_HBW, MIB);
        *answer = block ? policy_at(block).nodes : 0;
        _exit(0);
    }
    fate(child);
    char text[64];
    setenv("FAST_NODES", *answer ? list_text(*answer, text, sizeof(text)) : "", 1);
}

static void test(const char *what, int (*function)(const void *), const struct row *row, const char *file)
{
    char name[128];
    snprintf(name, sizeof(name), "limits: %s, %s", row->name, what);
    run_test(name, function, row);
    leave(file);
}

int main(void)
{
    // Where nodes are equally near, too.
    setenv("MEMKIND_PREFERRED_TIES", "many", 0);
    find_fast_nodes();
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        if (memkind_check_available(*row->kind) != 0)
            continue;
        if (row->huge) {
            test("a limit of huge pages", huge_pages, row, "hugetlb.2MB.max");
        } else if (row->mode == BIND && (strcmp(row->name, "REGULAR") == 0 || strcmp(row->name, "HBW") == 0)) {
            test("a limit of memory", memory, row, "memory.max");
            test("memory that is touched late", touched_late, row, "memory.max");
            test("a limit that rises", higher_later, row, "memory.max");
        }
    }
    if (memkind_check_available(MEMKIND_HBW) == 0)
        test("two kinds below one limit", two_kinds, row_of("HBW"), "memory.max");
    if (memkind_check_available(MEMKIND_HBW_PREFERRED_HUGETLB) == 0)
        test("pages elsewhere only", preferred_elsewhere, row_of("HBW_PREFERRED_HUGETLB"), "memory.max");
    return n_failed != 0;
}
