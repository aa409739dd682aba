/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names for registration and translation (spdk_mem_map_*, spdk_mem_register) on memkind_map(3). Included by env.h.
 *
 * A map is told of all memory of spdk_malloc() before any of it is handed out, and of what spdk_mem_register() names.
 * What differs: a callback that refuses a range makes the allocation fail, and spdk_mem_register() return its error; there
 * are at most 8 maps with callbacks; a range is of any number of 4 KiB pages; callbacks must not call spdk_mem_register(). */
#ifndef MEMKIND_COMPAT_SPDK_ENV_MAP_H
#define MEMKIND_COMPAT_SPDK_ENV_MAP_H

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spdk_mem_map;

enum spdk_mem_map_notify_action { SPDK_MEM_MAP_NOTIFY_REGISTER, SPDK_MEM_MAP_NOTIFY_UNREGISTER };

typedef int (*spdk_mem_map_notify_cb)(void *cb_ctx, struct spdk_mem_map *map, enum spdk_mem_map_notify_action action,
                                      void *vaddr, size_t size);
typedef int (*spdk_mem_map_contiguous_translations)(uint64_t addr_1, uint64_t addr_2);

struct spdk_mem_map_ops {
    spdk_mem_map_notify_cb notify_cb;
    spdk_mem_map_contiguous_translations are_contiguous;
};

/* Translations are handles of a map, one for each piece: at most 2 MiB, between multiples of that. */
#define MEMKIND_SPDK_PIECE ((uint64_t)2 << 20)

struct spdk_mem_map {
    struct spdk_mem_map *next;
    struct memkind_map *ranges; /* calls notify_cb; NULL without */
    struct memkind_map *pieces;
    pthread_mutex_t lock; /* of the pieces, and of the two below */
    uint64_t translation; /* for the piece that is being added */
    size_t n_small;       /* pieces of less than 2 MiB */
    uint64_t default_translation;
    struct spdk_mem_map_ops ops;
    void *context;
};

/* Memory that spdk_mem_register() was told of. */
struct memkind_spdk_region {
    struct memkind_spdk_region *next;
    char *start;
    size_t size;
};

/* One for the process, shared by every file that includes this. The lock is for both lists. */
__attribute__((weak)) pthread_mutex_t memkind_spdk_lock = PTHREAD_MUTEX_INITIALIZER;
__attribute__((weak)) struct spdk_mem_map *memkind_spdk_maps = NULL;
__attribute__((weak)) struct memkind_spdk_region *memkind_spdk_regions = NULL;
/* What a callback has returned last in this thread. */
__attribute__((weak)) __thread int memkind_spdk_refusal = 0;

static inline int memkind_spdk_add(void *map_, void *address, size_t size, void **handle)
{
    struct spdk_mem_map *map = (struct spdk_mem_map *)map_;

    (void)handle;
    memkind_spdk_refusal = map->ops.notify_cb(map->context, map, SPDK_MEM_MAP_NOTIFY_REGISTER, address, size);
    return memkind_spdk_refusal;
}

static inline void memkind_spdk_remove(void *map_, void *address, size_t size, void *handle)
{
    struct spdk_mem_map *map = (struct spdk_mem_map *)map_;

    (void)handle;
    map->ops.notify_cb(map->context, map, SPDK_MEM_MAP_NOTIFY_UNREGISTER, address, size);
}

static inline int memkind_spdk_add_piece(void *map, void *address, size_t size, void **handle)
{
    (void)address, (void)size;
    *handle = (void *)(uintptr_t)((struct spdk_mem_map *)map)->translation;
    return 0;
}

/* Whether pieces lie in a range whole, or -EINVAL for one that does in part; takes them away if `clear`. */
static inline int memkind_spdk_clear(struct spdk_mem_map *map, uint64_t vaddr, uint64_t end, int clear)
{
    struct memkind_range range;

    while (vaddr < end) {
        if (memkind_map_find(map->pieces, (void *)(uintptr_t)vaddr, &range) != MEMKIND_SUCCESS) {
            vaddr = map->n_small != 0 ? vaddr + 4096 : (vaddr / MEMKIND_SPDK_PIECE + 1) * MEMKIND_SPDK_PIECE;
            continue;
        }
        if ((uintptr_t)range.address < vaddr || range.size > end - vaddr)
            return -EINVAL;
        if (clear && memkind_map_remove(map->pieces, range.address, range.size) == MEMKIND_SUCCESS)
            map->n_small -= range.size < MEMKIND_SPDK_PIECE;
        vaddr += range.size;
    }
    return 0;
}

static inline int memkind_spdk_set(struct spdk_mem_map *map, uint64_t vaddr, uint64_t size, int clear)
{
    const uint64_t end = vaddr + size;

    if ((vaddr | size) % 4096 != 0 || end < vaddr || memkind_spdk_clear(map, vaddr, end, 0) != 0)
        return -EINVAL;
    memkind_spdk_clear(map, vaddr, end, 1);
    while (!clear && vaddr < end) {
        uint64_t next = (vaddr / MEMKIND_SPDK_PIECE + 1) * MEMKIND_SPDK_PIECE;
        int code;

        next = next < end ? next : end;
        code = memkind_map_add(map->pieces, (void *)(uintptr_t)vaddr, (size_t)(next - vaddr));
        if (code != MEMKIND_SUCCESS)
            return code == MEMKIND_ERROR_INVALID ? -EINVAL : -ENOMEM;
        map->n_small += next - vaddr < MEMKIND_SPDK_PIECE;
        vaddr = next;
    }
    return 0;
}

/* Sets the translation of a range, for each 2 MiB of it, in place of those that it had; -EINVAL, and nothing changes, for
 * what is not whole pages, or replaces a part of what was set at a time between two multiples of 2 MiB; -EINVAL too for what
 * are no addresses of a process; -ENOMEM. */
static inline int spdk_mem_map_set_translation(struct spdk_mem_map *map, uint64_t vaddr, uint64_t size,
                                               uint64_t translation)
{
    int status;

    pthread_mutex_lock(&map->lock);
    map->translation = translation;
    status = memkind_spdk_set(map, vaddr, size, 0);
    pthread_mutex_unlock(&map->lock);
    return status;
}

/* Takes the translations of a range away; errors as for setting them. */
static inline int spdk_mem_map_clear_translation(struct spdk_mem_map *map, uint64_t vaddr, uint64_t size)
{
    int status;

    pthread_mutex_lock(&map->lock);
    status = memkind_spdk_set(map, vaddr, size, 1);
    pthread_mutex_unlock(&map->lock);
    return status;
}

/* The translation of an address, and in *size for how many bytes, at most as many as *size, it holds: to the end of the
 * piece, and of those behind it that are_contiguous finds to continue it. Wait-free. */
static inline uint64_t spdk_mem_map_translate(const struct spdk_mem_map *map, uint64_t vaddr, uint64_t *size)
{
    struct memkind_range range;
    uint64_t translation, before, end;

    if (memkind_map_find(map->pieces, (void *)(uintptr_t)vaddr, &range) != MEMKIND_SUCCESS)
        return map->default_translation;
    translation = before = (uintptr_t)range.handle;
    if (size == NULL)
        return translation;
    end = (uintptr_t)range.address + range.size;
    while (map->ops.are_contiguous != NULL && end - vaddr < *size &&
           memkind_map_find(map->pieces, (void *)(uintptr_t)end, &range) == MEMKIND_SUCCESS &&
           map->ops.are_contiguous(before, (uintptr_t)range.handle)) {
        before = (uintptr_t)range.handle;
        end += range.size;
    }
    if (end - vaddr < *size)
        *size = end - vaddr;
    return translation;
}

static inline void memkind_spdk_map_delete(struct spdk_mem_map *map)
{
    memkind_map_destroy(map->ranges);
    memkind_map_destroy(map->pieces);
    pthread_mutex_destroy(&map->lock);
    free(map);
}

/* Tells a new map of all memory there is, and attaches it to all kinds of spdk_malloc(). */
static inline int memkind_spdk_tell_all(struct spdk_mem_map *map)
{
    const struct memkind_spdk_region *region;
    memkind_t kind;
    int32_t node;
    unsigned shared;

    SPDK_ENV_FOREACH_NUMA_ID(node)
    {
        for (shared = 0; shared <= MEMKIND_OPTION_SHARED; shared += MEMKIND_OPTION_SHARED) {
            /* A node that the process may not use has the kind of another, which may be attached. */
            if (memkind_dma_kind(node, shared, &kind) != MEMKIND_SUCCESS)
                return -1;
            if (memkind_map_attach(map->ranges, kind) == MEMKIND_ERROR_OPERATION_FAILED)
                return -1;
        }
    }
    for (region = memkind_spdk_regions; region != NULL; region = region->next)
        if (memkind_map_add(map->ranges, region->start, region->size) != MEMKIND_SUCCESS)
            return -1;
    return 0;
}

/* NULL without memory, when notify_cb refuses what there is, and for the ninth map. Without notify_cb a map has the
 * translations that are set. */
static inline struct spdk_mem_map *spdk_mem_map_alloc(uint64_t default_translation, const struct spdk_mem_map_ops *ops,
                                                      void *cb_ctx)
{
    struct spdk_mem_map *map = (struct spdk_mem_map *)calloc(1, sizeof(*map));
    int failed;

    if (map == NULL)
        return NULL;
    pthread_mutex_init(&map->lock, NULL);
    map->default_translation = default_translation;
    map->context = cb_ctx;
    if (ops != NULL)
        map->ops = *ops;
    failed = memkind_map_create(memkind_spdk_add_piece, NULL, 0, map, &map->pieces);
    if (!failed && map->ops.notify_cb != NULL) {
        failed = memkind_map_create(memkind_spdk_add, memkind_spdk_remove, 0, map, &map->ranges);
        pthread_mutex_lock(&memkind_spdk_lock);
        if (!failed)
            failed = memkind_spdk_tell_all(map);
        if (!failed) {
            map->next = memkind_spdk_maps;
            memkind_spdk_maps = map;
        }
        pthread_mutex_unlock(&memkind_spdk_lock);
    }
    if (failed) {
        memkind_spdk_map_delete(map);
        return NULL;
    }
    return map;
}

/* The map is told that all memory goes, and freed. */
static inline void spdk_mem_map_free(struct spdk_mem_map **pmap)
{
    struct spdk_mem_map **link, *map = pmap != NULL ? *pmap : NULL;

    if (map == NULL)
        return;
    pthread_mutex_lock(&memkind_spdk_lock);
    for (link = &memkind_spdk_maps; *link != NULL; link = &(*link)->next)
        if (*link == map) {
            *link = map->next;
            break;
        }
    pthread_mutex_unlock(&memkind_spdk_lock);
    memkind_spdk_map_delete(map);
    *pmap = NULL;
}

/* Whether an address is memory of spdk_malloc(). */
static inline int memkind_spdk_is_ours(void *address)
{
    const memkind_t kind = memkind_detect_kind(address);
    memkind_t one;
    int32_t node;
    unsigned shared;

    if (kind == NULL)
        return 0;
    SPDK_ENV_FOREACH_NUMA_ID(node)
    {
        for (shared = 0; shared <= MEMKIND_OPTION_SHARED; shared += MEMKIND_OPTION_SHARED)
            if (memkind_dma_kind(node, shared, &one) == MEMKIND_SUCCESS && one == kind)
                return 1;
    }
    return 0;
}

/* Tells all maps of memory of the caller's, which stays mapped and in place. -EINVAL for what is not whole pages of 4 KiB;
 * -EBUSY for what is registered in part, as all memory of spdk_malloc() is; -ENOMEM; what a callback refuses it with. */
static inline int spdk_mem_register(void *vaddr, size_t len)
{
    struct memkind_spdk_region *region, **link;
    struct spdk_mem_map *map, *undo;
    char *start = (char *)vaddr;
    int status = 0;

    if (((uintptr_t)vaddr | len) % 4096 != 0 || (uintptr_t)vaddr + len < len)
        return -EINVAL;
    if (len == 0)
        return 0;
    region = (struct memkind_spdk_region *)malloc(sizeof(*region));
    if (region == NULL)
        return -ENOMEM;
    region->next = NULL;
    region->start = start;
    region->size = len;
    pthread_mutex_lock(&memkind_spdk_lock);
    for (link = &memkind_spdk_regions; *link != NULL; link = &(*link)->next)
        if (start < (*link)->start + (*link)->size && (*link)->start < start + len)
            status = -EBUSY;
    if (memkind_spdk_is_ours(start) || memkind_spdk_is_ours(start + len - 1))
        status = -EBUSY;
    for (map = memkind_spdk_maps; map != NULL && status == 0; map = map->next) {
        int code;

        memkind_spdk_refusal = 0;
        code = memkind_map_add(map->ranges, vaddr, len);
        if (code == MEMKIND_SUCCESS)
            continue;
        status = code == MEMKIND_ERROR_INVALID ? -EBUSY : memkind_spdk_refusal < 0 ? memkind_spdk_refusal : -ENOMEM;
        for (undo = memkind_spdk_maps; undo != map; undo = undo->next)
            memkind_map_remove(undo->ranges, vaddr, len);
    }
    if (status == 0)
        *link = region;
    pthread_mutex_unlock(&memkind_spdk_lock);
    if (status != 0)
        free(region);
    return status;
}

/* Tells all maps that memory goes: one or several regions, whole. -EINVAL for what is not registered, -ERANGE for a part. */
static inline int spdk_mem_unregister(void *vaddr, size_t len)
{
    struct memkind_spdk_region *region, **link;
    struct spdk_mem_map *map;
    char *place, *start = (char *)vaddr;
    int status = 0;

    if (((uintptr_t)vaddr | len) % 4096 != 0 || (uintptr_t)vaddr + len < len)
        return -EINVAL;
    pthread_mutex_lock(&memkind_spdk_lock);
    for (place = start; place < start + len && status == 0;) {
        status = -EINVAL;
        for (region = memkind_spdk_regions; region != NULL; region = region->next)
            if (region->start <= place && place < region->start + region->size) {
                status = region->start != place || region->size > (size_t)(start + len - place) ? -ERANGE : 0;
                place += region->size;
                break;
            }
    }
    for (link = &memkind_spdk_regions; status == 0 && *link != NULL;) {
        region = *link;
        if (region->start < start || region->start >= start + len) {
            link = &region->next;
            continue;
        }
        for (map = memkind_spdk_maps; map != NULL; map = map->next)
            memkind_map_remove(map->ranges, region->start, region->size);
        *link = region->next;
        free(region);
    }
    pthread_mutex_unlock(&memkind_spdk_lock);
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
