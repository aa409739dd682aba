/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool against a list of its objects: each is handed out once at a time, aligned, whole until it is put back;
 * many at a time are all or none; objects in use are counted; prepare and for_each see all of them. */
#include "ext.h"

enum { MOST = 3000 };

static void *objects[MOST];
static unsigned seeds[MOST];
static size_t size, alignment;

static int by_address(const void *a, const void *b)
{
    const char *left = *(char *const *)a, *right = *(char *const *)b;
    return left < right ? -1 : left > right;
}

/* All apart from each other. */
static void check_apart(size_t n)
{
    static char *sorted[MOST];

    memcpy(sorted, objects, n * sizeof(objects[0]));
    qsort(sorted, n, sizeof(sorted[0]), by_address);
    for (size_t i = 1; i < n; i++) {
        CHECK(sorted[i - 1] + size <= sorted[i]);
    }
}

static void add(size_t n, void *object, unsigned seed)
{
    CHECK_NOT_NULL(object);
    CHECK(aligned(object, alignment));
    objects[n] = object;
    seeds[n] = seed;
    fill(object, size, seed);
}

static void check_whole(size_t n)
{
    CHECK(holds(objects[n], size, seeds[n]));
}

static void count_one(void *context, void *object)
{
    CHECK(aligned(object, alignment));
    ++*(size_t *)context;
}

static void model(memkind_t kind, size_t limit)
{
    const size_t stride = (size + (alignment < 8 ? 8 : alignment) - 1) / (alignment < 8 ? 8 : alignment) * (alignment < 8 ? 8 : alignment);
    struct memkind_pool *pool = make_pool(kind, size, alignment, limit);
    size_t n = 0, visited = 0;
    unsigned state = (unsigned)size;
    const unsigned steps = size <= 100 ? 20000 : size <= 5000 ? 3000 : 400;

    for (unsigned step = 0; step < steps; step++) {
        const unsigned what = next_random(&state) % 100;

        if (what < 45 && n < MOST) {
            void *object = memkind_pool_get(pool);
            if (limit != 0 && n == limit) {
                CHECK_NULL(object);
                CHECK_INT(ENOMEM, errno);
            } else {
                add(n++, object, step);
            }
        } else if (what < 80 && n > 0) {
            const size_t which = next_random(&state) % n;
            check_whole(which);
            memkind_pool_put(pool, objects[which]);
            objects[which] = objects[--n];
            seeds[which] = seeds[n];
        } else if (what < 90) {
            void *many[100];
            const size_t how_many = next_random(&state) % 100;
            if (n + how_many <= MOST) {
                const size_t got = memkind_pool_get_many(pool, many, how_many);
                CHECK_INT(limit == 0 || n + how_many <= limit ? how_many : 0, got);
                for (size_t i = 0; i < got; i++) {
                    add(n++, many[i], step);
                }
            }
        } else if (what < 98) {
            size_t how_many = next_random(&state) % 100;
            void *many[101];
            how_many = how_many > n ? n : how_many;
            for (size_t i = 0; i < how_many; i++) {
                check_whole(--n);
                many[i] = objects[n];
            }
            if (what == 97) {
                many[how_many++] = NULL;
            }
            memkind_pool_put_many(pool, many, how_many);
        } else if (step % 10 == 0) {
            check_apart(n);
            CHECK_INT(n * stride, pool_usage(pool).in_use);
        }
    }
    for (size_t i = 0; i < n; i++) {
        check_whole(i);
    }
    check_apart(n);
    const size_t found = memkind_pool_for_each(pool, count_one, &visited);
    CHECK_INT(found, visited);
    CHECK(visited >= n);
    CHECK(limit == 0 || visited <= limit);
    CHECK_INT(limit * stride, pool_usage(pool).limit);
    CHECK(pool_usage(pool).held >= visited * stride);
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static void of_kind(memkind_t kind)
{
    static const struct { size_t size, alignment, limit; } cases[] = {
        {1, 1, 0}, {7, 1, 300}, {64, 64, 1000}, {100, 16, 0}, {1500, 64, 200}, {4096, 4096, 100}, {5000, 256, 17},
        {65536, 4096, 40}, {1 << 20, 2 << 20, 3}, {1 << 20, 1, 12},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size = cases[i].size;
        alignment = cases[i].alignment;
        /* Enough is touched in few steps of large ones. */
        if (size < 65536 || kind == MEMKIND_REGULAR) {
            model(kind, cases[i].limit);
        }
    }
}

int main(int argc, char *argv[])
{
    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(every_kind(1, of_kind));
        return 0;
    }
    of_kind(MEMKIND_REGULAR);
    of_kind(small_kind(64 * MIB));
    of_kind(make_pmem(test_dir(), 64 * MIB));
    return 0;
}
