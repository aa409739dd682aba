/* SPDX-License-Identifier: BSD-2-Clause */
/* The malloc that libmemtier calls under DYNAMIC_THRESHOLD, and memtier_malloc(), put every block where
 * memtier_calloc() puts it, which takes no short ways: however the calls that count are mixed, however
 * often the borders are checked, and whatever another thread does in between. */
#include "memtier.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#define OPERATIONS 30000
#define LIVE 500

typedef void *(*allocator)(size_t size, struct memtier_memory *memory);

static void *by_calloc(size_t size, struct memtier_memory *memory)
{
    return memtier_calloc(memory, 1, size);
}

static void *by_malloc(size_t size, struct memtier_memory *memory)
{
    return memtier_malloc(memory, size);
}

static allocator (*preload_malloc_of)(struct memtier_memory *memory);
static allocator preloaded;

static void *by_preload(size_t size, struct memtier_memory *memory)
{
    return preloaded(size, memory);
}

/* Another thread, which does something when it is told. */
struct other {
    pthread_t thread;
    sem_t its_turn, our_turn;
    struct memtier_memory *memory;
    unsigned check_cnt, done;
    enum { GROW, ASK, ONE, ROUNDS, END } task;
};

static void *work(void *argument)
{
    struct other *other = argument;
    void *large[16] = {NULL};

    for (;;) {
        CHECK_INT(0, sem_wait(&other->its_turn));
        const unsigned i = other->done++;
        void **place = &large[i % 16];
        switch (other->task) {
            case GROW: /* enough for others to know */
                memtier_free(*place);
                *place = memtier_kind_malloc(i % 32 < 16 ? MEMKIND_DEFAULT : MEMKIND_REGULAR, 60000);
                CHECK_NOT_NULL(*place);
                break;
            case ASK:
                memtier_kind_allocated_size(MEMKIND_DEFAULT);
                memtier_kind_allocated_size(MEMKIND_REGULAR);
                break;
            case ONE:
                memtier_free(memtier_malloc(other->memory, 100));
                break;
            case ROUNDS:
                for (unsigned j = 0; j < 2 * other->check_cnt; j++) {
                    memtier_free(memtier_malloc(other->memory, 100));
                }
                break;
            case END:
                CHECK_INT(0, sem_post(&other->our_turn));
                return NULL;
        }
        CHECK_INT(0, sem_post(&other->our_turn));
    }
}

static void tell(struct other *other, int task)
{
    other->task = task;
    CHECK_INT(0, sem_post(&other->its_turn));
    CHECK_INT(0, sem_wait(&other->our_turn));
}

/* Has the other thread do a task, and then makes as many calls as a thread counts in advance: meanwhile it need not see that another one
 * has moved the border. */
static void tell_and_wait(struct other *other, int task, allocator allocate)
{
    tell(other, task);
    for (int i = 0; i < 128; i++) {
        memtier_free(allocate(64, other->memory));
    }
}

static void start(struct other *other, unsigned check_cnt)
{
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 3);

    CHECK_INT(0, memtier_ctl_set(builder, "policy.dynamic_threshold.check_cnt", &check_cnt));
    other->memory = build(builder);
    preloaded = preload_malloc_of(other->memory);
    other->check_cnt = check_cnt;
    CHECK_INT(0, sem_init(&other->its_turn, 0, 0));
    CHECK_INT(0, sem_init(&other->our_turn, 0, 0));
    CHECK_INT(0, pthread_create(&other->thread, NULL, work, other));
}

static char tier_of(void *block)
{
    CHECK_NOT_NULL(block);
    return memkind_detect_kind(block) == MEMKIND_DEFAULT ? 1 : 2;
}

/* Notes for each of OPERATIONS blocks its tier. */
typedef void (*scenario)(allocator allocate, unsigned check_cnt, char *tiers);

/* Blocks of sizes up to `most` that replace each other. */
static void mixed(allocator allocate, unsigned check_cnt, size_t most, char *tiers)
{
    static void *live[LIVE];
    struct other other = {.done = 0};
    unsigned random = 7;

    start(&other, check_cnt);
    for (int i = 0; i < OPERATIONS; i++) {
        random = random * 1103515245 + 12345;
        void **place = &live[random % 4096 % LIVE];
        size_t size = 1 + (random >> 16) % most;
        void *block = NULL;

        if (i % 397 == 396) {
            tell_and_wait(&other, i / 397 % END, allocate);
        }
        memtier_free(*place);
        switch (random >> 8 & 63) {
            case 0:
                block = memtier_calloc(other.memory, 1, size);
                break;
            case 1:
                CHECK_INT(0, memtier_posix_memalign(other.memory, &block, 64, size));
                break;
            case 2:
                block = memtier_realloc(other.memory, NULL, size);
                break;
            case 3:
                block = allocate(size * 64, other.memory);
                break;
            default:
                block = allocate(size, other.memory);
        }
        tiers[i] = tier_of(block);
        *place = block;
    }
    tell(&other, END);
}

static void of_all_sizes(allocator allocate, unsigned check_cnt, char *tiers)
{
    mixed(allocate, check_cnt, 2048, tiers);
}

static void of_small_sizes(allocator allocate, unsigned check_cnt, char *tiers)
{
    mixed(allocate, check_cnt, 64, tiers);
}

/* A program that does nothing new for long, while another thread does: then blocks of several sizes show
 * where the border is. */
static void steady(allocator allocate, unsigned check_cnt, char *tiers)
{
    struct other other = {.done = 0};
    void *probes[16];

    start(&other, check_cnt);
    for (int i = 0; i < OPERATIONS;) {
        if (i % 64 == 0) {
            CHECK_NOT_NULL(allocate(1 + i % 200, other.memory));
        }
        for (int j = 0; j < 150; j++) {
            memtier_free(allocate(64, other.memory));
        }
        tell_and_wait(&other, i / 16 % 7 < 4 ? GROW : i / 16 % 7 - 3, allocate);
        for (int j = 0; j < 16 && i < OPERATIONS; j++) {
            probes[j] = allocate(500 + 70 * j, other.memory);
            tiers[i++] = tier_of(probes[j]);
        }
        for (int j = 0; j < 16; j++) {
            memtier_free(probes[j]);
        }
    }
    tell(&other, END);
}

/* In a process of its own: kinds have one counter for all memories. */
static void run_apart(scenario scenario, allocator allocate, unsigned check_cnt, char *tiers)
{
    memset(tiers, 0, OPERATIONS);
    fflush(NULL);
    const pid_t pid = fork();

    if (pid == 0) {
        scenario(allocate, check_cnt, tiers);
        _exit(0);
    }
    CHECK(pid > 0);
    int status = -1;
    CHECK_INT(pid, waitpid(pid, &status, 0));
    CHECK_INT(0, status);
}

/* Threads keep a choice for one memory; another one makes its own. */
static void two_memories(void)
{
    struct {
        struct memtier_memory *memory;
        allocator allocate;
    } with[2];

    for (int i = 0; i < 2; i++) {
        struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
        size_t border = i == 0 ? 900 : 300, least = 1, most = 2000;

        CHECK_INT(0, memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].min", &least));
        CHECK_INT(0, memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].val", &border));
        CHECK_INT(0, memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].max", &most));
        with[i].memory = build(builder);
        with[i].allocate = preload_malloc_of(with[i].memory);
    }
    for (int i = 0; i < 10; i++) {
        void *blocks[2];

        for (int j = 0; j < 2; j++) {
            blocks[j] = with[j].allocate(600, with[j].memory);
            CHECK_INT(1 + j, tier_of(blocks[j]));
        }
        memtier_free(blocks[0]);
        memtier_free(blocks[1]);
    }
    /* The next one may have what the first one had. */
    memtier_delete_memtier_memory(with[0].memory);
    with[1].allocate = preload_malloc_of(with[1].memory);
    for (int i = 0; i < 10; i++) {
        void *block = with[1].allocate(600, with[1].memory);

        CHECK_INT(2, tier_of(block));
        memtier_free(block);
    }
    memtier_delete_memtier_memory(with[1].memory);
}

int main(void)
{
    static const unsigned check_cnts[] = {0, 1, 7, 20, 126, 127, 128, 300, 1000};
    static const scenario scenarios[] = {of_all_sizes, of_small_sizes, steady};
    struct {
        const char *name;
        allocator allocate;
    } ways[] = {{"memtier_malloc", by_malloc}, {"preload", by_preload}};

    *(void **)&preload_malloc_of = dlsym(RTLD_DEFAULT, "memtier_preload_malloc_of");
    if (preload_malloc_of == NULL) {
        SKIP("the library has no functions for preloading");
    }
    char *expected = mmap(NULL, 2 * OPERATIONS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(expected != MAP_FAILED);
    char *tiers = expected + OPERATIONS;
    for (size_t i = 0; i < 3 * sizeof(check_cnts) / sizeof(check_cnts[0]); i++) {
        const unsigned check_cnt = check_cnts[i / 3];
        int n_second = 0;

        run_apart(scenarios[i % 3], by_calloc, check_cnt, expected);
        for (int j = 0; j < OPERATIONS; j++) {
            n_second += expected[j] == 2;
        }
        CHECK(n_second > 0 && n_second < OPERATIONS);
        for (size_t way = 0; way < 2; way++) {
            run_apart(scenarios[i % 3], ways[way].allocate, check_cnt, tiers);
            for (int j = 0; j < OPERATIONS; j++) {
                if (tiers[j] != expected[j]) {
                    FAIL("scenario %zu, check_cnt %u, %s: block %d is on tier %d, expected %d", i % 3, check_cnt,
                         ways[way].name, j, tiers[j], expected[j]);
                }
            }
        }
    }
    two_memories();
    return 0;
}
