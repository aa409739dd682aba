/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks may be freed, with their kind or with NULL, by other threads and after the thread that
 * allocated them has exited. */
#include "threads.h"

#define N_THREADS 8
#define N_BLOCKS 500

struct work {
    memkind_t kind;
    unsigned seed;
    void *blocks[N_BLOCKS];
};

static size_t size_of(unsigned i)
{
    return 1 + i * 37 % 3000;
}

static void *allocate(void *argument)
{
    struct work *work = argument;

    for (unsigned i = 0; i < N_BLOCKS; i++) {
        work->blocks[i] = memkind_malloc(work->kind, size_of(i));
        CHECK_NOT_NULL(work->blocks[i]);
        fill(work->blocks[i], size_of(i), work->seed + i);
    }
    return NULL;
}

static void *release(void *argument)
{
    struct work *work = argument;

    for (unsigned i = 0; i < N_BLOCKS; i++) {
        CHECK(holds(work->blocks[i], size_of(i), work->seed + i));
        CHECK_PTR(work->kind, memkind_detect_kind(work->blocks[i]));
        memkind_free(i % 2 ? NULL : work->kind, work->blocks[i]);
    }
    return NULL;
}

static void in_threads(void *(*body)(void *), struct work *works, unsigned shift)
{
    pthread_t threads[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, body, &works[(i + shift) % N_THREADS]));
    }
    join_threads(threads, N_THREADS);
}

static void check(memkind_t kind)
{
    static struct work works[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        works[i].kind = kind;
        works[i].seed = i * 11;
    }
    for (unsigned round = 0; round < 4; round++) {
        in_threads(allocate, works, 0);
        if (round == 0) {
            for (unsigned i = 0; i < N_THREADS; i++) {
                release(&works[i]);
            }
        } else {
            in_threads(release, works, round);
        }
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
