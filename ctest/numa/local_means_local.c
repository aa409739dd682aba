// SPDX-License-Identifier: BSD-2-Clause
// "The closest" is the closest to the CPU that asks, at each allocation: also after a
// thread has moved, and when it gets memory that was freed elsewhere.
//
// Every kind whose nodes differ from CPU to CPU is tried between the CPUs of two nodes,
// in blocks of several sizes, each in a fresh process.
#include "machine.h"
#include <pthread.h>

#define MAX_BLOCKS 4096

struct step {
    const struct row *row;
    int from, to;
    uint64_t target[MAX_NODES];
    size_t size;
    size_t n_blocks;
};

struct blocks {
    char *at[MAX_BLOCKS];
    size_t n;
};

static void take(const struct step *step, struct blocks *blocks)
{
    for (blocks->n = 0; blocks->n < step->n_blocks; blocks->n++) {
        char *block = memkind_malloc(*step->row->kind, step->size);
        if (!block) {
            remark("malloc of block %zu of %zu bytes: NULL", blocks->n, step->size);
            return;
        }
        touch(block, step->size);
        blocks->at[blocks->n] = block;
    }
}

static void give_back(const struct step *step, struct blocks *blocks)
{
    for (size_t i = 0; i < blocks->n; i++)
        memkind_free(*step->row->kind, blocks->at[i]);
    blocks->n = 0;
}

// Remarks on pages that are not on the nodes nearest to a CPU of `node`.
static void expect_near(const struct step *step, const struct blocks *blocks, int node, const char *when)
{
    struct census sum = {0};
    for (size_t i = 0; i < blocks->n; i++) {
        struct census census = count_pages(blocks->at[i], step->size);
        for (int on = 0; on < MAX_NODES; on++)
            sum.on[on] += census.on[on];
        sum.absent += census.absent;
    }
    if (!(census_nodes(&sum) & ~step->target[node]) && !sum.absent)
        return;
    char pages[512], wanted[64];
    remark("%zu blocks of %zu bytes %s, on a CPU of node %d: pages %s, not on %s", blocks->n, step->size, when, node,
           census_text(&sum, pages, sizeof(pages)), list_text(step->target[node], wanted, sizeof(wanted)));
}

// One thread moves.
static int migrate(const void *argument)
{
    const struct step *step = argument;
    static struct blocks blocks;
    if (!run_on_node(step->from))
        return 1;
    take(step, &blocks);
    expect_near(step, &blocks, step->from, "at first");
    give_back(step, &blocks);
    if (!run_on_node(step->to))
        return 1;
    take(step, &blocks);
    expect_near(step, &blocks, step->to, "after moving");
    give_back(step, &blocks);
    if (!run_on_node(step->from))
        return 1;
    take(step, &blocks);
    expect_near(step, &blocks, step->from, "after coming back");
    give_back(step, &blocks);
    return 0;
}

// Two threads that stay where they are, and take turns.
static const struct step *current;
static struct blocks shared;
static pthread_barrier_t turn;

static void *other(void *unused)
{
    (void)unused;
    bool here = run_on_node(current->to);
    pthread_barrier_wait(&turn); // the first thread has allocated
    if (!here)
        remark("cannot run on a CPU of node %d", current->to);
    give_back(current, &shared);
    take(current, &shared);
    expect_near(current, &shared, current->to, "after freeing another thread's");
    pthread_barrier_wait(&turn); // now the first one frees these
    return NULL;
}

static int exchange(const void *argument)
{
    pthread_t thread;
    current = argument;
    if (!run_on_node(current->from))
        return 1;
    pthread_barrier_init(&turn, NULL, 2);
    pthread_create(&thread, NULL, other, NULL);
    take(current, &shared);
    expect_near(current, &shared, current->from, "at first");
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    give_back(current, &shared);
    take(current, &shared);
    expect_near(current, &shared, current->from, "after freeing another thread's");
    pthread_join(thread, NULL);
    return 0;
}

// A thread that moves between any two blocks, which live for a while, some resized.
static int wander(const void *argument)
{
    const struct step *step = argument;
    memkind_t kind = *step->row->kind;
    size_t size = step->size, n_wrong = 0, n_blocks = 0;
    // Few large ones, so that the smallest nodes and pools of huge pages have room.
    uint32_t last_slot = size > MIB ? 1 : 7;
    char *live[8] = {0};
    uint32_t random = 12345;
    for (int round = 0; round < (size > MIB ? 16 : 60); round++) {
        random = random * 1664525 + 1013904223;
        int node = random >> 30 & 1 ? step->from : step->to;
        if (!run_on_node(node))
            return 1;
        char **slot = &live[random >> 20 & last_slot];
        if (!(random >> 28 & 3)) {
            memkind_free(kind, *slot);
            *slot = NULL;
        }
        char *block = NULL;
        if (!*slot || random >> 27 & 1)
            block = memkind_calloc(kind, 1, size);
        else if (memkind_posix_memalign(kind, (void **)&block, 4096, size) != 0)
            block = NULL;
        if (!block) {
            remark("no block of %zu bytes in round %d", size, round);
            return 0;
        }
        touch(block, size);
        struct census census = count_pages(block, size);
        n_blocks++;
        n_wrong += (census_nodes(&census) & ~step->target[node]) != 0 || census.absent;
        memkind_free(kind, *slot);
        *slot = block;
    }
    if (n_wrong)
        remark("%zu of %zu blocks of %zu bytes on the wrong node", n_wrong, n_blocks, size);
    return 0;
}

// Blocks that grow after their thread has moved, and have to move for that.
static int grow(const void *argument)
{
    const struct step *step = argument;
    struct step grown = *step;
    static struct blocks blocks;
    if (!run_on_node(step->from))
        return 1;
    take(step, &blocks);
    if (!run_on_node(step->to))
        return 1;
    grown.size = 2 * step->size;
    size_t n_moved = 0;
    for (size_t i = 0; i < blocks.n; i++) {
        char *old = blocks.at[i], *block = memkind_realloc(*step->row->kind, old, grown.size);
        if (!block) {
            remark("realloc to %zu bytes: NULL", grown.size);
            return 0;
        }
        touch(block, grown.size);
        blocks.at[i] = block;
        // One that could grow where it was stays there.
        if (block == old)
            memkind_free(*step->row->kind, block);
        else
            blocks.at[n_moved++] = block;
    }
    blocks.n = n_moved;
    expect_near(&grown, &blocks, step->to, "that grew after moving");
    if (step->size < 4096 && n_moved != step->n_blocks)
        remark("only %zu of %zu small blocks moved", n_moved, step->n_blocks);
    give_back(&grown, &blocks);
    return 0;
}

// Writes the nodes that the kind takes from a CPU of a node into the first argument.
struct question {
    uint64_t *answer;
    const struct row *row;
    int node;
};

static int ask(const struct question *question)
{
    *question->answer = 0;
    pid_t child = fork();
    if (child == 0) {
        if (!run_on_node(question->node))
            _exit(1);
        size_t size = question->row->huge ? HUGE_PAGE : MIB;
        char *block = memkind_malloc(*question->row->kind, size);
        if (block) {
            touch(block, size);
            *question->answer = policy_at(block).nodes;
        }
        _exit(0);
    }
    fate(child);
    return *question->answer != 0;
}

static const struct {
    size_t size, n_blocks;
} sizes[] = {{64, 500}, {4096, 100}, {100000, 10}, {3 * MIB, 1}}, huge_sizes[] = {{64, 500}, {100000, 10}, {3 * MIB, 1}};

int main(void)
{
    int nodes[MAX_NODES], n_nodes = 0;
    for (int node = 0; node < MAX_NODES; node++)
        if (nodes_online() >> node & 1 && first_cpu(node) >= 0)
            nodes[n_nodes++] = node;
    if (n_nodes < 2) {
        printf("SKIP local means local: CPUs in one node only\n");
        return 0;
    }
    uint64_t *answer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static const struct {
        const char *name;
        int (*test)(const void *);
    } tests[] = {{"a thread that moves", migrate}, {"two threads that free for each other", exchange},
                 {"a wandering thread", wander}, {"blocks that grow", grow}};
    int n_tried = 0;
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->mode == NO_POLICY || memkind_check_available(*row->kind) != 0)
            continue;
        static struct step step;
        step.row = row;
        bool differ = false, answered = true;
        for (int j = 0; j < n_nodes; j++) {
            answered &= ask(&(struct question){answer, row, nodes[j]});
            step.target[nodes[j]] = *answer;
            differ |= *answer != step.target[nodes[0]];
        }
        if (!answered || !differ)
            continue;
        for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); t++) {
            // Two pairs of nodes and all sizes make one result; the first that fails ends it.
            char name[128];
            snprintf(name, sizeof(name), "local means local: %s, %s", row->name, tests[t].name);
            int failed = n_failed;
            size_t n_sizes = row->huge ? 3 : 4;
            FILE *real = stdout;
            char *text = NULL;
            size_t length = 0;
            for (int j = 0; j < n_nodes && n_failed == failed; j++) {
                step.from = nodes[j];
                step.to = nodes[(j + 1) % n_nodes];
                if (step.target[step.from] == step.target[step.to] || (j > 0 && j < n_nodes - 1))
                    continue;
                for (size_t s = 0; s < n_sizes && n_failed == failed; s++) {
                    step.size = row->huge ? huge_sizes[s].size : sizes[s].size;
                    step.n_blocks = row->huge ? huge_sizes[s].n_blocks : sizes[s].n_blocks;
                    free(text);
                    stdout = open_memstream(&text, &length);
                    run_test(name, tests[t].test, &step);
                    fclose(stdout);
                    stdout = real;
                }
            }
            if (!text)
                continue;
            printf("%s", text);
            fflush(stdout);
            free(text);
            n_tried++;
        }
    }
    if (n_tried == 0)
        printf("SKIP local means local: every kind has the same nodes for every CPU\n");
    return n_failed != 0;
}
