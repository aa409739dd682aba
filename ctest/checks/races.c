/* SPDX-License-Identifier: BSD-2-Clause */
/* For ThreadSanitizer: `races KIND none`, threads that take, resize and free blocks of a kind and objects of a pool at a
 * time, so that each gets what another had; `races KIND race`, two threads that write to one block; `races KIND kinds`,
 * threads that make and destroy kinds. */
#include "../api/check.h"

#include <memkind_ext.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 3, BLOCKS = 200 };

static memkind_t kind;
static struct memkind_pool *pool;

static void *use(void *number)
{
    static __thread char *blocks[BLOCKS];
    static __thread char *objects[BLOCKS];
    unsigned seed = (unsigned)(size_t)number;

    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            const size_t size = 1 + (size_t)rand_r(&seed) % 3000;

            blocks[i] = i % 2 == 0 ? memkind_malloc(kind, size) : memkind_calloc(kind, 1, size);
            CHECK_NOT_NULL(blocks[i]);
            memset(blocks[i], 1, size);
            objects[i] = memkind_pool_get(pool);
            CHECK_NOT_NULL(objects[i]);
            memset(objects[i], 2, 100);
        }
        for (size_t i = 0; i < BLOCKS; i += 3) {
            blocks[i] = memkind_realloc(kind, blocks[i], 5000);
            CHECK_NOT_NULL(blocks[i]);
            blocks[i][4999] = 3;
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
            memkind_pool_put(pool, objects[i]);
        }
    }
    return NULL;
}

static void *make_kinds(void *number)
{
    static char areas[THREADS][MIB];
    memkind_t made;

    for (int round = 0; round < 20; round++) {
        if (round % 2 == 0) {
            CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &made));
        } else {
            CHECK_INT(0, memkind_create_fixed(areas[(size_t)number - 1], MIB, &made));
        }
        for (size_t size = 1; size < 100000; size *= 3) {
            memkind_free(made, memkind_calloc(made, 1, size));
        }
        CHECK_INT(0, memkind_update_cached_stats());
        CHECK_INT(0, memkind_destroy_kind(made));
    }
    return NULL;
}

static void *write_to(void *block)
{
    *(char *)block = 4;
    return NULL;
}

static void in_threads(void *(*work)(void *), void *argument, size_t count)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < count; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, work, argument != NULL ? argument : (void *)(i + 1)));
    }
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
}

int main(int argc, char **argv)
{
    CHECK_INT(3, argc);
    kind = strcmp(argv[1], "regular") == 0 ? MEMKIND_REGULAR : MEMKIND_DEFAULT;
    if (strcmp(argv[1], "pmem") == 0) {
        kind = make_pmem(test_dir(), 0);
    }
    CHECK_INT(0, memkind_pool_create(kind, 100, 0, 0, &pool));
    if (strcmp(argv[2], "kinds") == 0) {
        in_threads(make_kinds, NULL, THREADS);
        return 0;
    }
    in_threads(use, NULL, THREADS);
    in_threads(use, NULL, THREADS);
    if (strcmp(argv[2], "race") == 0) {
        char *block = memkind_malloc(kind, 100);

        CHECK_NOT_NULL(block);
        in_threads(write_to, block, 2);
        memkind_free(kind, block);
    }
    return 0;
}
