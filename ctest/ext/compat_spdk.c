/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that is written for SPDK's memory functions: buffers with cleanup when one cannot be had, resizing by hand.
 * compile: -Ibuild/include/memkind/compat
 */
#include "kind.h"
#include "spdk/env.h"
#include "spdk/log.h"

struct io_context {
    void *read_buffer;
    void *write_buffer;
    size_t buffer_size;
    int numa_node;
};

static int allocate_io_buffers(struct io_context *ctx, size_t size)
{
    ctx->numa_node = spdk_env_get_current_core();
    if (ctx->numa_node < 0) {
        ctx->numa_node = SPDK_ENV_SOCKET_ID_ANY;
    }
    ctx->read_buffer = spdk_malloc(size, 64, NULL, ctx->numa_node, SPDK_MALLOC_DMA);
    if (!ctx->read_buffer) {
        SPDK_ERRLOG("Failed to allocate read buffer of size %zu\n", size);
        return -ENOMEM;
    }
    ctx->write_buffer = spdk_zmalloc(size, 64, NULL, ctx->numa_node, SPDK_MALLOC_DMA);
    if (!ctx->write_buffer) {
        spdk_free(ctx->read_buffer);
        ctx->read_buffer = NULL;
        return -ENOMEM;
    }
    ctx->buffer_size = size;
    SPDK_INFOLOG("memory", "Allocated %zu byte I/O buffers on NUMA node %d\n", size, ctx->numa_node);
    return 0;
}

int main(void)
{
    struct io_context context;
    uint64_t offset, size = 4096;
    void *block;

    CHECK_INT(0, allocate_io_buffers(&context, 100000));
    CHECK(aligned(context.read_buffer, 64) && aligned(context.write_buffer, 64));
    CHECK(all_zero(context.write_buffer, 100000));
    fill(context.write_buffer, 100000, 3);
    context.write_buffer = spdk_realloc(context.write_buffer, 200000, 64);
    CHECK(holds(context.write_buffer, 100000, 3));
    context.write_buffer = spdk_realloc(context.write_buffer, 300000, 4096);
    CHECK(aligned(context.write_buffer, 4096) && holds(context.write_buffer, 100000, 3));
    CHECK(spdk_mem_get_numa_id(context.write_buffer, NULL) >= 0);
    CHECK_INT(-EINVAL, spdk_mem_get_fd_and_offset(context.write_buffer, &offset));
    (void)spdk_vtophys(context.write_buffer, &size);
    spdk_free(context.read_buffer);
    spdk_free(context.write_buffer);
    spdk_free(NULL);

    /* More than there is: nothing is left behind. */
    CHECK_INT(-ENOMEM, allocate_io_buffers(&context, (size_t)1 << 46));
    CHECK_NULL(context.read_buffer);
    /* As SPDK demands. */
    CHECK_NULL(spdk_malloc(100, 64, NULL, 0, 0));
    CHECK_NULL(spdk_malloc(100, 64, &size, 0, SPDK_MALLOC_DMA));
    block = spdk_malloc(4096, 4096, NULL, 7, SPDK_MALLOC_DMA | SPDK_MALLOC_SHARE);
    CHECK(aligned(block, 4096) && spdk_mem_get_fd_and_offset(block, &offset) >= 0);
    spdk_free(block);
    block = spdk_dma_zmalloc(1000, 0, NULL);
    CHECK(all_zero(block, 1000));
    spdk_dma_free(block);
    return 0;
}
