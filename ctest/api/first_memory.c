/* SPDX-License-Identifier: BSD-2-Clause */
/* The first small blocks of a process come from memory of the library's, for which jemalloc need not
 * start. They are blocks of MEMKIND_DEFAULT like any: known, counted, resized, zeroed, given back and
 * used again, also by other threads, in a forked child, and when jemalloc has started. */
#include "check.h"

#include <pthread.h>

enum { BLOCKS = 200, STEPS = 60000 };

/* What jemalloc maps when it starts, and what an arena takes: 2 MiB and more, and writable. */
static int large_mappings(void)
{
    char line[4096];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end, inode;
        char mode[5];
        CHECK_INT(4, sscanf(line, "%lx-%lx %4s %*s %*s %lu", &start, &end, mode, &inode));
        n += inode == 0 && mode[1] == 'w' && end - start >= 2 * MIB && strstr(line, "[stack]") == NULL &&
             strstr(line, "[heap]") == NULL;
    }
    fclose(maps);
    return n;
}

static size_t allocated(void)
{
    size_t bytes;

    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(0, memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED, &bytes));
    return bytes;
}

static void starts_nothing(void)
{
    void *blocks[BLOCKS];

    /* The static data of the library may be so large that it looks like a mapping. */
    const int before = large_mappings();
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(MEMKIND_DEFAULT, i == 9 ? 40 * KIB : 3 * i + 1);
        CHECK_NOT_NULL(blocks[i]);
        CHECK(memkind_detect_kind(blocks[i]) == MEMKIND_DEFAULT);
        memset(blocks[i], 1, memkind_malloc_usable_size(MEMKIND_DEFAULT, blocks[i]));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        memkind_free(i % 2 ? NULL : MEMKIND_DEFAULT, blocks[i]);
    }
    CHECK_INT(before, large_mappings());
    void *large = memkind_malloc(MEMKIND_DEFAULT, MIB);
    CHECK_NOT_NULL(large);
    CHECK(large_mappings() > before);
    memkind_free(NULL, large);
}

/* A block, of bytes that all have the same value. */
struct block {
    unsigned char *start;
    size_t size;
    unsigned char value;
};

static void check_block(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++) {
        if (block->start[i] != block->value) {
            CHECK_INT(block->value, block->start[i]);
        }
    }
}

static void paint(struct block *block, size_t size, unsigned value)
{
    block->size = size;
    block->value = (unsigned char)value;
    memset(block->start, block->value, size);
}

/* Random requests, small at first, that need more memory by and by than there is at first. */
static void *use(void *unused)
{
    struct block blocks[BLOCKS] = {{NULL, 0, 0}};
    unsigned random = 1;

    for (unsigned step = 0; step < STEPS; step++) {
        random = random * 1103515245 + 12345;
        struct block *block = &blocks[(random >> 16) % BLOCKS];
        const size_t most = step < STEPS / 2 ? 300 : 60 * KIB;
        const size_t size = 1 + (size_t)(random >> 8) % most / (1 + (random >> 28));
        check_block(block);
        switch ((random >> 4) % 4) {
        case 0:
            memkind_free(NULL, block->start);
            block->start = memkind_calloc(MEMKIND_DEFAULT, 1, size);
            CHECK_NOT_NULL(block->start);
            block->size = size;
            block->value = 0;
            check_block(block);
            break;
        case 1: {
            const size_t kept = size < block->size ? size : block->size;
            block->start = memkind_realloc(MEMKIND_DEFAULT, block->start, size);
            CHECK_NOT_NULL(block->start);
            block->size = kept;
            check_block(block);
            break;
        }
        case 2:
            memkind_free(MEMKIND_DEFAULT, block->start);
            CHECK_INT(0, memkind_posix_memalign(MEMKIND_DEFAULT, (void **)&block->start, 256, size));
            CHECK_INT(0, (uintptr_t)block->start % 256);
            break;
        default:
            memkind_free(NULL, block->start);
            block->start = memkind_malloc(MEMKIND_DEFAULT, size);
            CHECK_NOT_NULL(block->start);
        }
        CHECK(memkind_malloc_usable_size(NULL, block->start) >= size);
        paint(block, size, step);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        check_block(&blocks[i]);
        memkind_free(NULL, blocks[i].start);
    }
    return unused;
}

static void is_counted(void)
{
    void *block = memkind_malloc(MEMKIND_DEFAULT, 1000);
    void *more = memkind_malloc(MEMKIND_DEFAULT, 5000);
    size_t active;

    CHECK(block != NULL && more != NULL);
    CHECK_INT(1024 + 5120, allocated());
    CHECK_INT(0, memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ACTIVE, &active));
    CHECK(active >= 1024 + 5120 && active % 4096 == 0);
    memkind_free(NULL, more);
    CHECK_INT(1024, allocated());
    memkind_free(NULL, block);
    CHECK_INT(0, allocated());
    use(NULL);
    CHECK_INT(0, allocated());
}

static void uses(void)
{
    use(NULL);
}

static void serves_threads(void)
{
    pthread_t threads[3];
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    CHECK_NOT_NULL(block);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, use, NULL));
    }
    /* Here jemalloc was started by another thread. */
    use(NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    memkind_free(MEMKIND_DEFAULT, block);
}

static void serves_children(void)
{
    struct block block = {memkind_malloc(MEMKIND_DEFAULT, 3000), 0, 0};

    CHECK_NOT_NULL(block.start);
    paint(&block, 3000, 7);
    CHECK_CHILD(run_forked(uses));
    check_block(&block);
    use(NULL);
    CHECK_CHILD(run_forked(uses));
    check_block(&block);
    memkind_free(NULL, block.start);
}

int main(void)
{
    if (!original()) {
        CHECK_CHILD(run_forked(starts_nothing));
        CHECK_CHILD(run_forked(is_counted));
    }
    CHECK_CHILD(run_forked(uses));
    CHECK_CHILD(run_forked(serves_threads));
    CHECK_CHILD(run_forked(serves_children));
    return 0;
}
