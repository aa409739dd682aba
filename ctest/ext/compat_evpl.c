/* SPDX-License-Identifier: BSD-2-Clause */
/* libevpl's names on our vectors: the declarations and the example of its documentation, both generations, as C11 and
 * as C++11; each function does what it says.
 * compile: -Ibuild/include/memkind/compat/evpl */
#include "ext.h"

#include <evpl.h>

/* As documented, first the newer form, then the older. */
int evpl_iovec_alloc(
    struct evpl       *evpl,
    unsigned int       length,
    unsigned int       alignment,
    unsigned int       max_iovecs,
    unsigned int       flags,
    struct evpl_iovec *r_iovec);
int evpl_iovec_alloc(
    struct evpl *evpl,
    unsigned int length,
    unsigned int alignment,
    unsigned int max_iovecs,
    struct evpl_iovec *r_iovec);
int evpl_iovec_reserve(
    struct evpl       *evpl,
    unsigned int       length,
    unsigned int       alignment,
    unsigned int       max_vec,
    struct evpl_iovec *r_iovec);
void evpl_iovec_commit(
    struct evpl       *evpl,
    unsigned int       alignment,
    struct evpl_iovec *iovecs,
    int                niovs);
static inline void evpl_iovec_release(
    struct evpl       *evpl,
    struct evpl_iovec *iovec);
static inline void evpl_iovecs_release(
    struct evpl       *evpl,
    struct evpl_iovec *iov,
    int                niov);
static inline void evpl_iovec_clone_segment(
    struct evpl_iovec       *dst,
    const struct evpl_iovec *src,
    unsigned int             offset,
    unsigned int             length);
static inline void *evpl_iovec_data(const struct evpl_iovec *iovec);

static struct evpl *loop;

static void segment_too_long(void)
{
    struct evpl_iovec whole, part;

    CHECK_INT(1, evpl_iovec_alloc(loop, 100, 0, 1, 0, &whole));
    evpl_iovec_clone_segment(&part, &whole, 50, 51);
}

int main(void)
{
    struct memkind_pool *pool = make_pool(MEMKIND_REGULAR, MIB, 4096, 0);
    struct memkind_stream *stream;

    CHECK_INT(0, memkind_stream_create(pool, &stream));
    struct evpl *evpl = evpl_from_stream(stream);
    loop = evpl;

    struct evpl_iovec iovec[8];

    int niov = evpl_iovec_alloc(evpl, 128*1024, 4096, 8, iovec);

    CHECK_INT(1, niov);
    CHECK(aligned(iovec[0].data, 4096));
    CHECK_INT(128 * 1024, evpl_iovec_length(&iovec[0]));
    CHECK_PTR(iovec[0].data, evpl_iovec_data(&iovec[0]));
    evpl_iovec_addref(&iovec[0]);
    struct evpl_iovec again = iovec[0];
    evpl_iovec_release(&again);
    fill(iovec[0].data, iovec[0].length, 1);

    evpl_iovec_clone(&iovec[1], &iovec[0]);
    evpl_iovec_clone_segment(&iovec[2], &iovec[0], 7, 1000);
    evpl_iovec_move(&iovec[3], &iovec[1]);
    CHECK_NULL(iovec[1].data);
    evpl_iovec_move_segment(&iovec[4], &iovec[3], 0, 10);
    evpl_iovec_release(evpl, &iovec[0]);
    evpl_iovec_release(NULL, &iovec[4]);
    CHECK(holds(iovec[2].data, 1000, 1 + 7 * 7));
    evpl_iovecs_release(evpl, iovec, 5);

    /* Both forms of alloc, more than a buffer, and what does not fit. */
    niov = evpl_iovec_alloc(evpl, 3 * 1024 * 1024, 0, 8, EVPL_IOVEC_FLAG_SHARED, iovec);
    CHECK(niov == 3 || niov == 4);
    evpl_iovecs_release(evpl, iovec, niov);
    CHECK_INT(-1, evpl_iovec_alloc(evpl, 3 * 1024 * 1024, 0, 2, 0, iovec));
    CHECK_INT(-1, evpl_iovec_alloc(evpl, 3 * 1024 * 1024, 0, 2, iovec));

    CHECK_INT(1, evpl_iovec_reserve(evpl, 4096, 0, 1, iovec));
    evpl_iovec_set_length(&iovec[0], 100);
    evpl_iovec_commit(evpl, 0, iovec, 1);
    CHECK_INT(1, evpl_iovec_alloc(evpl, 10, 0, 1, 0, &iovec[1]));
    CHECK_PTR((char *)iovec[0].data + 100, iovec[1].data);
    evpl_iovecs_release(NULL, iovec, 2);

    CHECK_INT(128 + 6, run_forked(segment_too_long));
    memkind_stream_destroy(stream);
    CHECK_INT(0, memkind_pool_destroy(pool));
    return 0;
}
