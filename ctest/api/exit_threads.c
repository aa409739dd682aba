/* SPDX-License-Identifier: BSD-2-Clause */
/* A program may end while its threads still use kinds. */
#include "check.h"

#include <pthread.h>
#include <time.h>

static memkind_t kinds[4];
static char area[16 * 1024 * 1024] __attribute__((aligned(4096)));

static void *allocate(void *argument)
{
    for (unsigned i = 0;; i++) {
        const memkind_t kind = kinds[i % 4];
        const size_t size = 16 + i * 977 % 300000;
        char *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        fill(block, 16, i);
        block = memkind_realloc(kind, block, size + 5000);
        CHECK_NOT_NULL(block);
        CHECK(holds(block, 16, i));
        memkind_free(i % 3 ? kind : NULL, block);
    }
    return argument;
}

static void body(void)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    pthread_t thread;

    kinds[0] = MEMKIND_DEFAULT;
    kinds[1] = MEMKIND_REGULAR;
    kinds[2] = make_pmem(test_dir(), 0);
    kinds[3] = make_fixed(area, sizeof(area));
    for (int i = 0; i < 4; i++) {
        CHECK_INT(0, pthread_create(&thread, NULL, allocate, NULL));
        CHECK_INT(0, pthread_detach(thread));
    }
    nanosleep(&pause, NULL);
    exit(0);
}

int main(void)
{
    if (original()) {
        SKIP("1.14.0 destroys its kinds at exit and crashes the threads");
    }
    for (int i = 0; i < 30; i++) {
        CHECK_INT(0, run_forked(body));
    }
    return 0;
}
