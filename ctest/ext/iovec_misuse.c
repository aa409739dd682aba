/* SPDX-License-Identifier: BSD-2-Clause */
/* What streams and vectors answer to what they should not be given; what is refused holds no reference; empty vectors. */
#include "ext.h"

#include <limits.h>

int main(void)
{
    struct memkind_pool *pool = make_pool(MEMKIND_DEFAULT, 10000, 256, 3);
    struct memkind_pool *large = make_pool(MEMKIND_DEFAULT, (size_t)1 << 32, 0, 0);
    struct memkind_stream *stream = NULL, *other;
    struct memkind_iovec iovecs[8], part, empty = {0};
    static const unsigned bad_alignments[] = {3, 512, 24, 1u << 31, UINT_MAX};
    int n;

    CHECK_INT(24, sizeof(struct memkind_iovec));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stream_create(NULL, &stream));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stream_create(pool, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stream_create(large, &stream));
    CHECK_INT(0, memkind_pool_destroy(large));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stream_create(large, &stream));
    CHECK_NULL(stream);
    memkind_stream_destroy(NULL);
    CHECK_INT(0, memkind_stream_create(pool, &stream));
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_pool_destroy(pool));

#define REFUSED(error, call)              \
    do {                                  \
        errno = 0;                        \
        CHECK_INT(-1, call);              \
        CHECK_INT(error, errno);          \
    } while (0)
    for (int begun = 0; begun < 2; begun++) {
        const size_t in_use = pool_usage(pool).in_use;
        REFUSED(EINVAL, memkind_iovec_alloc(NULL, 1, 0, 8, 0, iovecs));
        REFUSED(EINVAL, memkind_iovec_alloc(stream, 1, 0, 8, 0, NULL));
        REFUSED(EINVAL, memkind_iovec_alloc(stream, 1, 0, 8, 2, iovecs));
        REFUSED(EINVAL, memkind_iovec_alloc(stream, 1, 0, 8, UINT_MAX, iovecs));
        REFUSED(EINVAL, memkind_iovec_reserve(NULL, 1, 0, 8, iovecs));
        REFUSED(EINVAL, memkind_iovec_reserve(stream, 1, 0, 8, NULL));
        for (size_t i = 0; i < sizeof(bad_alignments) / sizeof(bad_alignments[0]); i++) {
            REFUSED(EINVAL, memkind_iovec_alloc(stream, 1, bad_alignments[i], 8, 1, iovecs));
            REFUSED(EINVAL, memkind_iovec_reserve(stream, 1, bad_alignments[i], 8, iovecs));
        }
        REFUSED(EMSGSIZE, memkind_iovec_alloc(stream, 1, 0, 0, 0, iovecs));
        REFUSED(EMSGSIZE, memkind_iovec_alloc(stream, 10001, 0, 1, 0, iovecs));
        REFUSED(EMSGSIZE, memkind_iovec_alloc(stream, UINT_MAX, 0, 8, 0, iovecs));
        REFUSED(EMSGSIZE, memkind_iovec_reserve(stream, 80001, 0, 8, iovecs));
        /* Four buffers, and there are three. */
        REFUSED(ENOMEM, memkind_iovec_alloc(stream, 40000, 0, 8, 0, iovecs));
        REFUSED(ENOMEM, memkind_iovec_alloc(stream, 40000, 0, 8, 1, iovecs));
        REFUSED(ENOMEM, memkind_iovec_reserve(stream, 40000, 0, 8, iovecs));
        CHECK_INT(0, memkind_iovec_alloc(stream, 0, 0, 8, 0, iovecs));
        CHECK_INT(in_use, pool_usage(pool).in_use);
        CHECK_INT(1, memkind_iovec_alloc(stream, 100, 0, 8, begun, iovecs));
        memkind_iovec_release(iovecs);
    }
    /* What was refused has put all back: with both cursors empty three buffers can be had. */
    memkind_stream_destroy(stream);
    CHECK_INT(0, pool_usage(pool).in_use);
    CHECK_INT(0, memkind_stream_create(pool, &stream));
    n = memkind_iovec_alloc(stream, 30000, 256, 3, 0, iovecs);
    CHECK_INT(3, n);
    CHECK_INT(3 * 10240, pool_usage(pool).in_use);
    check_no_block(iovecs[1].data, MEMKIND_DEFAULT);

    /* Parts: no sum wraps. */
    static const struct { unsigned offset, length; } bad[] = {
        {0, 10001}, {10001, 0}, {1, 10000}, {UINT_MAX, 1}, {1, UINT_MAX}, {UINT_MAX, UINT_MAX}, {5000, UINT_MAX - 4999}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        part = iovecs[1];
        REFUSED(EINVAL, memkind_iovec_clone_segment(&part, &iovecs[0], bad[i].offset, bad[i].length));
        CHECK_NULL(part.data);
        CHECK_INT(0, part.length);
        memkind_iovec_release(&part);
        part = iovecs[1];
        REFUSED(EINVAL, memkind_iovec_move_segment(&part, &iovecs[0], bad[i].offset, bad[i].length));
        CHECK_NULL(part.data);
        CHECK_INT(10000, iovecs[0].length);
    }
    CHECK_INT(0, memkind_iovec_clone_segment(&part, &iovecs[0], 10000, 0));
    CHECK_INT(0, part.length);
    memkind_iovec_release(&part);

    /* Onto itself. */
    memkind_iovec_move(&iovecs[0], &iovecs[0]);
    CHECK_INT(10000, iovecs[0].length);
    CHECK_INT(0, memkind_iovec_move_segment(&iovecs[0], &iovecs[0], 16, 9000));
    CHECK_INT(9000, iovecs[0].length);

    /* Empty ones. */
    memkind_iovec_addref(&empty);
    memkind_iovec_clone(&part, &empty);
    CHECK_NULL(part.data);
    memkind_iovec_release(&part);
    memkind_iovec_release(&empty);
    memkind_iovecs_release(NULL, 4);
    memkind_iovecs_release(iovecs, -1);
    memkind_iovecs_release(iovecs, 0);

    /* Commit: NULL, an empty vector, one of another pool, SHARED, too long; then release only. */
    CHECK_INT(3 * 10240, pool_usage(pool).in_use);
    memkind_iovecs_release(iovecs, 3);
    CHECK_INT(0, pool_usage(pool).in_use);
    CHECK_INT(1, memkind_iovec_reserve(stream, 4096, 0, 1, iovecs));
    REFUSED(EINVAL, memkind_iovec_commit(NULL, 0, iovecs, 1));
    REFUSED(EINVAL, memkind_iovec_commit(stream, 0, NULL, 1));
    REFUSED(EINVAL, memkind_iovec_commit(stream, 0, &empty, 1));
    iovecs[0].length = 10001;
    REFUSED(EINVAL, memkind_iovec_commit(stream, 0, iovecs, 1));
    iovecs[0].length = UINT_MAX;
    REFUSED(EINVAL, memkind_iovec_commit(stream, 0, iovecs, 1));
    iovecs[0].length = 10;
    large = make_pool(MEMKIND_DEFAULT, 10000, 0, 0);
    CHECK_INT(0, memkind_stream_create(large, &other));
    REFUSED(EINVAL, memkind_iovec_commit(other, 0, iovecs, 1));
    CHECK_INT(0, memkind_iovec_commit(stream, 0, iovecs, 1));
    CHECK_INT(0, memkind_iovec_commit(stream, 0, iovecs, 0));
    CHECK_INT(1, memkind_iovec_alloc(stream, 10, 0, 1, 0, &iovecs[1]));
    CHECK_PTR((char *)iovecs[0].data + 10, iovecs[1].data);
    CHECK_INT(1, memkind_iovec_alloc(other, 10, 0, 1, 1, &iovecs[2]));
    REFUSED(EINVAL, memkind_iovec_commit(other, 0, &iovecs[2], 1));
    memkind_iovecs_release(iovecs, 3);

    /* Neither vectors nor a stream may be there when their pool goes. */
    CHECK_INT(1, memkind_iovec_alloc(stream, 10, 0, 1, 0, iovecs));
    memkind_stream_destroy(stream);
    memkind_stream_destroy(other);
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_pool_destroy(pool));
    memkind_iovec_release(iovecs);
    CHECK_INT(0, memkind_pool_destroy(pool));
    CHECK_INT(0, memkind_pool_destroy(large));
    return 0;
}
