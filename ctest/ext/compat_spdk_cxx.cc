/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names as C++.
 * standard: c++11
 * compile: -Ibuild/include/memkind/compat */
#include <spdk/env.h>
#include <spdk/log.h>

int main()
{
    struct spdk_mem_map *map = spdk_mem_map_alloc(0, nullptr, nullptr);
    struct spdk_mempool *pool = spdk_mempool_create("pool", 10, 100, 0, SPDK_ENV_NUMA_ID_ANY);
    void *block = spdk_dma_zmalloc(4096, 4096, nullptr);

    if (map == nullptr || pool == nullptr || block == nullptr || spdk_mempool_count(pool) != 10) {
        SPDK_ERRLOG("no memory\n");
        return 1;
    }
    spdk_dma_free(block);
    spdk_mempool_free(pool);
    spdk_mem_map_free(&map);
    return spdk_mem_register(block, 1) == -EINVAL ? 0 : 1;
}
