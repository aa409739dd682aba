/* SPDX-License-Identifier: BSD-2-Clause */
/* The decorators of libmemtier(3) are called once a call with what the function did.
 * link: -rdynamic */
#include "memtier.h"

static int calls;
static memkind_t seen_kind;
static size_t seen_size, seen_n;
static void *seen_block;

static void seen(memkind_t kind, size_t size, void *block)
{
    calls++;
    seen_kind = kind;
    seen_size = size;
    seen_block = block;
}

void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result);
void memtier_kind_calloc_post(memkind_t kind, size_t n, size_t size, void **result);
void memtier_kind_posix_memalign_post(memkind_t kind, void **block, size_t alignment, size_t size, int *error);
void memtier_kind_realloc_post(memkind_t *kind, void *block, size_t size, void **result);
void memtier_kind_free_pre(void **block);
void memtier_kind_usable_size_post(void **block, size_t size);

void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result)
{
    seen(kind, size, *result);
}

void memtier_kind_calloc_post(memkind_t kind, size_t n, size_t size, void **result)
{
    seen_n = n;
    seen(kind, size, *result);
}

void memtier_kind_posix_memalign_post(memkind_t kind, void **block, size_t alignment, size_t size, int *error)
{
    seen_n = alignment;
    CHECK_INT(0, *error);
    seen(kind, size, *block);
}

void memtier_kind_realloc_post(memkind_t *kind, void *block, size_t size, void **result)
{
    (void)block;
    seen(*kind, size, *result);
}

void memtier_kind_free_pre(void **block)
{
    seen(NULL, 0, *block);
}

void memtier_kind_usable_size_post(void **block, size_t size)
{
    seen(NULL, size, *block);
}

static void check_seen(memkind_t kind, size_t size, void *block)
{
    CHECK_INT(1, calls);
    CHECK_PTR(kind, seen_kind);
    CHECK_INT(size, seen_size);
    CHECK_PTR(block, seen_block);
    calls = 0;
}

int main(void)
{
    void *block;

    if (original()) {
        SKIP("the distribution builds without decorators");
    }
    block = memtier_kind_malloc(MEMKIND_REGULAR, 1000);
    CHECK_NOT_NULL(block);
    check_seen(MEMKIND_REGULAR, 1000, block);
    CHECK_INT(1024, memtier_usable_size(block));
    check_seen(NULL, 1024, block);
    block = memtier_kind_realloc(MEMKIND_REGULAR, block, 3000);
    check_seen(MEMKIND_REGULAR, 3000, block);
    memtier_kind_free(MEMKIND_REGULAR, block);
    check_seen(NULL, 0, block);
    block = memtier_kind_calloc(MEMKIND_DEFAULT, 3, 50);
    CHECK_INT(3, seen_n);
    check_seen(MEMKIND_DEFAULT, 50, block);
    memtier_free(block);
    check_seen(NULL, 0, block);
    CHECK_INT(0, memtier_kind_posix_memalign(MEMKIND_DEFAULT, &block, 128, 60));
    CHECK_INT(128, seen_n);
    check_seen(MEMKIND_DEFAULT, 60, block);
    memtier_kind_free(NULL, block);
    check_seen(NULL, 0, block);

    struct memtier_memory *memory = build(two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 1));
    block = memtier_malloc(memory, 100);
    check_seen(MEMKIND_DEFAULT, 100, block);
    block = memtier_realloc(memory, block, 200);
    check_seen(MEMKIND_DEFAULT, 200, block);
    memtier_free(block);
    check_seen(NULL, 0, block);
    memtier_delete_memtier_memory(memory);

    /* Also when blocks are cached, and when operations could be counted in advance. */
    for (memtier_policy_t policy = 0; policy < MEMTIER_POLICY_MAX_VALUE; policy++) {
        memory = build(two_tiers(policy, 1, 1));
        for (int i = 0; i < 200; i++) {
            block = memtier_malloc(memory, 100);
            check_seen(memkind_detect_kind(block), 100, block);
            memtier_free(block);
            check_seen(NULL, 0, block);
        }
        memtier_delete_memtier_memory(memory);
    }
    return 0;
}
