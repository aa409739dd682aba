/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread frees at the very end, when destructors of other keys have been run for the last time,
 * leaves nothing of the thread behind. */
#include "process.h"
#include "threads.h"

enum { WARM = 50, THREADS = 2000 };

static pthread_key_t key;

/* The C library runs destructors again as long as they set values, but only so often. */
static void at_end(void *block)
{
    void *next = memkind_malloc(MEMKIND_DEFAULT, 1000);

    CHECK_NOT_NULL(next);
    memset(next, 1, 1000);
    memkind_free(MEMKIND_DEFAULT, block);
    CHECK_INT(0, pthread_setspecific(key, next));
    /* The last one is lost, but not more. */
}

static void *work(void *argument)
{
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    CHECK_NOT_NULL(block);
    CHECK_INT(0, pthread_setspecific(key, block));
    return argument;
}

static void run(int n_threads)
{
    for (int i = 0; i < n_threads; i++) {
        in_thread(work, NULL);
    }
}

int main(void)
{
    /* The library's own key comes first, and its destructor before this one. */
    memkind_free(MEMKIND_DEFAULT, memkind_malloc(MEMKIND_DEFAULT, 100));
    CHECK_INT(0, pthread_key_create(&key, at_end));
    run(WARM);
    const size_t before = address_space();
    run(THREADS);
    const size_t after = address_space();
    if (after > before + 16 * MIB) {
        FAIL("%zu KiB of addresses more for each thread", (after - before) / THREADS / KIB);
    }
    return 0;
}
