/* SPDX-License-Identifier: BSD-2-Clause */
/* The number of kinds is limited, the failure leaves nothing behind, every kind below the limit works,
 * and a destroyed one makes room for another, also when many threads want it.
 * Difference: 1.14.0 runs out of arenas before (-22, and *kind is not NULL), unless it has few per kind;
 * ours has room for all of MEMKIND_MAX_KIND and says MEMKIND_ERROR_TOOMANY. */
#include "pmem.h"
#include "threads.h"

#include <sys/resource.h>

#define N_THREADS 50

static memkind_t kinds[MEMKIND_MAX_KIND + 1];
static int winners;
static memkind_t won;
static pthread_barrier_t start;

static void *race(void *expected)
{
    memkind_t kind = NULL;

    pthread_barrier_wait(&start);
    const int err = memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kind);
    if (err == 0) {
        __atomic_add_fetch(&winners, 1, __ATOMIC_RELAXED);
        won = kind;
    } else {
        CHECK_INT(*(int *)expected, err);
    }
    return NULL;
}

static void check_race(int expected)
{
    pthread_t threads[N_THREADS];

    CHECK_INT(0, pthread_barrier_init(&start, NULL, N_THREADS));
    start_threads(threads, N_THREADS, race, &expected, 0);
    join_threads(threads, N_THREADS);
    CHECK_INT(1, winners);
}

static void check_limit(bool few_arenas)
{
    const int n_dynamic = MEMKIND_MAX_KIND - (int)N_STATIC_KINDS;
    int count = 0, err;

    while ((err = memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kinds[count])) == 0) {
        CHECK_NOT_NULL(kinds[count]);
        CHECK(++count < MEMKIND_MAX_KIND);
    }
    if (!original() || few_arenas) {
        CHECK_INT(MEMKIND_ERROR_TOOMANY, err);
        CHECK_NULL(kinds[count]);
        CHECK(count >= n_dynamic);
    } else if (err != MEMKIND_ERROR_TOOMANY) {
        CHECK_INT(MEMKIND_ERROR_ARENAS_CREATE, err);
        CHECK_NOT_NULL(kinds[count]);
        CHECK(count < n_dynamic);
    }
    /* It stays so, and a failed creation leaves no descriptor: the next one is the same. */
    const int probe = dup(0);
    CHECK_INT(0, close(probe));
    for (int i = 0; i < 20; i++) {
        CHECK_INT(err, memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kinds[count]));
    }
    if (!original() || few_arenas) {
        CHECK_INT(probe, dup(0));
        CHECK_INT(0, close(probe));
    }

    for (int i = 0; i < count; i++) {
        void *block = memkind_malloc(kinds[i], 1000);
        CHECK_NOT_NULL(block);
        CHECK_PTR(kinds[i], memkind_detect_kind(block));
    }
    CHECK_INT(0, memkind_destroy_kind(kinds[count / 2]));
    check_race(err);
    kinds[count / 2] = won;
    for (int i = 0; i < count; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    kinds[0] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
}

int main(int argc, char **argv)
{
    static const char *const few_arenas[] = {"MEMKIND_ARENA_NUM_PER_KIND=4", NULL};
    static const char *const as_usual[] = {"MEMKIND_ARENA_NUM_PER_KIND", NULL};
    struct rlimit files;

    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = files.rlim_max;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &files));
    if (files.rlim_max < MEMKIND_MAX_KIND + 100) {
        SKIP("not enough file descriptors for all kinds");
    }
    if (argc == 1) {
        CHECK_CHILD(run_again("few", few_arenas));
        CHECK_CHILD(run_again("usual", as_usual));
        return 0;
    }
    check_limit(strcmp(argv[1], "few") == 0);
    return 0;
}
