/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread whose arena has no room for a size gets a page that another thread gives back to that arena, also if a
 * third one takes pages for another arena at that moment. */
#include "pmem.h"

#include <sched.h>
#include <stdatomic.h>

enum { SIZE = 64, PAGE = HEAP_PAGE, TAKEN = 40, GIVEN = 300, ROUNDS = GIVEN - 1 };

static memkind_t kind;
static void *taken[TAKEN], *given[GIVEN];
static atomic_int taker_does, giver_does, taker_done, giver_done;
static atomic_bool both;
static int delay, n_taken = TAKEN;

enum { NOTHING, FREE, GO };

static int await(atomic_int *what)
{
    int now;

    while ((now = atomic_exchange(what, NOTHING)) == NOTHING) {
        sched_yield();
    }
    return now;
}

/* The taker runs beside the other two, of which one waits. Where there is one CPU all is in turn. */
static void run_on(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void *take(void *argument)
{
    (void)argument;
    run_on(0);
    for (int i = 0; i < TAKEN; i++) {
        taken[i] = memkind_malloc(kind, PAGE);
        CHECK_NOT_NULL(taken[i]);
    }
    atomic_store(&taker_done, GO);
    for (;;) {
        const bool frees = await(&taker_does) == FREE;

        while (!frees && !atomic_load(&both)) {
        }
        for (int i = 0; i < n_taken; i++) {
            if (frees) {
                memkind_free(kind, taken[i]);
            } else if ((taken[i] = memkind_malloc(kind, PAGE)) == NULL) {
                n_taken = i;
            }
        }
        atomic_store(&taker_done, GO);
    }
    return NULL;
}

static void *give(void *argument)
{
    (void)argument;
    run_on(1);
    for (int i = 0; i < GIVEN; i++) {
        given[i] = memkind_malloc(kind, PAGE);
        CHECK_NOT_NULL(given[i]);
    }
    atomic_store(&giver_done, GO);
    for (int n = 0;; n++) {
        await(&giver_does);
        atomic_store(&both, true);
        for (volatile int i = 0; i < delay; i++) {
        }
        memkind_free(kind, given[n]);
        atomic_store(&giver_done, GO);
    }
    return NULL;
}

static void use_up(void)
{
    while (memkind_malloc(kind, SIZE) != NULL) {
    }
}

int main(void)
{
    pthread_t thread;
    void *page;
    int missed = 0, rounds = 0;

    if (original()) {
        SKIP("another thread's arena is not asked, so a kind may look full that is not");
    }
    run_on(1);
    /* A kind of 32 MiB has two arenas: one is ours and the giver's, the other the taker's. */
    kind = make_pmem(test_dir(), 32 * MIB);
    CHECK_NOT_NULL(memkind_malloc(kind, SIZE));
    page = memkind_malloc(kind, PAGE);
    CHECK_NOT_NULL(page);
    CHECK_INT(0, pthread_create(&thread, NULL, take, NULL));
    await(&taker_done);
    CHECK_INT(0, pthread_create(&thread, NULL, give, NULL));
    await(&giver_done);
    refuse_for_long(kind, SIZE, &page);
    for (int round = 0; round < ROUNDS; round++) {
        const int before = n_taken;
        static void *blocks[100000];
        int n = 0;

        use_up();
        atomic_store(&taker_does, FREE);
        await(&taker_done);
        /* Now and then the taker's arena is asked, too: not this time, then. */
        while ((blocks[n] = memkind_malloc(kind, SIZE)) != NULL) {
            n++;
        }
        for (int i = 0; i < n; i++) {
            memkind_free(kind, blocks[i]);
        }
        delay = round * 7919 % 3000;
        atomic_store(&both, n > 0);
        atomic_store(&taker_does, GO);
        if (n == 0) {
            atomic_store(&giver_does, GO);
            await(&giver_done);
        }
        await(&taker_done);
        /* If the taker is short of pages, it may have got this one. */
        if (n == 0 && n_taken == before) {
            rounds++;
            if (memkind_malloc(kind, SIZE) == NULL) {
                missed++;
                for (int i = 0; i < 1000 && memkind_malloc(kind, SIZE) == NULL; i++) {
                }
            }
        }
    }
    if (rounds == 0) {
        SKIP("the machine is too busy: nothing happened at one moment");
    }
    if (missed > 0) {
        FAIL("in %d of %d rounds a page was free and not given", missed, rounds);
    }
    return 0;
}
