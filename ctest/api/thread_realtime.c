/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread of a real-time class that finds a lock held by one of no such class, on the same processor, lets that one
 * go on. One that only yields keeps the processor until the kernel takes it away, for most of a second each time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { TIMES = 600, LONGEST = 20 };

static volatile bool done;
static cpu_set_t one;

/* Holds the lock of all caches much of the time. */
static void *usual(void *unused)
{
    const struct timespec pause = {0, 50000};

    (void)unused;
    CHECK_INT(0, sched_setaffinity(0, sizeof(one), &one));
    while (!done) {
        CHECK_INT(0, memkind_update_cached_stats());
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void *real_time(void *unused)
{
    const struct sched_param priority = {.sched_priority = 1};
    const struct timespec pause = {0, 1000000};

    (void)unused;
    CHECK_INT(0, sched_setaffinity(0, sizeof(one), &one));
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) != 0) {
        SKIP("this process may have no real-time threads");
    }
    for (int i = 0; i < TIMES; i++) {
        nanosleep(&pause, NULL);
        CHECK_INT(0, memkind_update_cached_stats());
    }
    done = true;
    return NULL;
}

static time_t seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

int main(void)
{
    pthread_t threads[2];
    const time_t begun = seconds();
    cpu_set_t cpus;
    int cpu = 0;

    memkind_free(MEMKIND_DEFAULT, memkind_malloc(MEMKIND_DEFAULT, 100));
    CHECK_INT(0, sched_getaffinity(0, sizeof(cpus), &cpus));
    while (!CPU_ISSET(cpu, &cpus)) {
        cpu++;
    }
    CPU_SET(cpu, &one);
    CHECK_INT(0, pthread_create(&threads[0], NULL, usual, NULL));
    CHECK_INT(0, pthread_create(&threads[1], NULL, real_time, NULL));
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    CHECK(seconds() - begun < LONGEST);
    return 0;
}
