/* SPDX-License-Identifier: BSD-2-Clause */
/* A thousand threads that live at the same time use the hbw_* functions, and free each other's blocks. */
#include "threads.h"

#include <hbwmalloc.h>

#define N_THREADS 1000
#define N_ROUNDS 100

static pthread_barrier_t start;
static char *left_behind[N_THREADS];

static void *work(void *argument)
{
    const unsigned me = *(unsigned *)argument;

    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        const size_t size = 1 + (me + i * 13) % 2000;
        char *block = hbw_malloc(size);
        CHECK_NOT_NULL(block);
        fill(block, size, me);
        block = hbw_realloc(block, size + 100);
        CHECK_NOT_NULL(block);
        CHECK(holds(block, size, me));
        block = __atomic_exchange_n(&left_behind[(me + i) % N_THREADS], block, __ATOMIC_ACQ_REL);
        hbw_free(block);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_t threads[N_THREADS];
    static unsigned numbers[N_THREADS];
    pthread_attr_t small;

    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(run_again("with node 0", node_0_for_all_kinds));
    }
    CHECK_INT(0, pthread_attr_init(&small));
    set_stack(&small, 64 * KIB);
    CHECK_INT(0, pthread_barrier_init(&start, NULL, N_THREADS));
    for (unsigned i = 0; i < N_THREADS; i++) {
        numbers[i] = i;
        const int err = pthread_create(&threads[i], &small, work, &numbers[i]);
        if (err == EAGAIN) {
            SKIP("this machine does not allow %d threads", N_THREADS);
        }
        CHECK_INT(0, err);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        hbw_free(left_behind[i]);
    }
    return 0;
}
