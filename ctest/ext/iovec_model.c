/* SPDX-License-Identifier: BSD-2-Clause */
/* Vectors against a list of slices: contents of each stay until its last reference is gone, slices of one stream do
 * not lie on each other, -1 holds nothing, and at the end no buffer is in use. LOCAL and SHARED, in one thread; then 8
 * threads that pass SHARED ones. */
#include "ext.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MOST = 400, STEPS = 20000, BUFFER = 64 * 1024, THREADS = 8 };

struct slice {
    struct memkind_iovec iovec;
    unsigned seed; /* the data is `fill` with this, from `from` on */
    unsigned from;
};

static void fill_from(void *data, unsigned length, unsigned seed, unsigned from)
{
    for (unsigned i = 0; i < length; i++) {
        ((unsigned char *)data)[i] = (unsigned char)(seed + (i + from) * 7);
    }
}

static void check_slice(const struct slice *slice)
{
    const unsigned char *data = slice->iovec.data;
    for (unsigned i = 0; i < slice->iovec.length; i++) {
        CHECK_INT((unsigned char)(slice->seed + (i + slice->from) * 7), data[i]);
    }
}

static void model(struct memkind_pool *pool, unsigned seed)
{
    struct memkind_stream *stream;
    struct slice *slices = calloc(MOST + 8, sizeof(struct slice));
    unsigned n = 0, state = seed;

    CHECK_INT(0, memkind_stream_create(pool, &stream));
    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned what = next_random(&state) % 100;
        const unsigned one = n > 0 ? next_random(&state) % n : 0;

        if (what < 40 && n < MOST) {
            struct memkind_iovec iovecs[8];
            const unsigned alignment = next_random(&state) % 3 == 0 ? 1u << next_random(&state) % 14 : 0;
            unsigned length = next_random(&state) % 3000 + 1;
            unsigned total = 0;
            const bool reserve = what < 10;
            int got;

            if (what == 39) {
                length = next_random(&state) % (3 * BUFFER) + 1;
            }
            if (reserve) {
                got = memkind_iovec_reserve(stream, length, alignment, 8, iovecs);
            } else {
                got = memkind_iovec_alloc(stream, length, alignment, 8, what % 2, iovecs);
            }
            CHECK(got >= 1 && got <= 8);
            for (int i = 0; i < got; i++) {
                total += iovecs[i].length;
                CHECK(alignment == 0 || aligned(iovecs[i].data, alignment));
                CHECK(iovecs[i].length >= 1 && iovecs[i].length <= BUFFER);
            }
            CHECK_INT(length, total);
            if (reserve) {
                /* Less of it: the last one cut, or all of the last not used. */
                const unsigned less = next_random(&state) % iovecs[got - 1].length;
                iovecs[got - 1].length = got > 1 && what % 2 ? 0 : iovecs[got - 1].length - less;
                if (what == 0) {
                    memkind_iovecs_release(iovecs, got);
                    continue;
                }
                CHECK_INT(0, memkind_iovec_commit(stream, alignment, iovecs, got));
            }
            for (int i = 0; i < got; i++) {
                if (iovecs[i].data != NULL) {
                    memkind_iovec_move(&slices[n].iovec, &iovecs[i]);
                    CHECK_NULL(iovecs[i].data);
                    slices[n].seed = step;
                    slices[n].from = 0;
                    fill_from(slices[n].iovec.data, slices[n].iovec.length, step, 0);
                    n++;
                }
            }
        } else if (what < 55 && n > 0 && n < MOST) {
            slices[n] = slices[one];
            memkind_iovec_clone(&slices[n].iovec, &slices[one].iovec);
            n++;
        } else if (what < 70 && n > 0 && n < MOST) {
            const unsigned length = slices[one].iovec.length;
            const unsigned offset = next_random(&state) % (length + 1);
            slices[n] = slices[one];
            if (what < 65) {
                CHECK_INT(0, memkind_iovec_clone_segment(&slices[n].iovec, &slices[one].iovec, offset, (length - offset) / 2));
                slices[n++].from += offset;
            } else {
                CHECK_INT(0, memkind_iovec_move_segment(&slices[n].iovec, &slices[one].iovec, offset, length - offset));
                slices[n].from += offset;
                slices[one] = slices[n];
            }
        } else if (what == 70 && n > 0) {
            memkind_iovec_addref(&slices[one].iovec);
            struct memkind_iovec again = slices[one].iovec;
            memkind_iovec_release(&again);
            check_slice(&slices[one]);
        } else if (n > 0) {
            check_slice(&slices[one]);
            memkind_iovec_release(&slices[one].iovec);
            CHECK_NULL(slices[one].iovec.data);
            CHECK_INT(0, slices[one].iovec.length);
            slices[one] = slices[--n];
        }
    }
    /* The stream goes before its slices. */
    memkind_stream_destroy(stream);
    while (n > 0) {
        check_slice(&slices[--n]);
        memkind_iovec_release(&slices[n].iovec);
    }
    free(slices);
}

static struct memkind_pool *pool;
static struct memkind_iovec places[64];
static atomic_flag held[64];

static void *pass(void *argument)
{
    struct memkind_stream *stream;
    unsigned state = (unsigned)(uintptr_t)argument;

    CHECK_INT(0, memkind_stream_create(pool, &stream));
    for (unsigned step = 0; step < 30000; step++) {
        struct memkind_iovec mine, old;
        const unsigned place = next_random(&state) % 64;
        const unsigned length = next_random(&state) % 2000 + 8;
        int got = memkind_iovec_alloc(stream, length, 8, 1, MEMKIND_IOVEC_SHARED, &mine);

        CHECK_INT(1, got);
        memset(mine.data, (int)(length & 0xff), length);
        while (atomic_flag_test_and_set(&held[place])) {
        }
        memkind_iovec_move(&old, &places[place]);
        if (step % 2) {
            memkind_iovec_move(&places[place], &mine);
        } else {
            memkind_iovec_clone(&places[place], &mine);
        }
        atomic_flag_clear(&held[place]);
        memkind_iovec_release(&mine);
        for (unsigned i = 0; i < old.length; i++) {
            CHECK_INT(old.length & 0xff, ((unsigned char *)old.data)[i]);
        }
        memkind_iovec_release(&old);
    }
    memkind_stream_destroy(stream);
    return NULL;
}

/* Threads that never allocated release the last references. */
static void *release_only(void *argument)
{
    memkind_iovecs_release(argument, 64);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    pool = make_pool(MEMKIND_REGULAR, BUFFER, 1 << 14, 0);
    for (unsigned seed = 1; seed < 6; seed++) {
        model(pool, seed);
        CHECK_INT(0, pool_usage(pool).in_use);
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, pass, (void *)(i + 1)));
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_pool_destroy(pool));
    CHECK_INT(0, pthread_create(&threads[0], NULL, release_only, places));
    CHECK_INT(0, pthread_join(threads[0], NULL));
    CHECK_INT(0, pool_usage(pool).in_use);
    CHECK_INT(0, memkind_pool_destroy(pool));
    return 0;
}
