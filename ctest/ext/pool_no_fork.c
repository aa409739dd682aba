/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child has no objects of a pool whose kind is not inherited: it gets ENOMEM, not what it cannot use; its
 * parent goes on. */
#include "kind.h"

static struct memkind_pool *pool;
static void *object;

static void in_child(void)
{
    void *many[4];

    CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(pool));
    errno = 0;
    CHECK_INT(0, memkind_pool_get_many(pool, many, 4));
    CHECK_INT(ENOMEM, errno);
    CHECK_INT(ENOMEM, memkind_pool_prepare(pool, 1000));
    memkind_pool_put(pool, object);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_pool_get(pool));
    CHECK_INT(0, memkind_pool_destroy(pool));
    pool = make_pool(MEMKIND_REGULAR, 100, 0, 0);
    object = memkind_pool_get(pool);
    CHECK_NOT_NULL(object);
    memset(object, 1, 100);
}

int main(void)
{
    pool = make_pool(make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN | MEMKIND_OPTION_NO_FORK}), 100, 0, 0);
    object = memkind_pool_get(pool);
    CHECK_NOT_NULL(object);
    memkind_pool_put(pool, memkind_pool_get(pool));
    CHECK_INT(0, run_forked(in_child));
    memkind_pool_put(pool, object);
    CHECK_NOT_NULL(memkind_pool_get(pool));
    return 0;
}
