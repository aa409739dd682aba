/* SPDX-License-Identifier: BSD-2-Clause */
/* What the functions of pools answer to what they should not be given; what is a pool's is no block. */
#include "ext.h"

static void visit_nothing(void *context, void *object)
{
    (void)context;
    (void)object;
}

static void no_blocks(memkind_t kind)
{
    struct memkind_pool *pool = make_pool(kind, 1000, 0, 0);
    struct memkind_pool *few = make_pool(kind, 100, 0, 10);
    unsigned char *object = memkind_pool_get(pool), *one = memkind_pool_get(few);

    CHECK_NOT_NULL(object);
    CHECK_NOT_NULL(one);
    fill(object, 1000, 1);
    fill(one, 100, 2);
    check_no_block(object, kind);
    check_no_block(object + 500, kind);
    check_no_block(one, kind);
    CHECK(holds(object, 1000, 1));
    CHECK(holds(one, 100, 2));
    memkind_pool_put(pool, object);
    CHECK_PTR(object, memkind_pool_get(pool));
    CHECK_INT(0, memkind_pool_destroy(pool));
    CHECK_INT(0, memkind_pool_destroy(few));
    for (size_t size = 16; size <= 4 * MIB; size *= 2) {
        void *block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        CHECK(memkind_malloc_usable_size(kind, block) >= size);
        memkind_free(NULL, block);
    }
}

int main(int argc, char *argv[])
{
    static const size_t bad_alignments[] = {3, 24, 4 * MIB, SIZE_MAX};
    struct memkind_pool *pool = NULL;
    struct memkind_usage usage;
    void *objects[4];
    int dummy;

    (void)argv;
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(NULL, 100, 0, 0, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create((memkind_t)&dummy, 100, 0, 0, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, 100, 0, 0, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, 0, 0, 0, &pool));
    for (size_t i = 0; i < sizeof(bad_alignments) / sizeof(bad_alignments[0]); i++) {
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, 100, bad_alignments[i], 0, &pool));
    }
    /* More bytes than there are addresses, and what would wrap. */
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, SIZE_MAX, 64, 0, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, SIZE_MAX, 1, 0, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, 64, 0, SIZE_MAX / 64 + 2, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, (size_t)1 << 47, 0, 0, &pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_create(MEMKIND_DEFAULT, MIB, 0, (size_t)1 << 40, &pool));
    CHECK_NULL(pool);

    /* NULL for a pool. */
    CHECK_INT(0, memkind_pool_destroy(NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_prepare(NULL, 1));
    CHECK_ALLOC_FAILS(EINVAL, memkind_pool_get(NULL));
    memkind_pool_put(NULL, &dummy);
    errno = 0;
    CHECK_INT(0, memkind_pool_get_many(NULL, objects, 4));
    CHECK_INT(EINVAL, errno);
    memkind_pool_put_many(NULL, objects, 4);
    errno = 0;
    CHECK_INT(0, memkind_pool_for_each(NULL, visit_nothing, NULL));
    CHECK_INT(EINVAL, errno);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_get_usage(NULL, &usage, sizeof(usage)));

    /* NULL for what is in it. */
    pool = make_pool(MEMKIND_DEFAULT, 100, 0, 4);
    memkind_pool_put(pool, NULL);
    errno = 0;
    CHECK_INT(0, memkind_pool_get_many(pool, NULL, 1));
    CHECK_INT(EINVAL, errno);
    memkind_pool_put_many(pool, NULL, 4);
    errno = 0;
    CHECK_INT(0, memkind_pool_for_each(pool, NULL, NULL));
    CHECK_INT(EINVAL, errno);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_get_usage(pool, NULL, sizeof(usage)));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_get_usage(pool, &usage, 0));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_prepare(pool, 5));
    CHECK_INT(0, memkind_pool_prepare(pool, 4));
    CHECK_INT(0, memkind_pool_prepare(pool, 0));
    CHECK_INT(4, memkind_pool_for_each(pool, visit_nothing, NULL));
    errno = 7;
    CHECK_INT(0, memkind_pool_get_many(pool, objects, 0));
    CHECK_INT(4, memkind_pool_get_many(pool, objects, 4));
    CHECK_INT(7, errno);
    errno = 0;
    CHECK_INT(0, memkind_pool_get_many(pool, objects, SIZE_MAX));
    CHECK_INT(ENOMEM, errno);

    /* A pool that is gone. */
    memkind_pool_put(pool, objects[0]);
    CHECK_INT(0, memkind_pool_destroy(pool));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_destroy(pool));
    CHECK_ALLOC_FAILS(EINVAL, memkind_pool_get(pool));
    memkind_pool_put(pool, objects[1]);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_prepare(pool, 1));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_pool_get_usage(pool, &usage, sizeof(usage)));
    CHECK_INT(0, memkind_pool_for_each(pool, visit_nothing, NULL));
    return every_kind(argc, no_blocks);
}
