/* SPDX-License-Identifier: BSD-2-Clause */
/* The child of a process whose threads allocate all the time can allocate from every available kind and
 * ends by itself through exit(); the parent goes on. Fifty times. */
#include "threads.h"

#include <signal.h>
#include <time.h>

#define N_THREADS 4
#define N_FORKS 50

static char area[64 * 1024 * 1024] __attribute__((aligned(4096)));
static memkind_t kinds[N_STATIC_KINDS + 2];
static size_t n_kinds;
static bool stop;

static void use_all_kinds(unsigned seed)
{
    static const size_t sizes[] = {16, 1000, 20 * KIB, 300 * KIB};

    for (size_t i = 0; i < n_kinds; i++) {
        char *blocks[4];
        for (size_t j = 0; j < 4; j++) {
            blocks[j] = memkind_malloc(kinds[i], sizes[j]);
            CHECK_NOT_NULL(blocks[j]);
            fill(blocks[j], 16, seed);
        }
        blocks[1] = memkind_realloc(kinds[i], blocks[1], 5000);
        CHECK_NOT_NULL(blocks[1]);
        for (size_t j = 0; j < 4; j++) {
            CHECK(holds(blocks[j], 16, seed));
            memkind_free(j % 2 ? kinds[i] : NULL, blocks[j]);
        }
    }
}

static void *allocate(void *argument)
{
    for (unsigned seed = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); seed++) {
        use_all_kinds(seed + (unsigned)(uintptr_t)argument);
    }
    return NULL;
}

static void child(void)
{
    for (unsigned i = 0; i < 20; i++) {
        use_all_kinds(i);
    }
    if (!original()) {
        memkind_t own = make_pmem(test_dir(), 0);
        CHECK_NOT_NULL(memkind_malloc(own, 5000));
        CHECK_INT(0, memkind_destroy_kind(own));
    }
    exit(0);
}

/* A child that hangs must not hang the test. */
static void wait_for(pid_t pid)
{
    const struct timespec pause = {0, 2 * 1000 * 1000};
    int status = 0;

    for (int i = 0; i < 10000; i++) {
        const pid_t got = waitpid(pid, &status, WNOHANG);
        CHECK(got >= 0);
        if (got == pid) {
            CHECK_INT(0, status);
            return;
        }
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    FAIL("the child hangs");
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS];

    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(run_again("threads", node_0_for_all_kinds));
        return 0;
    }
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        if (strstr(static_kinds[i].name, "tlb") == NULL && memkind_check_available(*static_kinds[i].kind) == 0) {
            kinds[n_kinds++] = *static_kinds[i].kind;
        }
    }
    CHECK(n_kinds > 3);
    if (original()) {
        use_all_kinds(0); /* A lock for the first use of a kind may be held at the fork, and stays so. */
    } else {
        kinds[n_kinds++] = make_pmem(test_dir(), 0);
        kinds[n_kinds++] = make_fixed(area, sizeof(area));
    }
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, allocate, (void *)(i * 100)));
    }
    for (int i = 0; i < N_FORKS; i++) {
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child();
        }
        wait_for(pid);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    join_threads(threads, N_THREADS);
    return 0;
}
