/* SPDX-License-Identifier: BSD-2-Clause */
/* A server as Larson and Krishnan describe it: each thread replaces blocks of its table at random, then
 * leaves the table to a new thread and ends, so that blocks are freed by other threads than those that
 * made them. usage: larson ROUNDS */
#include "workload.h"

enum { THREADS = 2, BLOCKS = 1000, STEPS = 20000 };

typedef struct {
    uint64_t seed;
    unsigned char *block[BLOCKS];
    unsigned rounds;
} table;

static void *serve(void *argument)
{
    table *t = argument;
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned char **place = &t->block[random_below(&t->seed, BLOCKS)];
        const size_t size = 10 + random_below(&t->seed, 490);
        if (*place != NULL && **place != 0x5a) {
            fprintf(stderr, "a block was overwritten\n");
            exit(1);
        }
        free(*place);
        *place = need(malloc(size));
        (*place)[0] = 0x5a;
        (*place)[size - 1] = 0x5a;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static table tables[THREADS];
    const unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 1;

    for (unsigned i = 0; i < rounds; i++) {
        pthread_t threads[THREADS];
        for (unsigned j = 0; j < THREADS; j++) {
            tables[j].seed += j + 1;
            threads[j] = start_thread(serve, &tables[j]);
        }
        for (unsigned j = 0; j < THREADS; j++) {
            pthread_join(threads[j], NULL);
        }
    }
    puts("served");
    return 0;
}
