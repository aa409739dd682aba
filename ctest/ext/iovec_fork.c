/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child has copies of streams and vectors, LOCAL ones of any thread too, and uses and releases them; its parent
 * goes on with its own. Of a kind that it does not have it releases them and destroys the stream. With MEMKIND_CHECKS the
 * same. */
#include "kind.h"

#include <pthread.h>

static struct memkind_pool *pool;
static struct memkind_stream *stream;
static struct memkind_iovec here, there, elsewhere;

static void cut(unsigned flags, struct memkind_iovec *vector)
{
    CHECK_INT(1, memkind_iovec_alloc(stream, 100, 0, 1, flags, vector));
    memset(vector->data, 7, 100);
}

static void *cut_local(void *vector)
{
    cut(MEMKIND_IOVEC_LOCAL, vector);
    return NULL;
}

static void release_all(void)
{
    struct memkind_iovec part;

    CHECK_INT(0, memkind_iovec_clone_segment(&part, &here, 50, 50));
    memkind_iovec_release(&part);
    memkind_iovec_release(&here);
    memkind_iovec_release(&there);
    memkind_iovec_release(&elsewhere);
    memkind_stream_destroy(stream);
}

static void with_memory(void)
{
    struct memkind_iovec more;

    CHECK(((char *)here.data)[99] == 7 && ((char *)elsewhere.data)[99] == 7);
    cut(MEMKIND_IOVEC_LOCAL, &more);
    memset(here.data, 8, 100);
    memset(elsewhere.data, 8, 100);
    memkind_iovec_release(&more);
    release_all();
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static void without_memory(void)
{
    release_all();
}

static void one(unsigned options, void (*in_child)(void))
{
    memkind_t kind = make_wanted((struct wanted){.options = options, .slab_size = 4 * MIB});
    pthread_t thread;

    pool = make_pool(kind, 4096, 0, 0);
    CHECK_INT(0, memkind_stream_create(pool, &stream));
    CHECK_INT(0, pthread_create(&thread, NULL, cut_local, &elsewhere));
    CHECK_INT(0, pthread_join(thread, NULL));
    cut(MEMKIND_IOVEC_LOCAL, &here);
    cut(MEMKIND_IOVEC_SHARED, &there);
    CHECK_INT(0, run_forked(in_child));
    CHECK(((char *)here.data)[99] == 7 && ((char *)there.data)[99] == 7);
    CHECK_INT(0, pthread_create(&thread, NULL, cut_local, &elsewhere));
    CHECK_INT(0, pthread_join(thread, NULL));
}

int main(void)
{
    one(MEMKIND_OPTION_PIN, with_memory);
    one(MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_PIN, without_memory);
    one(MEMKIND_OPTION_SHARED, without_memory);
    return 0;
}
