/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child on pools of TBB. Of a process with one thread it goes on with them. Of a process whose
 * threads use them it allocates from jemalloc, since the locks of the pools may be held for good: its
 * parent's blocks can be read, resized and freed. On the original such a child hangs now and then. */
#include "tbb.h"
#include "threads.h"

#define N_BLOCKS 1000
#define N_FORKS 30
#define N_THREADS 3

static char *blocks[N_BLOCKS];
static bool stop;

static size_t size_of(size_t i)
{
    return i % 100 == 0 ? MIB : 1 + i * 7;
}

static void check_child(size_t usable_5000)
{
    for (size_t i = 0; i < N_BLOCKS; i++) {
        CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(blocks[i]));
        CHECK(holds(blocks[i], size_of(i), (unsigned)i));
        if (i % 2 == 0) {
            const size_t size = i % 4 == 0 ? size_of(i) + 10000 : size_of(i) / 4 + 1;
            blocks[i] = memkind_realloc(i % 8 == 0 ? NULL : MEMKIND_REGULAR, blocks[i], size);
            CHECK_NOT_NULL(blocks[i]);
            CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(blocks[i]));
            CHECK(memkind_malloc_usable_size(NULL, blocks[i]) >= size);
            CHECK(holds(blocks[i], size < size_of(i) ? size : size_of(i), (unsigned)i));
        }
        memkind_free(i % 3 == 0 ? NULL : MEMKIND_REGULAR, blocks[i]);
    }
    void *const block = memkind_malloc(MEMKIND_REGULAR, 5000);
    CHECK_NOT_NULL(block);
    CHECK_INT(usable_5000, memkind_malloc_usable_size(MEMKIND_REGULAR, block));
    memkind_free(NULL, block);
}

static void fork_and_check(size_t usable_5000)
{
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(30);
        check_child(usable_5000);
        _exit(0);
    }
    CHECK_INT(0, child_wait(pid));
}

static void *allocate(void *argument)
{
    void *mine[50] = {argument};

    for (size_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        void **const place = &mine[i % 50];
        if (i >= 50) {
            memkind_free(MEMKIND_REGULAR, *place);
        }
        *place = memkind_malloc(MEMKIND_REGULAR, i % 10 == 0 ? 300 * KIB : i % 9000 + 1);
        CHECK_NOT_NULL(*place);
    }
    return NULL;
}

static int use(void)
{
    pthread_t threads[N_THREADS];

    skip_first_block(MEMKIND_REGULAR);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(MEMKIND_REGULAR, size_of(i));
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], size_of(i), (unsigned)i);
    }
    fork_and_check(TBB_5000);
    if (original()) {
        return 0;
    }
    start_threads(threads, N_THREADS, allocate, NULL, 0);
    for (int i = 0; i < N_FORKS; i++) {
        fork_and_check(JEMALLOC_5000);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    join_threads(threads, N_THREADS);
    void *const block = memkind_malloc(MEMKIND_REGULAR, 5000);
    CHECK_INT(TBB_5000, memkind_malloc_usable_size(NULL, block));
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    return use_on_tbb(argc, use);
}
