/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that were not registered pass objects to each other; no object has two owners, and at the end all are there,
 * in a pool with a limit that they reach all the time. What threads keep goes back when they end. */
#include "ext.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, COUNT = 100, STEPS = 60000, PLACES = 200 };

struct object {
    atomic_uint owner;
    unsigned copy;
};

static struct memkind_pool *pool;
static _Atomic(struct object *) places[PLACES];
static atomic_uint n_refused;

static void own(struct object *object, unsigned me)
{
    CHECK_INT(0, atomic_exchange(&object->owner, me));
    object->copy = me * 3;
}

static void disown(struct object *object, unsigned me)
{
    CHECK_INT(me * 3, object->copy);
    CHECK_INT(me, atomic_exchange(&object->owner, 0));
}

static void *work(void *argument)
{
    const unsigned me = (unsigned)(uintptr_t)argument;
    unsigned state = me;
    struct object *mine[64];
    unsigned n = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned what = next_random(&state) % 8;

        if (what < 3 && n < 64) {
            struct object *object = memkind_pool_get(pool);
            if (object == NULL) {
                CHECK_INT(ENOMEM, errno);
                atomic_fetch_add(&n_refused, 1);
            } else {
                own(object, me);
                mine[n++] = object;
            }
        } else if (what < 5 && n > 0) {
            disown(mine[--n], me);
            memkind_pool_put(pool, mine[n]);
        } else if (what == 5 && n <= 32) {
            const size_t got = memkind_pool_get_many(pool, (void **)mine + n, 32);
            CHECK(got == 0 || got == 32);
            for (size_t i = 0; i < got; i++) {
                own(mine[n++], me);
            }
        } else if (what == 6 && n >= 20) {
            for (int i = 0; i < 20; i++) {
                disown(mine[--n], me);
            }
            memkind_pool_put_many(pool, (void **)mine + n, 20);
        } else if (what == 7) {
            /* An object for another thread, or one of another's. */
            struct object *object = NULL;
            if (n > 0) {
                object = mine[--n];
                disown(object, me);
            }
            object = atomic_exchange(&places[next_random(&state) % PLACES], object);
            if (object != NULL) {
                own(object, me);
                mine[n++] = object;
            }
        }
    }
    while (n > 0) {
        disown(mine[--n], me);
        memkind_pool_put(pool, mine[n]);
    }
    return NULL;
}

static void clear(void *context, void *object)
{
    (void)context;
    memset(object, 0, sizeof(struct object));
}

static void run(unsigned count, unsigned (*more)(void))
{
    pthread_t threads[THREADS];
    void *all[COUNT + 1];

    pool = make_pool(MEMKIND_REGULAR, 100, 64, count);
    CHECK_INT(0, memkind_pool_prepare(pool, COUNT));
    CHECK(memkind_pool_for_each(pool, clear, NULL) >= COUNT);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, work, (void *)(i + 1)));
    }
    if (more != NULL) {
        more();
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    for (int i = 0; i < PLACES; i++) {
        memkind_pool_put(pool, atomic_exchange(&places[i], NULL));
    }
    CHECK_INT(0, pool_usage(pool).in_use);
    if (count != 0) {
        CHECK_INT(COUNT, memkind_pool_get_many(pool, all, COUNT));
        CHECK_INT(COUNT * 128, pool_usage(pool).in_use);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(pool));
        CHECK_INT(0, memkind_pool_get_many(pool, all, 1));
        CHECK_INT(0, memkind_pool_get_many(pool, all, COUNT + 1));
    }
    CHECK_INT(0, memkind_pool_destroy(pool));
}

/* The objects that a thread keeps are its own only until others need them. */
static void *keep(void *barrier)
{
    void *many[12];

    CHECK_INT(12, memkind_pool_get_many(pool, many, 12));
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    memkind_pool_put_many(pool, many, 12);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void limit_beside_caches(void)
{
    pthread_barrier_t barrier;
    pthread_t threads[THREADS];
    void *all[COUNT];

    pool = make_pool(MEMKIND_REGULAR, 4096, 0, COUNT);
    CHECK_INT(0, pthread_barrier_init(&barrier, NULL, THREADS + 1));
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, keep, &barrier));
    }
    pthread_barrier_wait(&barrier);
    CHECK_INT(THREADS * 12 * 4096, pool_usage(pool).in_use);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    CHECK_INT(0, pool_usage(pool).in_use);
    CHECK_INT(COUNT, memkind_pool_get_many(pool, all, COUNT));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(pool));
    CHECK_INT(1, pool_usage(pool).n_refused);
    memkind_pool_put_many(pool, all, COUNT);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static void *take_and_end(void *argument)
{
    void *many[50];

    (void)argument;
    CHECK_INT(50, memkind_pool_get_many(pool, many, 50));
    memkind_pool_put_many(pool, many, 50);
    return NULL;
}

/* Put back from the destructor of a key, which may run after the library's own. */
static pthread_key_t late;
static void put_late(void *object)
{
    static _Thread_local int round;

    if (round++ < 2) {
        pthread_setspecific(late, object);
    } else {
        memkind_pool_put(pool, object);
    }
}

static void *put_at_end(void *argument)
{
    (void)argument;
    pthread_setspecific(late, memkind_pool_get(pool));
    return NULL;
}

static void threads_that_end(void)
{
    pthread_t thread;
    void *all[60];

    /* 60 objects serve any number of threads one after the other. */
    pool = make_pool(MEMKIND_REGULAR, 300, 0, 60);
    CHECK_INT(0, pthread_key_create(&late, put_late));
    for (int i = 0; i < 400; i++) {
        CHECK_INT(0, pthread_create(&thread, NULL, i % 2 ? take_and_end : put_at_end, NULL));
        CHECK_INT(0, pthread_join(thread, NULL));
        CHECK_INT(0, pool_usage(pool).in_use);
    }
    CHECK_INT(60, memkind_pool_get_many(pool, all, 60));
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static void in_child(void)
{
    void *many[100];

    /* What threads that are gone had in their caches is lost to the child, or not. */
    for (int i = 0; i < 50; i++) {
        const size_t got = memkind_pool_get_many(pool, many, 100);
        CHECK(got == 100);
        memkind_pool_put_many(pool, many, 100);
    }
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static unsigned forks(void)
{
    for (int i = 0; i < 30; i++) {
        CHECK_INT(0, run_forked(in_child));
    }
    return 0;
}

int main(void)
{
    run(0, NULL);
    run(COUNT, NULL);
    CHECK(n_refused > 0);
    run(0, forks);
    limit_beside_caches();
    threads_that_end();
    return 0;
}
