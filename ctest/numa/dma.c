// SPDX-License-Identifier: BSD-2-Clause
// Memory for devices on machines with several nodes: code for SPDK (ctest/ext/spdk_example.md) has
// a buffer on each node; a node that does not exist is any; a full node is another one's memory, or
// NULL and ENOMEM where no other may serve, and never a signal. Pages of 1 GiB, where the machine has some.
#include "machine.h"
#include <memkind_ext.h>
#include <spdk/env.h>
#include <spdk/log.h>
#include <spdk_example.h>

#define MAX_BLOCKS 4096

static bool lies_on(const void *block, size_t size, int node)
{
    struct census census = count_pages(block, size);
    char text[256];
    if (census_nodes(&census) == (uint64_t)1 << node && !census.absent)
        return true;
    remark("%zu bytes on %s instead of node %d", size, census_text(&census, text, sizeof(text)), node);
    return false;
}

static int buffer_on_each_node(const void *size_)
{
    const size_t size = *(const size_t *)size_;
    struct per_socket_buffers *all = allocate_per_socket_buffers(size);
    struct io_context context;
    void *blocks[3], *buffer = NULL;
    if (!all)
        return remark("no buffers"), 1;
    if ((uint64_t)1 << all->socket_count != nodes_with_memory() + 1)
        remark("%d sockets", all->socket_count);
    for (int node = 0; node < all->socket_count; node++) {
        lies_on(all->buffers[node], size, node);
        if (memkind_get_node(all->buffers[node]) != node)
            remark("memkind_get_node() says %d", memkind_get_node(all->buffers[node]));
        // Buffers for this node from a CPU of each node, and near it where no node is asked for.
        for (int other = 0; other < all->socket_count; other++) {
            if (!run_on_node(other))
                continue;
            with_flags(size, node, blocks);
            for (int i = 0; i < 3; i++) {
                lies_on(blocks[i], size, i == 0 ? other : node);
                spdk_free(blocks[i]);
            }
            if (resize_buffer(&buffer, 0, size, node) || resize_buffer(&buffer, size, size * 2, node))
                remark("cannot resize");
            lies_on(buffer, size * 2, node);
            spdk_free(buffer);
            buffer = NULL;
            if (allocate_io_buffers(&context, size))
                remark("no buffers near a CPU");
            else
                lies_on(context.write_buffer, size, other);
            free_io_buffers(&context);
        }
    }
    if (get_local_buffer(all) != all->buffers[0])
        remark("SPDK's core is none, so its buffer is the first");
    return 0;
}

static int any_node(const void *node_)
{
    const int node = *(const int *)node_;
    for (int other = 0; other < 64; other++) {
        if (!(nodes_with_memory() >> other & 1) || !run_on_node(other))
            continue;
        void *block = spdk_malloc(100000, 64, NULL, node, SPDK_MALLOC_DMA);
        if (!block)
            remark("node %d: no memory", node);
        else
            lies_on(block, 100000, other);
    }
    return 0;
}

// Blocks until there is none; their number.
static size_t fill(memkind_t kind, char **blocks)
{
    size_t n = 0;
    errno = 0;
    while (n < MAX_BLOCKS && (blocks[n] = memkind_malloc(kind, MIB))) {
        memset(blocks[n], 1, MIB);
        n++;
    }
    if (errno != ENOMEM)
        remark("errno %d after %zu MiB", errno, n);
    return n;
}

static int full_node(const void *bound)
{
    static char *blocks[MAX_BLOCKS];
    const int node = 63 - __builtin_clzll(nodes_with_memory());
    const size_t before = node_kib(node, "MemFree") / 1024;
    memkind_t kind = NULL;
    size_t n, there = 0;
    if (bound) {
        struct memkind_config *config = memkind_config_new();
        char list[8];
        snprintf(list, sizeof(list), "%d", node);
        memkind_config_set_options(config, MEMKIND_OPTION_PIN);
        memkind_config_set_nodes(config, list, MEMKIND_NODES_BIND);
        if (memkind_create_with_config(config, &kind))
            remark("no kind on node %d", node);
    } else if (memkind_dma_kind(node, 0, &kind)) {
        remark("no kind near node %d", node);
    }
    if (!kind)
        return 1;
    n = fill(kind, blocks);
    for (size_t i = 0; i < n; i++)
        there += memkind_get_node(blocks[i]) == node;
    // The slab that does not fit any more is 32 MiB.
    if (there + 64 < before * 3 / 4)
        remark("%zu of %zu MiB are on node %d, which had %zu MiB", there, n, node, before);
    if (bound ? there != n : nodes_with_memory() != (uint64_t)1 << node && there == n)
        remark("%zu of %zu MiB are on node %d", there, n, node);
    // What was freed is there again.
    for (size_t i = 0; i < n / 2; i++)
        memkind_free(NULL, blocks[i]);
    if (n > 1 && !memkind_malloc(kind, MIB))
        remark("nothing was freed");
    return 0;
}

static int gigantic(const void *unused)
{
    struct memkind_config *config = memkind_config_new();
    struct memkind_usage usage;
    memkind_t kind = NULL;
    char text[32];
    size_t length;
    unsigned long address;
    (void)unused;
    if (!read_text("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", text, sizeof(text)) || atoi(text) == 0)
        return remark("no pages of 1 GiB"), SKIPPED;
    memkind_config_set_options(config, MEMKIND_OPTION_PIN);
    memkind_config_set_page_size(config, (size_t)1 << 30, true);
    int code = memkind_create_with_config(config, &kind);
    if (code)
        return remark("no kind: %s", code_name(code)), 1;
    char *block = memkind_malloc(kind, 200 * MIB);
    if (!block || memkind_get_usage(kind, &usage, sizeof(usage)))
        return remark("no memory"), 1;
    memset(block, 1, 200 * MIB);
    if (usage.page_size != (size_t)1 << 30 || usage.n_ranges != 1 || usage.held != (size_t)1 << 30)
        remark("page size %zu, %zu ranges, %zu bytes", usage.page_size, usage.n_ranges, usage.held);
    if (kernel_page_kib(block) != 1048576)
        remark("the kernel says %zu KiB", kernel_page_kib(block));
    code = memkind_get_physical(block, &address, &length);
    if (code || (address ^ (uintptr_t)block) & (((size_t)1 << 30) - 1) || length < 200 * MIB)
        remark("physical address: %s %#lx, %zu bytes", code_name(code), address, length);
    // There is one such page: the next is ENOMEM.
    errno = 0;
    if (memkind_malloc(kind, 900 * MIB) || errno != ENOMEM)
        remark("more than there is, errno %d", errno);
    return 0;
}

int main(void)
{
    // Little enough for the huge pages that each node has: when these are used up, a node's kind
    // takes those of another.
    static const size_t sizes[] = {4096, 300000};
    static const int nodes[] = {-1, 7, 63, 1000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "buffers of %zu bytes on each node", sizes[i]);
        run_test(name, buffer_on_each_node, &sizes[i]);
    }
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        char name[64];
        if (nodes[i] >= 0 && nodes[i] < 64 && nodes_with_memory() >> nodes[i] & 1)
            continue;
        snprintf(name, sizeof(name), "memory for devices on node %d, which is any", nodes[i]);
        run_test(name, any_node, &nodes[i]);
    }
    run_test("pages of 1 GiB", gigantic, NULL);
    run_test("memory for devices near a full node", full_node, NULL);
    run_test("memory for devices on a full node", full_node, "bound");
    return n_failed != 0;
}
