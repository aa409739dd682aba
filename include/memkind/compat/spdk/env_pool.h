/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names for pools of objects (spdk_mempool_*) on memkind_pool(3). Included by env.h.
 *
 * What differs: every thread has a cache, whatever cache_size says, and what caches hold can be had by any thread. */
#ifndef MEMKIND_COMPAT_SPDK_ENV_POOL_H
#define MEMKIND_COMPAT_SPDK_ENV_POOL_H

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPDK_MAX_MEMPOOL_NAME_LEN       29
#define SPDK_MEMPOOL_DEFAULT_CACHE_SIZE SIZE_MAX

struct spdk_mempool {
    struct spdk_mempool *next;
    struct memkind_pool *pool;
    size_t count;
    size_t stride; /* from one object to the next */
    char name[SPDK_MAX_MEMPOOL_NAME_LEN + 1];
};

typedef void(spdk_mempool_obj_cb_t)(struct spdk_mempool *mp, void *opaque, void *obj, unsigned obj_idx);
typedef void(spdk_mempool_mem_cb_t)(struct spdk_mempool *mp, void *opaque, void *addr, uint64_t iova, size_t len,
                                    unsigned mem_idx);

/* One for the process, shared by every file that includes this. */
__attribute__((weak)) pthread_mutex_t memkind_spdk_pools_lock = PTHREAD_MUTEX_INITIALIZER;
__attribute__((weak)) struct spdk_mempool *memkind_spdk_pools = NULL;

/* What memkind_pool_for_each() hands on. */
struct memkind_spdk_walk {
    struct spdk_mempool *mp;
    spdk_mempool_obj_cb_t *object;
    spdk_mempool_mem_cb_t *memory;
    void *opaque;
    unsigned index;
    char *start, *end; /* objects that lie one behind the other */
};

static inline void memkind_spdk_visit(void *walk_, void *object)
{
    struct memkind_spdk_walk *walk = (struct memkind_spdk_walk *)walk_;

    walk->object(walk->mp, walk->opaque, object, walk->index++);
}

/* Calls the function for objects in a row, by parts that are one range of physical addresses if the kernel tells those. */
static inline void memkind_spdk_flush(struct memkind_spdk_walk *walk)
{
    while (walk->start != walk->end) {
        uint64_t length = (uint64_t)(walk->end - walk->start);
        const uint64_t physical = spdk_vtophys(walk->start, &length);

        walk->memory(walk->mp, walk->opaque, walk->start, physical, (size_t)length, walk->index++);
        walk->start += length;
    }
}

static inline void memkind_spdk_gather(void *walk_, void *object)
{
    struct memkind_spdk_walk *walk = (struct memkind_spdk_walk *)walk_;

    if (object != walk->end) {
        memkind_spdk_flush(walk);
        walk->start = (char *)object;
    }
    walk->end = (char *)object + walk->mp->stride;
}

/* Calls a function for each object, in use or not; how many there are. */
static inline uint32_t spdk_mempool_obj_iter(struct spdk_mempool *mp, spdk_mempool_obj_cb_t obj_cb, void *obj_cb_arg)
{
    struct memkind_spdk_walk walk;

    memset(&walk, 0, sizeof(walk));
    walk.mp = mp;
    walk.object = obj_cb;
    walk.opaque = obj_cb_arg;
    return (uint32_t)memkind_pool_for_each(mp->pool, memkind_spdk_visit, &walk);
}

/* Calls a function for each range of memory with objects: the address for a device without IOMMU is SPDK_VTOPHYS_ERROR
 * where the kernel does not tell it. How many there are. */
static inline uint32_t spdk_mempool_mem_iter(struct spdk_mempool *mp, spdk_mempool_mem_cb_t mem_cb, void *mem_cb_arg)
{
    struct memkind_spdk_walk walk;

    memset(&walk, 0, sizeof(walk));
    walk.mp = mp;
    walk.memory = mem_cb;
    walk.opaque = mem_cb_arg;
    memkind_pool_for_each(mp->pool, memkind_spdk_gather, &walk);
    memkind_spdk_flush(&walk);
    return walk.index;
}

static inline struct spdk_mempool *memkind_spdk_named(const char *name)
{
    struct spdk_mempool *mp = memkind_spdk_pools;

    while (mp != NULL && strcmp(mp->name, name) != 0)
        mp = mp->next;
    return mp;
}

static inline struct spdk_mempool *spdk_mempool_lookup(const char *name)
{
    struct spdk_mempool *mp;

    pthread_mutex_lock(&memkind_spdk_pools_lock);
    mp = memkind_spdk_named(name);
    pthread_mutex_unlock(&memkind_spdk_pools_lock);
    return mp;
}

/* All its elements must have been put back. */
static inline void spdk_mempool_free(struct spdk_mempool *mp)
{
    struct spdk_mempool **link;

    if (mp == NULL)
        return;
    pthread_mutex_lock(&memkind_spdk_pools_lock);
    for (link = &memkind_spdk_pools; *link != NULL; link = &(*link)->next)
        if (*link == mp) {
            *link = mp->next;
            break;
        }
    pthread_mutex_unlock(&memkind_spdk_pools_lock);
    memkind_pool_destroy(mp->pool);
    free(mp);
}

/* The memory of all elements is taken at once, and each is given to obj_init, if that is not NULL. NULL without memory,
 * for count or ele_size 0, and for a name that is taken or longer than SPDK_MAX_MEMPOOL_NAME_LEN. */
static inline struct spdk_mempool *spdk_mempool_create_ctor(const char *name, size_t count, size_t ele_size,
                                                            size_t cache_size, int numa_id,
                                                            spdk_mempool_obj_cb_t *obj_init, void *obj_init_arg)
{
    struct spdk_mempool *mp;
    memkind_t kind;
    int failed;

    (void)cache_size;
    if (count == 0 || ele_size == 0 || ele_size > SIZE_MAX - 63 || strlen(name) > SPDK_MAX_MEMPOOL_NAME_LEN ||
        memkind_dma_kind(numa_id, MEMKIND_OPTION_SHARED, &kind) != MEMKIND_SUCCESS)
        return NULL;
    mp = (struct spdk_mempool *)calloc(1, sizeof(*mp));
    if (mp == NULL)
        return NULL;
    strcpy(mp->name, name);
    mp->count = count;
    mp->stride = (ele_size + 63) / 64 * 64;
    failed = memkind_pool_create(kind, ele_size, 64, count, &mp->pool) != MEMKIND_SUCCESS ||
             memkind_pool_prepare(mp->pool, count) != MEMKIND_SUCCESS;
    pthread_mutex_lock(&memkind_spdk_pools_lock);
    failed = failed || memkind_spdk_named(name) != NULL;
    if (!failed) {
        mp->next = memkind_spdk_pools;
        memkind_spdk_pools = mp;
    }
    pthread_mutex_unlock(&memkind_spdk_pools_lock);
    if (failed) {
        memkind_pool_destroy(mp->pool);
        free(mp);
        return NULL;
    }
    if (obj_init != NULL)
        spdk_mempool_obj_iter(mp, obj_init, obj_init_arg);
    return mp;
}

static inline struct spdk_mempool *spdk_mempool_create(const char *name, size_t count, size_t ele_size,
                                                       size_t cache_size, int numa_id)
{
    return spdk_mempool_create_ctor(name, count, ele_size, cache_size, numa_id, NULL, NULL);
}

static inline char *spdk_mempool_get_name(struct spdk_mempool *mp)
{
    return mp->name;
}

/* NULL when all elements are in use. */
static inline void *spdk_mempool_get(struct spdk_mempool *mp)
{
    return memkind_pool_get(mp->pool);
}

/* All or none: 0 or -ENOENT. */
static inline int spdk_mempool_get_bulk(struct spdk_mempool *mp, void **ele_arr, size_t count)
{
    return memkind_pool_get_many(mp->pool, ele_arr, count) == count ? 0 : -ENOENT;
}

static inline void spdk_mempool_put(struct spdk_mempool *mp, void *ele)
{
    memkind_pool_put(mp->pool, ele);
}

static inline void spdk_mempool_put_bulk(struct spdk_mempool *mp, void **ele_arr, size_t count)
{
    memkind_pool_put_many(mp->pool, ele_arr, count);
}

/* Elements that are not in use; a guess while other threads take and put. */
static inline size_t spdk_mempool_count(const struct spdk_mempool *mp)
{
    struct memkind_usage usage;

    if (memkind_pool_get_usage(mp->pool, &usage, sizeof(usage)) != MEMKIND_SUCCESS)
        return 0;
    return mp->count - usage.in_use / mp->stride;
}

#ifdef __cplusplus
}
#endif

#endif
