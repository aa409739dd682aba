/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread takes over what the caches of the last one that has ended hold: a program that starts a thread for each
 * task does not fill and empty caches each time. What no thread takes over goes back like all that is unused. jemalloc
 * is told to wait one second instead of ten. */
#include "output.h"
#include "process.h"
#include "threads.h"

#include <time.h>

enum { BLOCKS = 20, ROUNDS = 20, LARGE = 3, SECONDS = 30 };

static void *freed[BLOCKS], *taken[BLOCKS];

/* Uses a size so often that the thread caches it; then frees blocks in an order that no heap has by itself. */
static void *first(void *unused)
{
    unsigned seed = 1;

    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            const size_t place = (size_t)rand_r(&seed) % (i + 1);

            freed[i] = freed[place];
            freed[place] = memkind_malloc(MEMKIND_REGULAR, 208);
            CHECK_NOT_NULL(freed[place]);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            memkind_free(MEMKIND_REGULAR, freed[i]);
        }
    }
    return unused;
}

static void *second(void *unused)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        taken[i] = memkind_malloc(MEMKIND_REGULAR, 208);
        CHECK_NOT_NULL(taken[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        memkind_free(MEMKIND_REGULAR, taken[i]);
    }
    return unused;
}

/* Whether a thread gets what the one before it has freed, the last one first. */
static bool takes_over(void)
{
    in_thread(first, NULL);
    in_thread(second, NULL);
    for (size_t i = 0; i < BLOCKS; i++) {
        if (taken[i] != freed[BLOCKS - 1 - i]) {
            return false;
        }
    }
    return true;
}

static void *leave_large_ones(void *unused)
{
    void *blocks[LARGE];

    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < LARGE; i++) {
            blocks[i] = memkind_malloc(MEMKIND_REGULAR, 4 * MIB);
            CHECK_NOT_NULL(blocks[i]);
            memset(blocks[i], 1, 4 * MIB);
        }
        for (size_t i = 0; i < LARGE; i++) {
            memkind_free(MEMKIND_REGULAR, blocks[i]);
        }
    }
    return unused;
}

static int child(void)
{
    const struct timespec pause = {0, 20000000};
    const time_t end = time(NULL) + SECONDS;
    int rounds = 0;

    memkind_free(MEMKIND_REGULAR, memkind_malloc(MEMKIND_REGULAR, 100));
    /* Once a second what is unused goes back: that may come in between. */
    while (!takes_over()) {
        if (++rounds == 20) {
            FAIL("no thread has taken over what another one has left");
        }
    }
    const size_t before = resident_memory();

    in_thread(leave_large_ones, NULL);
    while (resident_memory() > before + 2 * MIB) {
        if (time(NULL) > end) {
            FAIL("%zu KiB are left of a thread that has ended", (resident_memory() - before) / KIB);
        }
        nanosleep(&pause, NULL);
        memkind_free(MEMKIND_REGULAR, memkind_malloc(MEMKIND_REGULAR, 100));
    }
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        return child();
    }
    if (original()) {
        SKIP("its threads leave nothing to each other");
    }
    CHECK_CHILD(run_again("child", ENV("MEMKIND_HOG_MEMORY", "JEMK_MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0")));
    return 0;
}
