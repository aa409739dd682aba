/* SPDX-License-Identifier: BSD-2-Clause */
/* What kinds cost besides their blocks: making and destroying them, their first block, memory. The library
 * comes by LD_PRELOAD.
 *
 * usage: lifecycle create pmem|fixed          CPU us and KiB of one kind among 40, in the median
 *        lifecycle number pmem|fixed          how many can be had
 *        lifecycle many pmem|fixed KINDS      ns per malloc and free, each in the next one of KINDS kinds
 *        lifecycle first KIND                 CPU us and KiB of the first block of a kind
 *        lifecycle memory KIND OPERATIONS     KiB resident in the process after OPERATIONS, and live bytes
 *        lifecycle grow KIND MIB              grows a kind to MIB in blocks of 1 KiB, touching all: for callgrind
 *        lifecycle refuse KIND TIMES [SIZE]   CPU us per request of SIZE, or 1 GiB, for which there is no more room:
 *                                             in blocks of 1 GiB and less all is taken, and nothing is touched
 *        lifecycle evict pmem|fixed N SIZE T  CPU us per block when T threads have filled a kind of 64 MiB and free
 *                                             their oldest blocks, of up to SIZE bytes, to make room; N for each;
 *                                             and the part of the kind, in percent, that they hold when refused
 * Prints lines "name value".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

enum { SOME = 40, MOST = 512 };

#define AREA ((size_t)64 << 20)

static int (*create_pmem)(const char *, size_t, void **);
static int (*create_fixed)(void *, size_t, void **);
static int (*destroy_kind)(void *);
static void *(*kind_malloc)(void *, size_t);
static void (*kind_free)(void *, void *);

void fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lifecycle: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}

uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static double cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Without stdio, which may allocate. Resident and all virtual memory, in KiB. */
static void memory(double *resident, double *virtual)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, text, sizeof(text) - 1);
    unsigned long all, present;
    close(fd);
    text[length < 0 ? 0 : length] = '\0';
    require(sscanf(text, "%lu %lu", &all, &present) == 2, "/proc/self/statm");
    *virtual = (double)all * 4;
    *resident = (double)present * 4;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

static int create(const char *type, void *area, void **kind)
{
    if (strcmp(type, "pmem") == 0) {
        const char *directory = getenv("BENCH_PMEM");
        return create_pmem(directory != NULL ? directory : "/dev/shm", AREA, kind);
    }
    return create_fixed(area, AREA, kind);
}

static char *area(size_t n)
{
    char *p = mmap(NULL, n * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(p != MAP_FAILED, "mmap of the areas");
    return p;
}

static void measure_create(const char *type)
{
    static double making[SOME], first[SOME], both[SOME], destroying[SOME];
    void *kinds[SOME], *blocks[SOME], *warm;
    double resident[3], virtual[3];
    char *areas = area(SOME + 1);

    /* What is once per process. */
    require(create(type, areas + SOME * AREA, &warm) == 0, "create");
    touched(kind_malloc(warm, 64));
    memory(&resident[0], &virtual[0]);
    for (size_t i = 0; i < SOME; i++) {
        double start = cpu_us();
        require(create(type, areas + i * AREA, &kinds[i]) == 0, "create");
        making[i] = cpu_us() - start;
    }
    memory(&resident[1], &virtual[1]);
    for (size_t i = 0; i < SOME; i++) {
        double start = cpu_us();
        blocks[i] = touched(kind_malloc(kinds[i], 64));
        first[i] = cpu_us() - start;
        both[i] = making[i] + first[i];
    }
    memory(&resident[2], &virtual[2]);
    for (size_t i = 0; i < SOME; i++) {
        kind_free(kinds[i], blocks[i]);
        double start = cpu_us();
        require(destroy_kind(kinds[i]) == 0, "destroy");
        destroying[i] = cpu_us() - start;
    }
    printf("create %.3f\nfirst %.3f\ncreate+first %.3f\ndestroy %.3f\n", median(making, SOME), median(first, SOME),
           median(both, SOME), median(destroying, SOME));
    printf("rss %.1f\nvirt %.1f\nrss-used %.1f\nvirt-used %.1f\n", (resident[1] - resident[0]) / SOME,
           (virtual[1] - virtual[0]) / SOME, (resident[2] - resident[0]) / SOME, (virtual[2] - virtual[0]) / SOME);
}

static void measure_number(const char *type)
{
    char *areas = area(MOST);
    void *kind;
    unsigned n = 0;
    while (n < MOST && create(type, areas + n * AREA, &kind) == 0) {
        n++;
    }
    printf("number %u\n", n);
}

static void measure_many(const char *type, size_t n)
{
    void *kinds[MOST];
    char *areas = area(n);
    require(n >= 1 && n <= MOST, "number of kinds");
    for (size_t i = 0; i < n; i++) {
        require(create(type, areas + i * AREA, &kinds[i]) == 0, "create");
        kind_free(kinds[i], touched(kind_malloc(kinds[i], 64)));
    }
    static double took[5];
    for (unsigned again = 0; again < 5; again++) {
        double start = cpu_us();
        for (unsigned i = 0, k = 0; i < 200000; i++) {
            kind_free(kinds[k], touched(kind_malloc(kinds[k], 64)));
            k = k + 1 == n ? 0 : k + 1;
        }
        took[again] = (cpu_us() - start) / 200000 * 1000;
    }
    printf("pair %.2f\n", median(took, 5));
}

/* One block; or many operations on 20000 live blocks of up to 2 KiB. */
static void measure_memory(const char *name, unsigned long operations)
{
    enum { LIVE = 20000 };
    double before[2], after[2], start, took;
    struct target t = {0};
    char **live = (char **)area(1);
    uint64_t random = 5, bytes = 0;
    static unsigned short sizes[LIVE];

    memset(live, 0, LIVE * sizeof(*live));
    if (operations == 0) {
        t = make_target(name);
        memory(&before[0], &before[1]);
        start = cpu_us();
        touched(kind_malloc(t.kind, 64));
        took = cpu_us() - start;
        memory(&after[0], &after[1]);
        printf("first %.3f\nrss %.1f\nvirt %.1f\n", took, after[0] - before[0], after[1] - before[1]);
        return;
    }
    t = make_target(name);
    for (unsigned long i = 0; i < operations; i++) {
        uint32_t r = next_random(&random);
        unsigned slot = r % LIVE;
        unsigned short size = (unsigned short)(1 + next_random(&random) % 2048);
        if (live[slot] != NULL) {
            kind_free(t.kind, live[slot]);
            bytes -= sizes[slot];
        }
        live[slot] = kind_malloc(t.kind, size);
        require(live[slot] != NULL, "malloc");
        memset(live[slot], 1, size);
        sizes[slot] = size;
        bytes += size;
    }
    memory(&after[0], &after[1]);
    printf("rss-mixed %.1f\nlive %.1f\n", after[0], (double)bytes / 1024);
    for (unsigned slot = 0; slot < LIVE; slot++) {
        kind_free(t.kind, live[slot]);
    }
    memory(&after[0], &after[1]);
    printf("rss-freed %.1f\n", after[0]);
}

static void measure_growth(const char *name, unsigned long mib)
{
    struct target t = make_target(name);
    for (unsigned long i = 0; i < mib * 1024; i++) {
        touched(kind_malloc(t.kind, 1024));
    }
}

static void measure_refusal(const char *name, unsigned long times, size_t size)
{
    struct target t = make_target(name);
    size_t granted = 0;
    for (size_t block = (size_t)1 << 30; block >= size; block /= 4) {
        while (kind_malloc(t.kind, block) != NULL) {
            granted += block;
            require(granted >> 30 < 4096, "a kind that refuses memory");
        }
    }
    unsigned long refused = 0;
    double start = cpu_us();
    for (unsigned long i = 0; i < times; i++) {
        refused += kind_malloc(t.kind, size) == NULL;
    }
    /* Others may give memory back meanwhile. */
    require(refused > times / 2, "refusal");
    printf("granted %zu\nrefusal %.1f\n", granted >> 20, (cpu_us() - start) / (double)times);
}

struct evicting {
    void *kind;
    unsigned long blocks;
    size_t most;
    uint64_t random;
    unsigned long refused;
    _Atomic size_t live;
    /* Bytes of all threads' live blocks, summed up over some refusals, while all are at work. */
    double held;
    unsigned long times;
};

enum { MOST_THREADS = 64 };

static struct evicting evicting[MOST_THREADS];
static unsigned evictors;
static atomic_bool some_done;

static void note_held(struct evicting *e)
{
    if (e->refused % 64 == 0 && !atomic_load_explicit(&some_done, memory_order_relaxed)) {
        for (unsigned i = 0; i < evictors; i++) {
            e->held += (double)atomic_load_explicit(&evicting[i].live, memory_order_relaxed);
        }
        e->times++;
    }
}

static void *evict(void *argument)
{
    struct evicting *e = argument;
    enum { RING = 1 << 20 };
    struct {
        void *block;
        size_t size;
    } *ring = calloc(RING, sizeof(*ring));
    unsigned long head = 0, tail = 0;
    size_t live = 0;
    require(ring != NULL, "memory for the list of blocks");
    for (unsigned long i = 0; i < e->blocks; i++) {
        size_t size = 1 + next_random(&e->random) % e->most;
        void *block;
        while ((block = kind_malloc(e->kind, size)) == NULL) {
            e->refused++;
            if (tail == head) {
                break;
            }
            note_held(e);
            live -= ring[tail % RING].size;
            kind_free(e->kind, ring[tail++ % RING].block);
        }
        if (block != NULL) {
            ring[head % RING].size = size;
            ring[head++ % RING].block = touched(block);
            live += size;
            require(head - tail < RING, "blocks of more than 64 bytes on average");
        }
        atomic_store_explicit(&e->live, live, memory_order_relaxed);
    }
    atomic_store(&some_done, true);
    while (tail < head) {
        kind_free(e->kind, ring[tail++ % RING].block);
    }
    free(ring);
    return NULL;
}

static void measure_evicting(const char *type, unsigned long blocks, size_t most, unsigned threads)
{
    pthread_t ids[MOST_THREADS];
    void *kind;
    unsigned long refused = 0, times = 0;
    double held = 0;
    require(threads >= 1 && threads <= MOST_THREADS && most > 0, "command line");
    require(create(type, area(1), &kind) == 0, "create");
    double start = cpu_us();
    evictors = threads;
    for (unsigned i = 0; i < threads; i++) {
        evicting[i] = (struct evicting){.kind = kind, .blocks = blocks, .most = most, .random = i};
    }
    for (unsigned i = 0; i < threads; i++) {
        require(pthread_create(&ids[i], NULL, evict, &evicting[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        refused += evicting[i].refused;
        held += evicting[i].held;
        times += evicting[i].times;
    }
    const double all = (double)blocks * threads;
    printf("block %.2f\nrefused %.2f\n", (cpu_us() - start) / all, (double)refused / all);
    if (times > 0) {
        printf("held %.1f\n", 100 * held / (double)times / (double)AREA);
    }
}

int main(int argc, char **argv)
{
    require(argc >= 3, "command line");
    create_pmem = dlsym(RTLD_DEFAULT, "memkind_create_pmem");
    create_fixed = dlsym(RTLD_DEFAULT, "memkind_create_fixed");
    destroy_kind = dlsym(RTLD_DEFAULT, "memkind_destroy_kind");
    kind_malloc = dlsym(RTLD_DEFAULT, "memkind_malloc");
    kind_free = dlsym(RTLD_DEFAULT, "memkind_free");
    require(create_pmem && create_fixed && destroy_kind && kind_malloc && kind_free, "LD_PRELOAD of libmemkind");
    unsigned long number = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    if (strcmp(argv[1], "create") == 0) {
        measure_create(argv[2]);
    } else if (strcmp(argv[1], "number") == 0) {
        measure_number(argv[2]);
    } else if (strcmp(argv[1], "many") == 0) {
        measure_many(argv[2], number);
    } else if (strcmp(argv[1], "grow") == 0) {
        measure_growth(argv[2], number);
    } else if (strcmp(argv[1], "refuse") == 0) {
        measure_refusal(argv[2], number, argc > 4 ? strtoul(argv[4], NULL, 10) : (size_t)1 << 30);
    } else if (strcmp(argv[1], "evict") == 0) {
        require(argc > 5, "command line");
        measure_evicting(argv[2], number, strtoul(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10));
    } else {
        measure_memory(argv[2], number);
    }
    fflush(stdout);
    _exit(0);
}
