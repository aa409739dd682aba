/* SPDX-License-Identifier: BSD-2-Clause */
/* Producers and consumers (after the test of Lever and Boreham): half of the threads make batches of
 * blocks, the others free them: no block is freed by the thread that made it. usage: xmalloc BATCHES */
#include "workload.h"

enum { PAIRS = 1, BATCH = 4096, WAITING = 16 };

typedef struct batch {
    struct batch *next;
    unsigned char *block[BATCH];
} batch;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    batch *first;
    unsigned length, batches;
    uint64_t seed;
} queue;

static void *produce(void *argument)
{
    queue *q = argument;
    for (unsigned i = 0; i < q->batches; i++) {
        batch *b = need(malloc(sizeof(batch)));
        for (unsigned j = 0; j < BATCH; j++) {
            b->block[j] = need(malloc(8 + random_below(&q->seed, 120)));
            b->block[j][0] = (unsigned char)j;
        }
        pthread_mutex_lock(&q->lock);
        while (q->length == WAITING) {
            pthread_cond_wait(&q->changed, &q->lock);
        }
        b->next = q->first;
        q->first = b;
        q->length++;
        pthread_cond_broadcast(&q->changed);
        pthread_mutex_unlock(&q->lock);
    }
    return NULL;
}

static void *consume(void *argument)
{
    queue *q = argument;
    for (unsigned i = 0; i < q->batches; i++) {
        pthread_mutex_lock(&q->lock);
        while (q->first == NULL) {
            pthread_cond_wait(&q->changed, &q->lock);
        }
        batch *b = q->first;
        q->first = b->next;
        q->length--;
        pthread_cond_broadcast(&q->changed);
        pthread_mutex_unlock(&q->lock);
        for (unsigned j = 0; j < BATCH; j++) {
            if (b->block[j][0] != (unsigned char)j) {
                fprintf(stderr, "a block was overwritten\n");
                exit(1);
            }
            free(b->block[j]);
        }
        free(b);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static queue queues[PAIRS];
    pthread_t threads[PAIRS][2];

    for (unsigned i = 0; i < PAIRS; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        pthread_cond_init(&queues[i].changed, NULL);
        queues[i].batches = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
        queues[i].seed = i;
        threads[i][0] = start_thread(produce, &queues[i]);
        threads[i][1] = start_thread(consume, &queues[i]);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        pthread_join(threads[i][0], NULL);
        pthread_join(threads[i][1], NULL);
    }
    puts("consumed");
    return 0;
}
