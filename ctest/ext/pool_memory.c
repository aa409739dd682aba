/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pool takes from its kind: no more than its objects need, few bytes lost beside large ones; a kind that is
 * used up is ENOMEM and as before afterwards; 1024 pools; records that there is no memory for. */
#include "ext.h"

#include <sys/resource.h>

static size_t take_all(struct memkind_pool *pool)
{
    size_t n = 0;

    errno = 0;
    while (memkind_pool_get(pool) != NULL) {
        n++;
    }
    CHECK_INT(ENOMEM, errno);
    return n;
}

static void no_memory_at_all(void)
{
    struct memkind_pool *pool = make_pool(MEMKIND_REGULAR, 4096, 0, 0);
    struct memkind_pool *more = NULL;
    struct rlimit none = {16 * MIB, 16 * MIB};
    void *object = memkind_pool_get(pool);
    size_t n;
    int code = 0;

    CHECK_NOT_NULL(object);
    CHECK_INT(0, setrlimit(RLIMIT_AS, &none));
    n = take_all(pool);
    memkind_pool_put(pool, object);
    CHECK_PTR(object, memkind_pool_get(pool));
    CHECK_INT(ENOMEM, memkind_pool_prepare(pool, n + 100000));
    CHECK_INT(0, memkind_pool_prepare(pool, n));
    /* Records and caches of other pools. */
    for (int i = 0; i < 1023 && code == 0; i++) {
        code = memkind_pool_create(MEMKIND_REGULAR, 1 << 20, 0, 0, &more);
        CHECK(code == 0 || code == MEMKIND_ERROR_MALLOC);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(more));
    }
    CHECK_INT(0, memkind_pool_destroy(pool));
}

int main(void)
{
    static struct memkind_pool *pools[1025];
    memkind_t kind = small_kind(64 * MIB);
    struct memkind_pool *pool;
    void *all[64], *block;
    size_t first, n;

    /* As many bytes as the objects need, where there is a limit. */
    pool = make_pool(kind, 100, 0, 36);
    CHECK_INT(0, pool_usage(pool).held);
    CHECK_NOT_NULL(memkind_pool_get(pool));
    CHECK_INT(4096, pool_usage(pool).held);
    CHECK_INT(36 * 112, pool_usage(pool).limit);
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_destroy_kind(kind));
    CHECK_INT(0, memkind_pool_destroy(pool));

    /* Used up, with the same amount each time; blocks of the kind are not harmed. */
    block = memkind_malloc(kind, 1000);
    fill(block, 1000, 1);
    for (int round = 0; round < 3; round++) {
        pool = make_pool(kind, 4096, 0, 0);
        n = take_all(pool);
        first = round == 0 ? n : first;
        CHECK(n * 4096 > 40 * MIB);
        CHECK(n + n / 8 > first);
        CHECK_INT(n * 4096, pool_usage(pool).in_use);
        CHECK(pool_usage(pool).n_refused == 1);
        CHECK_INT(ENOMEM, memkind_pool_prepare(pool, n + 1000));
        CHECK_INT(0, memkind_pool_destroy(pool));
    }
    CHECK(holds(block, 1000, 1));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_destroy_kind(kind));

    /* 63 objects of 1 MiB at least in 64 MiB. */
    pool = make_pool(MEMKIND_REGULAR, MIB, 4096, 0);
    CHECK_INT(0, memkind_pool_prepare(pool, 64));
    CHECK_INT(64, memkind_pool_get_many(pool, all, 64));
    CHECK(pool_usage(pool).held <= 64 * MIB + 64 * MIB / 63);
    CHECK_INT(0, memkind_pool_destroy(pool));

    for (n = 0; n < 1024; n++) {
        pools[n] = make_pool(MEMKIND_DEFAULT, 100, 0, 0);
        CHECK_NOT_NULL(memkind_pool_get(pools[n]));
    }
    CHECK_INT(MEMKIND_ERROR_TOOMANY, memkind_pool_create(MEMKIND_DEFAULT, 100, 0, 0, &pools[1024]));
    CHECK_NULL(pools[1024]);
    for (n = 0; n < 1024; n++) {
        CHECK_INT(0, memkind_pool_destroy(pools[n]));
    }
    pool = make_pool(MEMKIND_DEFAULT, 100, 0, 0);
    CHECK_INT(0, memkind_pool_destroy(pool));

    if (memkind_check_available(MEMKIND_HBW) != 0) {
        pool = make_pool(MEMKIND_HBW, 100, 0, 0);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(pool));
        CHECK_INT(ENOMEM, memkind_pool_prepare(pool, 1));
        CHECK_INT(0, memkind_pool_destroy(pool));
    }
    CHECK_CHILD(run_forked(no_memory_at_all));
    return 0;
}
