/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that is written for SPDK's memory functions, on ours as it stands (spdk_example.md): its buffers are aligned and
 * zeroed, also where there is no such node, and when any of its allocations fails it leaves nothing behind.
 * compile: -Ibuild/include/memkind/compat -Ibuild/ctest/ext
 */
#include "kind.h"
#include "spdk/env.h"
#include "spdk/log.h"

static int n_calls, fail_at = -1, n_live;

static void *counted(void *block)
{
    n_live += block != NULL;
    return block;
}

static void *malloc_or_fail(size_t size, size_t align, uint64_t *unused, int numa_id, uint32_t flags)
{
    return n_calls++ == fail_at ? NULL : counted(spdk_malloc(size, align, unused, numa_id, flags));
}

static void *zmalloc_or_fail(size_t size, size_t align, uint64_t *unused, int numa_id, uint32_t flags)
{
    return n_calls++ == fail_at ? NULL : counted(spdk_zmalloc(size, align, unused, numa_id, flags));
}

static void count_and_free(void *block)
{
    n_live -= block != NULL;
    spdk_free(block);
}

#define spdk_malloc  malloc_or_fail
#define spdk_zmalloc zmalloc_or_fail
#define spdk_free    count_and_free
#include "spdk_example.h"

static void check_buffers(size_t size)
{
    struct io_context context;

    CHECK_INT(0, allocate_io_buffers(&context, size));
    CHECK(aligned(context.read_buffer, 64) && aligned(context.write_buffer, 64));
    CHECK(all_zero(context.write_buffer, size));
    CHECK_INT(size, context.buffer_size);
    CHECK_INT(SPDK_ENV_SOCKET_ID_ANY, context.numa_node);
    fill(context.read_buffer, size, 1);
    fill(context.write_buffer, size, 2);
    CHECK(holds(context.read_buffer, size, 1));
    free_io_buffers(&context);
    CHECK_INT(0, n_live);
}

static void check_resize(int node)
{
    void *buffer = NULL;

    CHECK_INT(0, resize_buffer(&buffer, 0, 1000, node));
    fill(buffer, 1000, 3);
    CHECK_INT(0, resize_buffer(&buffer, 1000, 3 * MIB, node));
    CHECK(holds(buffer, 1000, 3));
    fail_at = n_calls;
    CHECK_INT(-ENOMEM, resize_buffer(&buffer, 3 * MIB, 4 * MIB, node));
    fail_at = -1;
    CHECK(holds(buffer, 1000, 3));
    CHECK_INT(0, resize_buffer(&buffer, 3 * MIB, 500, node));
    CHECK(holds(buffer, 500, 3));
    count_and_free(buffer);
    CHECK_INT(0, n_live);
}

static void check_sockets(void)
{
    struct per_socket_buffers *all;

    for (int n = 0; n < spdk_env_get_socket_count(); n++) {
        fail_at = n_calls + n;
        CHECK_NULL(allocate_per_socket_buffers(100000));
        CHECK_INT(0, n_live);
    }
    fail_at = -1;
    all = allocate_per_socket_buffers(100000);
    CHECK_NOT_NULL(all);
    CHECK_INT(spdk_env_get_socket_count(), all->socket_count);
    CHECK_INT(all->socket_count, n_live);
    CHECK_PTR(all->buffers[0], get_local_buffer(all));
    for (int n = 0; n < all->socket_count; n++) {
        CHECK(aligned(all->buffers[n], 64));
        fill(all->buffers[n], 100000, (unsigned)n);
        count_and_free(all->buffers[n]);
    }
    free(all->buffers);
    free(all);
}

static void check_flags(int node)
{
    void *blocks[3];
    uint64_t offset;

    with_flags(50000, node, blocks);
    CHECK(aligned(blocks[0], 64) && aligned(blocks[1], 4096) && aligned(blocks[2], 64));
    CHECK(all_zero(blocks[2], 50000));
    CHECK(spdk_mem_get_fd_and_offset(blocks[1], &offset) >= 0);
    CHECK_INT(-EINVAL, spdk_mem_get_fd_and_offset(blocks[0], &offset));
    for (int i = 0; i < 3; i++)
        count_and_free(blocks[i]);
}

int main(void)
{
    struct io_context context;

    for (size_t size = 1; size < 4 * MIB; size = size * 7 + 1)
        check_buffers(size);
    for (int n = 0; n < 2; n++) {
        fail_at = n_calls + n;
        CHECK_INT(-ENOMEM, allocate_io_buffers(&context, 100000));
        CHECK_INT(0, n_live);
    }
    fail_at = -1;
    /* More than there is, for real. */
    CHECK_INT(-ENOMEM, allocate_io_buffers(&context, (size_t)1 << 46));
    for (int node = -1; node <= 7; node++) {
        check_resize(node);
        check_flags(node);
    }
    check_sockets();
    CHECK_INT(0, n_live);
    return 0;
}
