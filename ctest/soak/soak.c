/* SPDX-License-Identifier: BSD-2-Clause */
/* A long life in short: threads allocate in kinds of every sort and check what is in their blocks, while signals
 * interrupt them, limits on addresses and descriptors come and go, kinds are made and destroyed, and the process forks.
 * In each round everything is freed at the end; no round leaves more memory, mappings or descriptors than the second.
 *
 * usage: soak SECONDS SEED      each round takes up to five seconds
 * Exit status: 0 passed, 1 failed. */
#include "process.h"

#include <dirent.h>
#include <memkind_ext.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

enum { N_THREADS = 6, N_BLOCKS = 300, N_KINDS = 6 };
#define LIMIT (48 * MIB)
/* What may be in memory when all is freed, and mapped, beside what there was after the second round. */
#define SLACK (8 * MIB)
#define MAPPED (512 * MIB)
/* What may be in memory beside twice the blocks that are alive, and what two kinds have taken and keep. */
#define SPARE (16 * MIB)

static memkind_t kinds[N_KINDS];
static char *area;
static atomic_bool stop;
static _Atomic size_t alive;
static _Atomic unsigned long n_operations, n_refused, n_signals;
static unsigned long n_forks, n_kinds, n_rounds;

struct block {
    char *address;
    size_t size;
    unsigned seed;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 12;
}

static size_t some_size(uint64_t *state)
{
    const uint64_t number = next(state);

    return number % 100 < 90 ? number / 100 % 2000 + 1 : number % 100 < 99 ? number / 100 % 40000 + 1
                                                                           : number / 100 % (2 * MIB) + 1;
}

static void check_block(const struct block *block)
{
    CHECK(holds(block->address, block->size, block->seed));
}

static void step(struct block *block, unsigned thread, uint64_t *state)
{
    const size_t size = some_size(state);
    const memkind_t kind = kinds[next(state) % N_KINDS];
    char *address;

    n_operations++;
    if (block->address == NULL) {
        address = next(state) % 4 == 0 ? memkind_calloc(kind, 1, size) : memkind_malloc(kind, size);
        if (address != NULL) {
            alive += size;
        }
    } else if (next(state) % 4 == 0) {
        check_block(block);
        address = memkind_realloc(NULL, block->address, size);
        if (address != NULL) {
            CHECK(holds(address, size < block->size ? size : block->size, block->seed));
            alive += size - block->size;
        }
    } else {
        check_block(block);
        memkind_free(NULL, block->address);
        alive -= block->size;
        block->address = NULL;
        return;
    }
    if (address == NULL) {
        CHECK_INT(ENOMEM, errno);
        n_refused++;
        return;
    }
    *block = (struct block){address, size, thread + (unsigned)next(state)};
    fill(address, size, block->seed);
}

static struct block blocks[N_THREADS][N_BLOCKS];

struct worker {
    unsigned number;
    uint64_t state;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    while (!stop) {
        step(&blocks[worker->number][next(&worker->state) % N_BLOCKS], worker->number, &worker->state);
    }
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
    n_signals++;
}

static void make_kinds(uint64_t *state)
{
    struct memkind_config *config = memkind_config_new();

    kinds[0] = MEMKIND_DEFAULT;
    kinds[1] = MEMKIND_REGULAR;
    CHECK_INT(0, memkind_create_pmem(test_dir(), next(state) % 2 ? LIMIT : 0, &kinds[2]));
    CHECK_INT(0, memkind_create_fixed(area, LIMIT, &kinds[3]));
    CHECK_INT(0, memkind_create_nodes("0", MEMKIND_NODES_BIND, &kinds[4]));
    CHECK_NOT_NULL(config);
    memkind_config_set_size(config, LIMIT);
    memkind_config_set_options(config, next(state) % 2 ? MEMKIND_OPTION_POPULATE : MEMKIND_OPTION_WIPE);
    CHECK_INT(0, memkind_create_with_config(config, &kinds[5]));
    memkind_config_delete(config);
    n_kinds += N_KINDS - 2;
}

/* The child has its parent's blocks, and kinds that work. */
static void fork_once(void)
{
    const pid_t pid = fork();

    if (pid < 0) {
        CHECK(errno == EAGAIN || errno == ENOMEM);
        return;
    }
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(120);
        for (size_t i = 0; i < 2; i++) {
            char *block = memkind_malloc(kinds[i], 1000);
            CHECK(block != NULL || errno == ENOMEM);
            memkind_free(NULL, block);
        }
        _exit(0);
    }
    CHECK_INT(0, child_wait(pid));
    n_forks++;
}

/* No more addresses or descriptors than there are, for a moment. */
static void limit(int resource, rlim_t bound)
{
    struct rlimit before, now;

    CHECK_INT(0, getrlimit(resource, &before));
    now = (struct rlimit){bound, before.rlim_max};
    CHECK_INT(0, setrlimit(resource, &now));
    usleep(20000);
    CHECK_INT(0, setrlimit(resource, &before));
}

static size_t n_descriptors(void)
{
    DIR *opened = opendir("/proc/self/fd");
    size_t n = 0;

    CHECK_NOT_NULL(opened);
    while (readdir(opened) != NULL) {
        n++;
    }
    closedir(opened);
    return n;
}

static void disturb(uint64_t *state)
{
    struct memkind_config *config;

    usleep(10000);
    switch (next(state) % 8) {
    case 0:
        fork_once();
        break;
    case 1:
        limit(RLIMIT_AS, address_space() + next(state) % (4 * MIB));
        break;
    case 2:
        limit(RLIMIT_NOFILE, 3);
        break;
    case 3:
        CHECK_INT(0, memkind_trim(kinds[next(state) % N_KINDS]));
        break;
    case 4:
        config = memkind_config_new();
        memkind_config_delete(config);
        CHECK_INT(0, memkind_update_cached_stats());
        break;
    default:
        break;
    }
}

/* Bytes that a kind has taken. */
static size_t held(memkind_t kind)
{
    struct memkind_usage usage;

    CHECK_INT(0, memkind_get_usage(kind, &usage, sizeof(usage)));
    return usage.held;
}

/* What remains when all has been freed. */
struct rest {
    size_t resident, mapped, descriptors;
};

static struct rest run_round(uint64_t *state, double seconds)
{
    struct worker workers[N_THREADS];
    pthread_t threads[N_THREADS];
    const time_t end = time(NULL) + (time_t)seconds;

    make_kinds(state);
    stop = false;
    for (unsigned i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){i, next(state) | 1};
        CHECK_INT(0, pthread_create(&threads[i], NULL, work, &workers[i]));
    }
    while (time(NULL) < end) {
        disturb(state);
    }
    stop = true;
    for (unsigned i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    for (unsigned i = 0; i < N_KINDS; i++) {
        CHECK_INT(0, memkind_trim(kinds[i]));
    }
    /* The fixed area is never given back, and neither is memory that is populated in advance. */
    const size_t kept = held(kinds[3]) + held(kinds[5]);
    if (resident_memory() > 2 * alive + kept + SPARE) {
        FAIL("%zu bytes in memory for blocks of %zu, with %zu that are kept", resident_memory(), (size_t)alive, kept);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        for (unsigned j = 0; j < N_BLOCKS; j++) {
            if (blocks[i][j].address != NULL) {
                check_block(&blocks[i][j]);
                alive -= blocks[i][j].size;
                /* Some go with their kind. */
                memkind_t kind = memkind_detect_kind(blocks[i][j].address);
                if (kind == kinds[0] || kind == kinds[1] || j % 2 == 0) {
                    memkind_free(kind, blocks[i][j].address);
                }
                blocks[i][j].address = NULL;
            }
        }
    }
    CHECK_INT(0, alive);
    for (unsigned i = 2; i < N_KINDS; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    madvise(area, LIMIT, MADV_DONTNEED);
    CHECK_INT(0, memkind_trim(kinds[0]));
    CHECK_INT(0, memkind_trim(kinds[1]));
    n_rounds++;
    return (struct rest){resident_memory(), address_space(), n_descriptors()};
}

int main(int argc, char **argv)
{
    const struct sigaction interrupt = {.sa_handler = on_signal};
    const struct itimerval often = {{0, 3000}, {0, 3000}};
    struct rest rest, usual = {0, 0, 0};
    uint64_t state;

    if (argc != 3) {
        fprintf(stderr, "usage: soak SECONDS SEED\n");
        return 2;
    }
    const double seconds = atof(argv[1]);
    const time_t end = time(NULL) + (time_t)seconds;
    state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u | 1;
    area = map_area(LIMIT);
    CHECK_INT(0, sigaction(SIGALRM, &interrupt, NULL));
    CHECK_INT(0, setitimer(ITIMER_REAL, &often, NULL));
    do {
        rest = run_round(&state, seconds < 20 ? seconds / 4 : 5);
        if (n_rounds == 2) {
            usual = rest;
        }
        if (n_rounds > 2 && (rest.resident > usual.resident + SLACK || rest.mapped > usual.mapped + MAPPED ||
                             rest.descriptors > usual.descriptors)) {
            FAIL("round %lu: %zu bytes in memory, %zu mapped, %zu descriptors; after the second round %zu, %zu, %zu",
                 n_rounds, rest.resident, rest.mapped, rest.descriptors, usual.resident, usual.mapped, usual.descriptors);
        }
    } while (time(NULL) < end || n_rounds < 3);
    printf("%lu rounds, %lu operations, %lu refused, %lu kinds, %lu forks, %lu signals\n", n_rounds,
           (unsigned long)n_operations, (unsigned long)n_refused, n_kinds, n_forks, (unsigned long)n_signals);
    return n_operations > 0 && n_forks > 0 ? 0 : 1;
}
