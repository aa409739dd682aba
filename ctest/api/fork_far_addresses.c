/* SPDX-License-Identifier: BSD-2-Clause */
/* A process forks while other threads use addresses that are each a GiB from all others: jemalloc makes a leaf of its
 * tree of extents for each, under a lock that it does not hold over a fork by itself. A child needs that lock too. */
#include "process.h"
#include "threads.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { THREADS = 2, FORKS = 300, MOST = 4096 };

static const uintptr_t addresses = (uintptr_t)1 << 44;
static atomic_size_t used;
static atomic_bool is_over;

/* Uses an area in a GiB that has not been used; false if there is none. */
static bool use_another(void)
{
    const size_t number = used++;
    memkind_t kind;

    if (number >= MOST) {
        return false;
    }
    char *wanted = (char *)(addresses + number * 1024 * MIB);
    char *area = mmap(wanted, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(area != MAP_FAILED);
    CHECK_INT(0, memkind_create_fixed(area, MIB, &kind));
    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, munmap(area, MIB));
    return true;
}

static void *use_all(void *unused)
{
    while (!is_over && use_another()) {
    }
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];

    if (original()) {
        SKIP("jemalloc's lock is held in a child for ever, at times");
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, use_all, NULL));
    }
    for (int i = 0; i < FORKS && used < MOST; i++) {
        const pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            alarm(30);
            use_another();
            _exit(0);
        }
        CHECK_INT(0, child_wait(child));
    }
    is_over = true;
    join_threads(threads, THREADS);
    return 0;
}
