/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs operations on one target: an allocator that was loaded with the program (LD_PRELOAD), and for
 * memkind one of its kinds. bench.py starts one worker per target and lets them take turns.
 *
 * usage: worker TARGET                     take commands from standard input (see serve())
 *        worker TARGET once OP SIZE N...   each N twice as many times as it takes to warm up, for callgrind
 * TARGET: malloc | scalable | a kind of memkind: default regular hbw interleave pmem fixed
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <alloca.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "team.h"
#include "worker.h"

/* ---- What the kernels share. None of it comes from the allocator. ---- */

enum { LIVE = 1000, BUILD = 16000, ASKED = 256, GAPS = 4000, ARRAYS = 6, CHOICES = 8192 };

struct choice {
    uint16_t slot;     /* below LIVE */
    uint16_t fraction; /* of a size, in 65536ths */
};

static struct choice choice[CHOICES];
static uint16_t order_lifo[LIVE], order_fifo[LIVE], order_random[LIVE];
static void *scratch[BUILD];

void fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("worker: ", stderr);
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

static uint64_t now(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A kernel may say which part of it is measured; else all of it is. CPU time is that of all threads. */
static uint64_t clock_cpu, clock_wall, stopped_cpu, stopped_wall;

static void start_clock(void)
{
    clock_wall = now(CLOCK_MONOTONIC);
    clock_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
}

static void stop_clock(void)
{
    stopped_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    stopped_wall = now(CLOCK_MONOTONIC);
}

static void prepare_orders(void)
{
    uint64_t seed = 20240229;
    for (unsigned i = 0; i < LIVE; i++) {
        order_lifo[i] = (uint16_t)(LIVE - 1 - i);
        order_fifo[i] = order_random[i] = (uint16_t)i;
    }
    for (unsigned i = LIVE - 1; i > 0; i--) {
        unsigned j = next_random(&seed) % (i + 1);
        uint16_t other = order_random[j];
        order_random[j] = order_random[i];
        order_random[i] = other;
    }
    for (unsigned i = 0; i < CHOICES; i++) {
        choice[i].slot = (uint16_t)(next_random(&seed) % LIVE);
        choice[i].fraction = (uint16_t)next_random(&seed);
    }
}

/* ---- The kernels, for both ways to call. ---- */

#define WITH_KIND
#define FN(name) kind_##name
#define CALLS(t) const struct target *const calls = (t); void *const kind = (t)->kind
#define MALLOC(size) calls->kind_malloc(kind, size)
#define FREE(p) calls->kind_free(kind, p)
#define REALLOC(p, size) calls->kind_realloc(kind, p, size)
#define USABLE(p) calls->kind_usable(kind, p)
#define FREE_NULL(p) calls->kind_free(NULL, p)
#define USABLE_NULL(p) calls->kind_usable(NULL, p)
#define DETECT(p) calls->kind_detect(p)
#include "kernels.h"
#include "threads.h"
#undef WITH_KIND
#undef FN
#undef CALLS
#undef MALLOC
#undef FREE
#undef REALLOC
#undef USABLE

#define FN(name) plain_##name
#define CALLS(t) const struct target *const calls = (t)
#define MALLOC(size) calls->plain_malloc(size)
#define FREE(p) calls->plain_free(p)
#define REALLOC(p, size) calls->plain_realloc(p, size)
#define USABLE(p) calls->plain_usable(p)
#include "kernels.h"
#include "threads.h"

#define BOTH(name) {#name, kind_##name, plain_##name}
#define KIND_ONLY(name) {#name, kind_##name, NULL}

static const struct operation {
    const char *name;
    kernel *with_kind, *plain;
} operations[] = {
    BOTH(pair), BOTH(lifo), BOTH(fifo), BOTH(rand), BOTH(mixed), BOTH(mlifo), BOTH(build), BOTH(rgrow),
    BOTH(rgaps), BOTH(usable), BOTH(touch), BOTH(turns), BOTH(agrow), BOTH(mlarge), BOTH(simple), BOTH(pairs), BOTH(larson), BOTH(prodcons), BOTH(xmalloc),
    BOTH(cachescratch), BOTH(mstress), BOTH(rptest), BOTH(brief), BOTH(live),
    KIND_ONLY(fdet), KIND_ONLY(det), KIND_ONLY(unull),
};

static kernel *find_kernel(const struct target *t, const char *name)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, name) == 0) {
            return t->kind == NULL ? operations[i].plain : operations[i].with_kind;
        }
    }
    return NULL;
}

/* callgrind counts from the beginning of this function to its end: its name is in bench.py. */
__attribute__((noinline)) uint64_t measured(kernel *k, const struct target *t, size_t size, uint64_t n)
{
    uint64_t done = k(t, size, n);
    __asm__ volatile("" ::: "memory");
    return done;
}

/* ---- Commands ---- */

/* Somewhere else on the stack each time: what a call leaves there must not seem to be what the allocator reads
 * next, as it does to a processor that compares the lower bits of addresses. */
static uint64_t deeper(kernel *k, const struct target *t, size_t size, uint64_t n)
{
    static unsigned turn;
    const size_t step = 16, steps = 4096 / step;
    char *gap = alloca(step + step * (turn++ * 101 % steps));
    __asm__ volatile("" : : "r"(gap) : "memory");
    return measured(k, t, size, n);
}

static uint64_t timed(kernel *k, const struct target *t, size_t size, uint64_t n)
{
    stopped_cpu = 0;
    start_clock();
    uint64_t done = deeper(k, t, size, n);
    if (stopped_cpu == 0) {
        stop_clock();
    }
    return done;
}

/* The number of operations that take about `slice` ns: found by trying, not by extrapolation, as the first
 * operations of a call are dearer. What took long twice is believed. */
static uint64_t calibrate(kernel *k, const struct target *t, size_t size, uint64_t slice)
{
    timed(k, t, size, 1); /* The first use of a kind is not what is measured. */
    for (uint64_t n = 1;; n *= 2) {
        unsigned slow = 0;
        while (slow < 2) {
            timed(k, t, size, n);
            if ((stopped_cpu - clock_cpu) * 3 < slice * 2) {
                break;
            }
            slow++;
        }
        if (slow == 2 || n > UINT64_MAX / 4) {
            return n;
        }
    }
}

/* One command per line, one line of answer:
 *   calibrate OP SIZE NS   -> ok N
 *   run OP SIZE N          -> ok DONE CPU-NS WALL-NS
 * "no" if the target has no such operation. */
static void serve(const struct target *t)
{
    char line[256];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char verb[16], op[32];
        unsigned long long size, number;
        if (sscanf(line, "%15s %31s %llu %llu", verb, op, &size, &number) != 4) {
            fatal("what is %s", line);
        }
        kernel *k = find_kernel(t, op);
        if (k == NULL) {
            puts("no");
        } else if (strcmp(verb, "calibrate") == 0) {
            printf("ok %llu\n", (unsigned long long)calibrate(k, t, size, number));
        } else {
            uint64_t done = timed(k, t, size, number);
            printf("ok %llu %llu %llu\n", (unsigned long long)done, (unsigned long long)(stopped_cpu - clock_cpu),
                   (unsigned long long)(stopped_wall - clock_wall));
        }
        fflush(stdout);
    }
}

/* Warms up, then runs n and 2n operations: the difference of the two counts is n operations. */
static void once(const struct target *t, char **args)
{
    for (; args[0] != NULL && args[1] != NULL && args[2] != NULL; args += 3) {
        kernel *k = find_kernel(t, args[0]);
        size_t size = strtoull(args[1], NULL, 10);
        uint64_t n = strtoull(args[2], NULL, 10);
        if (k == NULL) {
            printf("%s %zu no\n", args[0], size);
            continue;
        }
        k(t, size, n);
        uint64_t first = measured(k, t, size, n);
        uint64_t second = measured(k, t, size, 2 * n);
        printf("%s %zu %llu\n", args[0], size, (unsigned long long)(second - first));
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fatal("no target");
    }
    prepare_orders();
    if (getenv("BENCH_THREADS") != NULL) {
        team_size = (unsigned)strtoul(getenv("BENCH_THREADS"), NULL, 10);
        require(team_size >= 1 && team_size <= MOST_THREADS, "BENCH_THREADS");
    }
    struct target target = make_target(argv[1]);
    if (argc > 2 && strcmp(argv[2], "once") == 0) {
        once(&target, argv + 3);
    } else {
        serve(&target);
    }
    fflush(stdout);
    /* Without the exit handlers of the libraries: what they cost is measured elsewhere. */
    _exit(0);
}
