/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls in other threads. */
#ifndef MEMKIND_CTEST_THREADS_H
#define MEMKIND_CTEST_THREADS_H

#include "check.h"

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>

/* Asks for stacks of `size` bytes, or of the fewest that a thread of this machine can have. */
static inline void set_stack(pthread_attr_t *attributes, size_t size)
{
    const size_t least = PTHREAD_STACK_MIN;

    CHECK_INT(0, pthread_attr_setstacksize(attributes, size > least ? size : least));
}

/* Starts `count` threads that run `work`, each with the next element of `arguments`, whose size is
 * `element`; with an `element` of 0 all get `arguments` itself. */
static inline void start_threads(pthread_t *threads, size_t count, void *(*work)(void *), void *arguments,
                                 size_t element)
{
    for (size_t i = 0; i < count; i++) {
        void *argument = element == 0 ? arguments : (char *)arguments + i * element;

        CHECK_INT(0, pthread_create(&threads[i], NULL, work, argument));
    }
}

/* Waits for the ends of `count` threads. */
static inline void join_threads(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
}

/* Runs `work` in a thread of its own and waits for its end. */
static inline void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;

    start_threads(&thread, 1, work, argument, 0);
    join_threads(&thread, 1);
}

/* A thread that takes blocks, frees them when it is told, and lives on until it is told to end. */
struct holder {
    memkind_t kind;
    size_t size, count; /* Bytes of a block, and how many blocks. */
    sem_t its_turn, our_turn;
    pthread_t thread;
};

static inline void *hold_blocks(void *argument)
{
    struct holder *holder = argument;
    void **blocks = calloc(holder->count, sizeof(*blocks));

    CHECK_NOT_NULL(blocks);
    for (size_t i = 0; i < holder->count; i++) {
        blocks[i] = memkind_malloc(holder->kind, holder->size);
        CHECK_NOT_NULL(blocks[i]);
    }
    CHECK_INT(0, sem_post(&holder->our_turn));
    CHECK_INT(0, sem_wait(&holder->its_turn));
    for (size_t i = 0; i < holder->count; i++) {
        memkind_free(holder->kind, blocks[i]);
    }
    free(blocks);
    CHECK_INT(0, sem_post(&holder->our_turn));
    CHECK_INT(0, sem_wait(&holder->its_turn));
    return NULL;
}

/* Starts the thread; on return it has its `count` blocks of `size` bytes. */
static inline void start_holder(struct holder *holder, memkind_t kind, size_t size, size_t count)
{
    *holder = (struct holder){.kind = kind, .size = size, .count = count};
    CHECK_INT(0, sem_init(&holder->its_turn, 0, 0));
    CHECK_INT(0, sem_init(&holder->our_turn, 0, 0));
    CHECK_INT(0, pthread_create(&holder->thread, NULL, hold_blocks, holder));
    CHECK_INT(0, sem_wait(&holder->our_turn));
}

/* Lets the thread free its blocks; on return it has. */
static inline void let_holder_free(struct holder *holder)
{
    CHECK_INT(0, sem_post(&holder->its_turn));
    CHECK_INT(0, sem_wait(&holder->our_turn));
}

/* Ends the thread, which has freed its blocks. */
static inline void end_holder(struct holder *holder)
{
    CHECK_INT(0, sem_post(&holder->its_turn));
    CHECK_INT(0, pthread_join(holder->thread, NULL));
}

#endif
