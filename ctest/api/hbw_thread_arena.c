/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_thread_get_arena answers for a kind and spreads threads: with four threads for each CPU, no two
 * of them share an arena. In the original up to eight threads of one for each CPU do. */
#include "threads.h"

#define MOST 256

static int (*thread_get_arena)(memkind_t, unsigned *, size_t);
static unsigned arenas[MOST];
static pthread_barrier_t all_have_asked;

static void *ask(void *place)
{
    const unsigned unset = 1u << 31;
    unsigned again = unset;

    *(unsigned *)place = unset;
    CHECK_INT(0, thread_get_arena(MEMKIND_HBW, place, 100));
    CHECK(*(unsigned *)place != unset);
    CHECK_INT(0, thread_get_arena(MEMKIND_HBW, &again, 100));
    CHECK(again != unset);
    pthread_barrier_wait(&all_have_asked);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[MOST];
    void *symbol = dlsym(RTLD_DEFAULT, "memkind_thread_get_arena");

    (void)argv;
    CHECK_NOT_NULL(symbol);
    memcpy(&thread_get_arena, &symbol, sizeof(symbol));
    if (argc == 1) {
        return run_again("with node 0", node_0_for_all_kinds);
    }
    const int most_shared = original() ? 8 : 1;
    long count = sysconf(_SC_NPROCESSORS_ONLN) * (original() ? 1 : 4);
    count = count > MOST ? MOST : count;
    CHECK_INT(0, pthread_barrier_init(&all_have_asked, NULL, (unsigned)count));
    CHECK_NOT_NULL(memkind_malloc(MEMKIND_HBW, 100));
    start_threads(threads, (size_t)count, ask, arenas, sizeof(arenas[0]));
    join_threads(threads, (size_t)count);
    for (long i = 0; i < count; i++) {
        int same = 0;
        for (long j = 0; j < count; j++) {
            same += arenas[i] == arenas[j];
        }
        CHECK(same <= most_shared);
    }
    return 0;
}
