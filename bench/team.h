/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMKIND_BENCH_TEAM_H
#define MEMKIND_BENCH_TEAM_H

#include <pthread.h>
#include <string.h>

#include "worker.h"

enum { MOST_THREADS = 64, LARSON_BLOCKS = 1000, BATCH = 64, QUEUE = 16 };

struct member;
typedef void body(struct member *);

/* A thread of a team, and its share of the work. */
struct member {
    const struct target *target;
    body *body;
    size_t size;
    uint64_t n;
    unsigned index, team;
    void *shared;
    pthread_barrier_t *barrier;
};

extern unsigned team_size;

/* Runs `body` in team_size threads, n operations together; returns how many they really are. */
uint64_t run_team(const struct target *t, body *body, size_t size, uint64_t n, void *shared);

/* Runs `body` in a thread of its own. */
void run_one(const struct target *t, body *body, size_t size);

/* Blocks on their way from thread to thread. No thread spins: waiting costs no CPU time. */
struct batch {
    void *blocks[BATCH];
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t more, less;
    unsigned first, used;
    struct batch batches[QUEUE];
};

/* Waits for room, or for a batch. */
void push(struct queue *queue, const struct batch *batch);
void pop(struct queue *queue, struct batch *batch);
/* Never waits: gives the batch, and gets the oldest one if the queue is full, else NULLs. */
void exchange(struct queue *queue, struct batch *batch);

#endif
