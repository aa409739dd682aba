/* SPDX-License-Identifier: BSD-2-Clause */
/* The accounting is exact with a thousand threads that allocate, and with others that free. */
#include "memtier.h"
#include "threads.h"

#define N_THREADS 1000
#define N_BLOCKS 5000

static struct memtier_memory *memory;
static void *blocks[N_THREADS][N_BLOCKS];

static void *allocate(void *own)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        ((void **)own)[i] = memtier_malloc(memory, 16);
        CHECK_NOT_NULL(((void **)own)[i]);
    }
    return NULL;
}

/* Takes one block from every other thread's. */
static void *release(void *own)
{
    const size_t n = (size_t)((void **)own - blocks[0]) / N_BLOCKS;

    for (size_t i = 0; i < N_BLOCKS; i++) {
        memtier_free(blocks[(n + i) % N_THREADS][i]);
    }
    return NULL;
}

static void in_threads(void *(*body)(void *))
{
    static pthread_t threads[N_THREADS];
    pthread_attr_t attributes;

    CHECK_INT(0, pthread_attr_init(&attributes));
    set_stack(&attributes, 64 * KIB);
    for (int i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], &attributes, body, blocks[i]));
    }
    for (int i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
}

int main(void)
{
    memory = build(two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 3));
    in_threads(allocate);
    const size_t regular = memtier_kind_allocated_size(MEMKIND_REGULAR);
    CHECK_INT(16L * N_THREADS * N_BLOCKS, memtier_kind_allocated_size(MEMKIND_DEFAULT) + regular);
    CHECK(regular > 0);
    in_threads(release);
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_DEFAULT));
    CHECK_INT(0, memtier_kind_allocated_size(MEMKIND_REGULAR));
    memtier_delete_memtier_memory(memory);
    return 0;
}
