/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that do the same at the same time, and what they hand blocks over with. */
#include "team.h"

unsigned team_size = 2;

void *run_member(void *argument)
{
    struct member *m = argument;
    pthread_barrier_wait(m->barrier);
    m->body(m);
    return NULL;
}

uint64_t run_team(const struct target *t, body *body, size_t size, uint64_t n, void *shared)
{
    pthread_t ids[MOST_THREADS];
    struct member members[MOST_THREADS];
    pthread_barrier_t barrier;
    uint64_t each = n / team_size + 1;
    pthread_barrier_init(&barrier, NULL, team_size);
    for (unsigned i = 0; i < team_size; i++) {
        members[i] = (struct member){t, body, size, each, i, team_size, shared, &barrier};
        require(pthread_create(&ids[i], NULL, run_member, &members[i]) == 0, "pthread_create");
    }
    for (unsigned i = 0; i < team_size; i++) {
        pthread_join(ids[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
    return each * team_size;
}

static void *run_alone(void *argument)
{
    struct member *m = argument;
    m->body(m);
    return NULL;
}

void run_one(const struct target *t, body *body, size_t size)
{
    pthread_t id;
    struct member member = {t, body, size, 1, 0, 1, NULL, NULL};
    require(pthread_create(&id, NULL, run_alone, &member) == 0, "pthread_create");
    pthread_join(id, NULL);
}

void push(struct queue *queue, const struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->used == QUEUE) {
        pthread_cond_wait(&queue->less, &queue->lock);
    }
    queue->batches[(queue->first + queue->used++) % QUEUE] = *batch;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

void pop(struct queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->used == 0) {
        pthread_cond_wait(&queue->more, &queue->lock);
    }
    *batch = queue->batches[queue->first];
    queue->first = (queue->first + 1) % QUEUE;
    queue->used--;
    pthread_cond_signal(&queue->less);
    pthread_mutex_unlock(&queue->lock);
}

void exchange(struct queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->used < QUEUE) {
        queue->batches[(queue->first + queue->used++) % QUEUE] = *batch;
        memset(batch, 0, sizeof(*batch));
    } else {
        struct batch oldest = queue->batches[queue->first];
        queue->batches[queue->first] = *batch;
        queue->first = (queue->first + 1) % QUEUE;
        *batch = oldest;
    }
    pthread_mutex_unlock(&queue->lock);
}
