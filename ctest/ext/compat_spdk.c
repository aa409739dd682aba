/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names for memory on this library: what its functions demand and give.
 * compile: -Ibuild/include/memkind/compat
 */
#include "kind.h"
#include "spdk/env.h"
#include "spdk/log.h"

static void blocks(void)
{
    uint64_t offset, size;
    void *block = spdk_zmalloc(100000, 64, NULL, SPDK_ENV_SOCKET_ID_ANY, SPDK_MALLOC_DMA);

    CHECK(aligned(block, 64) && all_zero(block, 100000));
    fill(block, 100000, 3);
    block = spdk_realloc(block, 200000, 64);
    CHECK(holds(block, 100000, 3));
    block = spdk_realloc(block, 300000, 4096);
    CHECK(aligned(block, 4096) && holds(block, 100000, 3));
    CHECK_NULL(spdk_dma_realloc(block, 10, 0, &size));
    block = spdk_dma_realloc(block, 10, 0, NULL);
    CHECK(holds(block, 10, 3));
    size = 1 << 30;
    CHECK(spdk_mem_get_numa_id(block, &size) >= 0 && size == 4096 - (uintptr_t)block % 4096);
    size = 5;
    CHECK(spdk_mem_get_numa_id((char *)block - (uintptr_t)block % 4096, &size) >= 0 && size == 5);
    CHECK_INT(-EINVAL, spdk_mem_get_fd_and_offset(block, &offset));
    size = 4096;
    (void)spdk_vtophys(block, &size);
    spdk_free(block);
    spdk_free(NULL);

    /* As SPDK demands. */
    CHECK_NULL(spdk_malloc(100, 64, NULL, 0, 0));
    CHECK_NULL(spdk_malloc(100, 64, &size, 0, SPDK_MALLOC_DMA));
    block = spdk_malloc(4096, 4096, NULL, 7, SPDK_MALLOC_DMA | SPDK_MALLOC_SHARE);
    CHECK(aligned(block, 4096) && spdk_mem_get_fd_and_offset(block, &offset) >= 0);
    spdk_free(block);
    block = spdk_dma_zmalloc(1000, 0, NULL);
    CHECK(all_zero(block, 1000));
    spdk_dma_free(block);
    block = spdk_dma_zmalloc_socket(1000, 0, NULL, 0);
    CHECK(all_zero(block, 1000));
    spdk_dma_free(block);
    SPDK_INFOLOG("memory", "%d\n", 1);
    SPDK_DEBUGLOG(memory, "%d\n", 1);
}

/* The nodes are those that the system names. */
static void nodes(void)
{
    char path[64];
    int32_t id, last = -1;
    int n_nodes = 0;

    SPDK_ENV_FOREACH_NUMA_ID(id)
    {
        CHECK(id > last);
        last = id;
        n_nodes++;
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", id);
        CHECK(access(path, F_OK) == 0 || (id == 0 && access("/sys/devices/system/node", F_OK) != 0));
    }
    CHECK(n_nodes > 0);
    CHECK_INT(last, spdk_env_get_last_numa_id());
    CHECK_INT(last + 1, spdk_env_get_socket_count());
    CHECK_INT(INT32_MAX, spdk_env_get_next_numa_id(last));
    CHECK(spdk_env_get_current_core() == SPDK_ENV_LCORE_ID_ANY);
}

struct seen {
    struct spdk_mempool *pool;
    unsigned n;
    size_t bytes;
};

static void initialise(struct spdk_mempool *pool, void *seen_, void *object, unsigned index)
{
    struct seen *seen = seen_;

    CHECK(seen->pool == NULL || seen->pool == pool);
    CHECK_INT(seen->n, index);
    CHECK(aligned(object, 64));
    seen->n++;
    memset(object, 5, 1000);
}

static void add_up(struct spdk_mempool *pool, void *seen_, void *address, uint64_t iova, size_t length, unsigned index)
{
    struct seen *seen = seen_;

    CHECK_PTR(seen->pool, pool);
    CHECK_INT(seen->n, index);
    CHECK(iova == SPDK_VTOPHYS_ERROR || (iova ^ (uintptr_t)address) % 4096 == 0);
    seen->n++;
    seen->bytes += length;
    memset(address, 6, length);
}

static void pools(void)
{
    enum { COUNT = 5000 };
    static void *objects[COUNT + 1];
    struct seen seen = {NULL, 0, 0};
    struct spdk_mempool *pool = spdk_mempool_create_ctor("first", COUNT, 1000, SPDK_MEMPOOL_DEFAULT_CACHE_SIZE,
                                                         SPDK_ENV_NUMA_ID_ANY, initialise, &seen);

    CHECK_NOT_NULL(pool);
    CHECK_INT(COUNT, seen.n);
    CHECK_STR("first", spdk_mempool_get_name(pool));
    CHECK_PTR(pool, spdk_mempool_lookup("first"));
    CHECK_NULL(spdk_mempool_lookup("second"));
    CHECK_NULL(spdk_mempool_create("first", 10, 10, 0, 0));
    CHECK_PTR(pool, spdk_mempool_lookup("first"));
    CHECK_NULL(spdk_mempool_create("a name that has thirty letters", 10, 10, 0, 0));
    CHECK_NULL(spdk_mempool_create("none", 0, 10, 0, 0));
    CHECK_NULL(spdk_mempool_create("none", 10, 0, 0, 0));
    CHECK_NULL(spdk_mempool_create("none", SIZE_MAX / 2, 64, 0, 0));
    CHECK_NULL(spdk_mempool_create("none", 2, (size_t)1 << 45, 0, 0));
    CHECK_NULL(spdk_mempool_lookup("none"));

    CHECK_INT(COUNT, spdk_mempool_count(pool));
    for (int i = 0; i < COUNT - 100; i++) {
        objects[i] = spdk_mempool_get(pool);
        CHECK_NOT_NULL(objects[i]);
        CHECK(((char *)objects[i])[999] == 5);
    }
    CHECK_INT(100, spdk_mempool_count(pool));
    CHECK_INT(-ENOENT, spdk_mempool_get_bulk(pool, objects + COUNT - 100, 101));
    CHECK_INT(0, spdk_mempool_get_bulk(pool, objects + COUNT - 100, 100));
    CHECK_INT(0, spdk_mempool_get_bulk(pool, objects + COUNT, 0));
    CHECK_NULL(spdk_mempool_get(pool));
    CHECK_INT(0, spdk_mempool_count(pool));

    seen = (struct seen){pool, 0, 0};
    CHECK_INT(COUNT, spdk_mempool_obj_iter(pool, initialise, &seen));
    CHECK_INT(COUNT, seen.n);
    seen = (struct seen){pool, 0, 0};
    CHECK(spdk_mempool_mem_iter(pool, add_up, &seen) == seen.n);
    CHECK(seen.n > 0 && seen.bytes == (size_t)COUNT * 1024);
    for (int i = 0; i < COUNT; i++)
        CHECK(((char *)objects[i])[0] == 6 && ((char *)objects[i])[999] == 6);

    spdk_mempool_put(pool, objects[0]);
    spdk_mempool_put_bulk(pool, objects + 1, COUNT - 1);
    CHECK_INT(COUNT, spdk_mempool_count(pool));
    spdk_mempool_free(pool);
    spdk_mempool_free(NULL);
    CHECK_NULL(spdk_mempool_lookup("first"));
}

int main(void)
{
    blocks();
    nodes();
    pools();
    return 0;
}
