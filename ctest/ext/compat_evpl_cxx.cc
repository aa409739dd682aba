/* SPDX-License-Identifier: BSD-2-Clause */
/* The same lines as C++.
 * standard: c++11
 * compile: -Ibuild/include/memkind/compat/evpl */
#include <memkind_ext.h>

#include <cstdio>
#include <evpl.h>

int evpl_iovec_alloc(struct evpl *evpl, unsigned int length, unsigned int alignment, unsigned int max_iovecs,
                     unsigned int flags, struct evpl_iovec *r_iovec);

int main()
{
    struct memkind_pool *pool = nullptr;
    struct memkind_stream *stream = nullptr;
    struct evpl_iovec iovec[8];

    if (memkind_pool_create(MEMKIND_REGULAR, 1 << 20, 4096, 0, &pool) != 0 || memkind_stream_create(pool, &stream) != 0) {
        return 1;
    }
    struct evpl *evpl = evpl_from_stream(stream);
    int niov = evpl_iovec_alloc(evpl, 128*1024, 4096, 8, iovec);
    if (niov != 1 || evpl_iovec_alloc(evpl, 100, 0, 1, 0, &iovec[1]) != 1) {
        return 1;
    }
    evpl_iovec_release(&iovec[0]);
    evpl_iovec_release(evpl, &iovec[1]);
    memkind_stream_destroy(stream);
    return memkind_pool_destroy(pool);
}
