/* SPDX-License-Identifier: BSD-2-Clause */
/* The first allocation of a thread when RLIMIT_AS leaves nothing is NULL with ENOMEM, without a word, and
 * the thread goes on when there is room again. Difference: the original ends with SIGSEGV. */
#include "process.h"
#include "threads.h"

enum { THREADS = 4, ROUNDS = 2000 };

static memkind_t kind;
static pthread_barrier_t full, roomy;

/* Its own size first: what another thread has been given does not help. */
static void *thread(void *argument)
{
    const size_t size = *(const size_t *)argument;

    pthread_barrier_wait(&full);
    errno = 0;
    void *block = memkind_malloc(kind, size);
    if (block == NULL) {
        CHECK_INT(ENOMEM, errno);
    }
    void *large = memkind_malloc(kind, MIB);
    CHECK(large == NULL);
    memkind_free(kind, block);
    pthread_barrier_wait(&roomy);
    pthread_barrier_wait(&roomy);
    block = memkind_malloc(kind, size);
    CHECK_NOT_NULL(block);
    memset(block, 1, size);
    memkind_free(kind, block);
    return NULL;
}

static void use_up(void)
{
    static const size_t sizes[] = {MIB, 64 * KIB, 4 * KIB, 64};
    size_t n = 0;

    limit_address_space(address_space() + 64 * MIB);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        while (memkind_malloc(kind, sizes[i]) != NULL) {
            n++;
        }
    }
    CHECK(n > 30);
}

static void check_kind(void)
{
    static size_t sizes[THREADS] = {70000, 100, 8, 3000};
    pthread_t threads[THREADS];

    pthread_barrier_init(&full, NULL, THREADS + 1);
    pthread_barrier_init(&roomy, NULL, THREADS + 1);
    start_threads(threads, THREADS, thread, sizes, sizeof(sizes[0]));
    use_up();
    pthread_barrier_wait(&full);
    pthread_barrier_wait(&roomy);
    limit_address_space(RLIM_INFINITY);
    pthread_barrier_wait(&roomy);
    join_threads(threads, THREADS);
}

static void check_default(void)
{
    kind = MEMKIND_DEFAULT;
    check_kind();
}

static void check_regular(void)
{
    kind = MEMKIND_REGULAR;
    check_kind();
}

int main(void)
{
    if (original()) {
        SKIP("the original crashes here");
    }
    CHECK_CHILD(run_forked(check_default));
    CHECK_CHILD(run_forked(check_regular));
    return 0;
}
