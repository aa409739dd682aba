/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocating is no cancellation point: not the first use of a kind, which reads the topology, not growing, where the
 * nodes are asked for what they have left and blocks of a file are allocated, and not writing messages. A thread that
 * ended there would keep locks that the next one waits for. */
#include "output.h"

#include <pthread.h>

#define N_BLOCKS 32

static memkind_t kind;
static size_t size;
static bool came_back;

static void *allocate(void *cancelled)
{
    void *blocks[N_BLOCKS];

    came_back = false;
    if (cancelled != NULL) {
        CHECK_INT(0, pthread_cancel(pthread_self()));
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, size);
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
    came_back = true;
    pthread_testcancel();
    return NULL;
}

/* The second thread has the place of the first one, and its arena. */
static void check_thread(bool cancelled)
{
    pthread_t thread;
    void *result = NULL;

    CHECK_INT(0, pthread_create(&thread, NULL, allocate, cancelled ? &kind : NULL));
    CHECK_INT(0, pthread_join(thread, &result));
    CHECK(came_back);
    CHECK_PTR(cancelled ? PTHREAD_CANCELED : NULL, result);
}

static void use(void)
{
    static const size_t sizes[] = {1000, 64 * MIB};

    alarm(30);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        kind = MEMKIND_REGULAR;
        size = sizes[i];
        check_thread(true);
        check_thread(false);
    }
    kind = make_pmem(test_dir(), 0);
    size = 4 * MIB;
    check_thread(true);
    check_thread(false);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        use();
        return 0;
    }
    if (original()) {
        SKIP("the original reads files in its first malloc as well");
    }
    CHECK_OUTPUT(0, "", "use", NO_ENV);
    CHECK_INT(0, output_of("use", ENV("MEMKIND_DEBUG=1"))->status);
    return 0;
}
