/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names for DMA memory (spdk/env.h) on memkind_dma_kind(3), memkind_map(3) and memkind_pool(3): no hugepage
 * setup, no root, no DPDK. Found as "spdk/env.h" with -I$includedir/memkind/compat; not for programs that have SPDK
 * itself. Threads, rings, PCI and named memory zones are not here. */
#ifndef MEMKIND_COMPAT_SPDK_ENV_H
#define MEMKIND_COMPAT_SPDK_ENV_H

#ifdef SPDK_ENV_H
#error "memkind/compat/spdk/env.h: SPDK's own header is included already"
#endif

#include <errno.h>
#include <memkind_ext.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPDK_ENV_SOCKET_ID_ANY (-1)
#define SPDK_ENV_NUMA_ID_ANY   (-1)
#define SPDK_ENV_LCORE_ID_ANY  UINT32_MAX
#define SPDK_MALLOC_DMA        0x01
#define SPDK_MALLOC_SHARE      0x02
#define SPDK_VTOPHYS_ERROR     UINT64_MAX

/* The kinds of memory on each node, not shared and shared, once they are known: of SPDK_ENV_NUMA_ID_ANY only where there is
 * one node. */
#define MEMKIND_SPDK_NODES 64
__attribute__((weak)) memkind_t memkind_spdk_kinds[2][1 + MEMKIND_SPDK_NODES] = {{NULL}};

static inline int32_t spdk_env_get_next_numa_id(int32_t numa_id);

/* What spdk_malloc() does when it does not know the kind, or that has no memory. */
static __attribute__((noinline, unused)) void *memkind_spdk_malloc(size_t size, size_t align, int numa_id,
                                                                    unsigned shared)
{
    const unsigned place = (unsigned)numa_id + 1;
    const int32_t first = numa_id < 0 ? spdk_env_get_next_numa_id(-1) : numa_id;
    memkind_t kind, known = NULL;
    void *block = NULL;

    if (memkind_dma_kind(numa_id, shared ? MEMKIND_OPTION_SHARED : 0, &kind) != MEMKIND_SUCCESS)
        return NULL;
    if (place <= MEMKIND_SPDK_NODES) {
        known = __atomic_load_n(&memkind_spdk_kinds[shared][place], __ATOMIC_RELAXED);
        /* A node that does not exist is any, and which one that is changes. */
        if (numa_id < 0 ? spdk_env_get_next_numa_id(first) == INT32_MAX : spdk_env_get_next_numa_id(numa_id - 1) == numa_id)
            __atomic_store_n(&memkind_spdk_kinds[shared][place], kind, __ATOMIC_RELAXED);
    }
    if (align > 64)
        return memkind_posix_memalign(kind, &block, align, size) == 0 ? block : NULL;
    /* A forked child has other kinds than its parent. */
    return kind == known ? NULL : memkind_malloc(kind, size);
}

/* `flags` are not 0, `unused` is NULL, as SPDK demands. Alignment 0 is that of a cache line; a node that is full or
 * does not exist is any. NULL without memory. */
static inline void *spdk_malloc(size_t size, size_t align, uint64_t *unused, int numa_id, uint32_t flags)
{
    const unsigned place = (unsigned)numa_id + 1, shared = (flags & SPDK_MALLOC_SHARE) != 0;
    /* Whole cache lines: other sizes have no blocks of their own. Near SIZE_MAX it is 0, for which there is none. */
    const size_t whole = (size + 63) & ~(size_t)63;
    void *block;

    if (flags == 0 || unused != NULL)
        return NULL;
    if (align <= 64 && place <= MEMKIND_SPDK_NODES) {
        const memkind_t kind = __atomic_load_n(&memkind_spdk_kinds[shared][place], __ATOMIC_RELAXED);

        block = kind != NULL ? memkind_malloc(kind, whole) : NULL;
        if (block != NULL)
            return block;
    }
    return memkind_spdk_malloc(align <= 64 ? whole : size, align, numa_id, shared);
}

static inline void *spdk_zmalloc(size_t size, size_t align, uint64_t *unused, int numa_id, uint32_t flags)
{
    void *block = spdk_malloc(size, align, unused, numa_id, flags);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

static inline void spdk_free(void *buf)
{
    memkind_free(NULL, buf);
}

/* In the kind of the block; a NULL one is allocated near the CPU. */
static inline void *spdk_realloc(void *buf, size_t size, size_t align)
{
    void *block;
    size_t before;

    if (buf == NULL)
        return spdk_malloc(size, align, NULL, SPDK_ENV_NUMA_ID_ANY, SPDK_MALLOC_DMA);
    if (align <= 64)
        return memkind_realloc(memkind_detect_kind(buf), buf, size);
    if (memkind_posix_memalign(memkind_detect_kind(buf), &block, align, size) != 0)
        return NULL;
    before = memkind_malloc_usable_size(NULL, buf);
    memcpy(block, buf, before < size ? before : size);
    memkind_free(NULL, buf);
    return block;
}

static inline void *spdk_dma_malloc_socket(size_t size, size_t align, uint64_t *unused, int numa_id)
{
    return spdk_malloc(size, align, unused, numa_id, SPDK_MALLOC_DMA | SPDK_MALLOC_SHARE);
}

static inline void *spdk_dma_malloc(size_t size, size_t align, uint64_t *unused)
{
    return spdk_dma_malloc_socket(size, align, unused, SPDK_ENV_NUMA_ID_ANY);
}

static inline void *spdk_dma_zmalloc(size_t size, size_t align, uint64_t *unused)
{
    return spdk_zmalloc(size, align, unused, SPDK_ENV_NUMA_ID_ANY, SPDK_MALLOC_DMA | SPDK_MALLOC_SHARE);
}

static inline void *spdk_dma_zmalloc_socket(size_t size, size_t align, uint64_t *unused, int numa_id)
{
    return spdk_zmalloc(size, align, unused, numa_id, SPDK_MALLOC_DMA | SPDK_MALLOC_SHARE);
}

static inline void *spdk_dma_realloc(void *buf, size_t size, size_t align, uint64_t *unused)
{
    return unused == NULL ? spdk_realloc(buf, size, align) : NULL;
}

static inline void spdk_dma_free(void *buf)
{
    memkind_free(NULL, buf);
}

/* No thread is one of SPDK's. */
static inline uint32_t spdk_env_get_current_core(void)
{
    return SPDK_ENV_LCORE_ID_ANY;
}

/* The first node with memory after `numa_id`; INT32_MAX if there is none. A machine without NUMA has node 0. */
static inline int32_t spdk_env_get_next_numa_id(int32_t numa_id)
{
    FILE *nodes = fopen("/sys/devices/system/node/has_memory", "re");
    int32_t next = INT32_MAX;
    int first = 0, last = 0, got;

    if (nodes == NULL)
        return numa_id < 0 ? 0 : INT32_MAX;
    while (next == INT32_MAX && fscanf(nodes, "%d", &first) == 1) {
        got = fgetc(nodes);
        last = first;
        if (got == '-' && fscanf(nodes, "%d", &last) == 1)
            got = fgetc(nodes);
        if (numa_id < last)
            next = numa_id < first ? first : numa_id + 1;
        if (got != ',')
            break;
    }
    fclose(nodes);
    return next;
}

static inline int32_t spdk_env_get_first_numa_id(void)
{
    return spdk_env_get_next_numa_id(-1);
}

#define SPDK_ENV_FOREACH_NUMA_ID(i) \
    for (i = spdk_env_get_first_numa_id(); i < INT32_MAX; i = spdk_env_get_next_numa_id(i))

static inline int32_t spdk_env_get_last_numa_id(void)
{
    int32_t id, last = 0;

    SPDK_ENV_FOREACH_NUMA_ID(id)
    {
        last = id;
    }
    return last;
}

/* One more than the highest node with memory, as earlier releases of SPDK have it. */
static inline int spdk_env_get_socket_count(void)
{
    return spdk_env_get_last_numa_id() + 1;
}

/* The physical address, as far as the kernel tells it. */
static inline uint64_t spdk_vtophys(const void *buf, uint64_t *size)
{
    unsigned long address;
    size_t length;

    if (memkind_get_physical(buf, &address, &length) != MEMKIND_SUCCESS)
        return SPDK_VTOPHYS_ERROR;
    if (size != NULL && *size > length)
        *size = length;
    return address;
}

/* The node of the page at an address, and how many bytes of that page are left; SPDK_ENV_NUMA_ID_ANY if there is none. */
static inline int32_t spdk_mem_get_numa_id(const void *buf, uint64_t *size)
{
    const uint64_t left = 4096 - (uintptr_t)buf % 4096;
    const int node = memkind_get_node(buf);

    if (node >= 0 && size != NULL && *size > left)
        *size = left;
    return node;
}

static inline int spdk_mem_get_fd_and_offset(void *vaddr, uint64_t *offset)
{
    int fd;
    size_t place;

    if (memkind_get_fd(vaddr, &fd, &place) != MEMKIND_SUCCESS)
        return -EINVAL;
    *offset = place;
    return fd;
}

#ifdef __cplusplus
}
#endif

#include "env_map.h"
#include "env_pool.h"

#endif
