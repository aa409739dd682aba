/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions for tests of file-backed kinds: the record behind a kind, its file, and filling a kind up. */
#ifndef MEMKIND_CTEST_PMEM_H
#define MEMKIND_CTEST_PMEM_H

#include "threads.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

/* The head of the record that programs read through a kind's `priv`. */
struct pmem_record {
    int fd;
    off_t offset;
    size_t max_size;
    pthread_mutex_t lock;
    size_t current_size;
    const char *dir;
};

_Static_assert(offsetof(struct pmem_record, current_size) == 24 + sizeof(pthread_mutex_t), "the record's layout");

static inline const struct pmem_record *pmem_record(memkind_t kind)
{
    const struct pmem_record *record;

    memcpy(&record, (const char *)kind + 104, sizeof(record));
    CHECK_NOT_NULL(record);
    return record;
}

static inline uint32_t pmem_arena_zero(memkind_t kind)
{
    uint32_t arena;

    memcpy(&arena, (const char *)kind + 116, sizeof(arena));
    return arena;
}

static inline const char *kind_name(memkind_t kind)
{
    return (const char *)kind + 12;
}

/* The bytes that the file system has given to the kind's file. */
static inline size_t pmem_file_bytes(memkind_t kind)
{
    struct stat status;

    CHECK_INT(0, fstat(pmem_record(kind)->fd, &status));
    return (size_t)status.st_blocks * 512;
}

static inline bool keeps_all_memory(void)
{
    const char *hog = getenv("MEMKIND_HOG_MEMORY");
    return hog != NULL && hog[0] == '1';
}

static inline memkind_t make_pmem_with_policy(const char *dir, size_t size, memkind_mem_usage_policy policy)
{
    memkind_t kind = NULL;
    struct memkind_config *config = memkind_config_new();

    CHECK_NOT_NULL(config);
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, size);
    memkind_config_set_memory_usage_policy(config, policy);
    CHECK_INT(0, memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
    CHECK_NOT_NULL(kind);
    return kind;
}

/* Allocates blocks of `size` until none fits, and returns how many. Each block's start links to the
 * block before: `*last` is for release_all. */
static inline size_t fill_up(memkind_t kind, size_t size, void **last)
{
    size_t count = 0;
    void *block;

    while (errno = 0, (block = memkind_malloc(kind, size)) != NULL) {
        memcpy(block, last, sizeof(*last));
        *last = block;
        count++;
    }
    CHECK_INT(ENOMEM, errno);
    return count;
}

static inline void release_all(memkind_t kind, void **last)
{
    while (*last != NULL) {
        void *block = *last;
        memcpy(last, block, sizeof(*last));
        memkind_free(kind, block);
    }
}

struct having_one {
    memkind_t kind;
    pthread_barrier_t all;
};

static inline void *have_one(void *argument)
{
    struct having_one *having = argument;
    char *block = memkind_malloc(having->kind, 64);

    CHECK_NOT_NULL(block);
    *block = 1;
    pthread_barrier_wait(&having->all);
    pthread_barrier_wait(&having->all);
    memkind_free(having->kind, block);
    return NULL;
}

/* Runs `work` while 24 other threads have a small block of the kind each. */
static inline void while_many_have_one(memkind_t kind, void (*work)(void))
{
    enum { THREADS = 24 };
    struct having_one having = {.kind = kind};
    pthread_t threads[THREADS];

    CHECK_INT(0, pthread_barrier_init(&having.all, NULL, THREADS + 1));
    start_threads(threads, THREADS, have_one, &having, 0);
    pthread_barrier_wait(&having.all);
    work();
    pthread_barrier_wait(&having.all);
    join_threads(threads, THREADS);
    CHECK_INT(0, pthread_barrier_destroy(&having.all));
}

/* Asks for blocks of `size` bytes of a full kind for 0.8 s of CPU time, after which the heap seldom searches for one.
 * Each time the block of a page at `page`, unless that is NULL, is freed and taken again, so that only a search can
 * tell the heap that nothing has changed. */
static inline void refuse_for_long(memkind_t kind, size_t size, void **page)
{
    struct timespec begun, now;

    CHECK_INT(0, clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun));
    do {
        if (page != NULL) {
            memkind_free(kind, *page);
            *page = memkind_malloc(kind, HEAP_PAGE);
            CHECK_NOT_NULL(*page);
        }
        while (memkind_malloc(kind, size) != NULL) {
        }
        CHECK_INT(0, clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
    } while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 800);
}

#endif
