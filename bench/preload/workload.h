/* SPDX-License-Identifier: BSD-2-Clause */
/* What the workloads for preloaded allocators share. They use malloc and free alone, so that any
 * allocator can be put under them, and end with 1 when what they compute is wrong. */
#ifndef BENCH_PRELOAD_WORKLOAD_H
#define BENCH_PRELOAD_WORKLOAD_H

#define _GNU_SOURCE

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *need(void *block)
{
    if (block == NULL) {
        perror("malloc");
        exit(1);
    }
    return block;
}

/* The same numbers everywhere (splitmix64). */
static inline uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return (x ^ x >> 31) % limit;
}

static inline pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0) {
        perror("pthread_create");
        exit(1);
    }
    return thread;
}

#endif
