/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls each of the functions of jemalloc that libmemkind.a has, and prints what does not depend on addresses:
 * the original's archive and this one are to print the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <memkind.h>
#ifndef ORIGINAL
#include <memkind_ext.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void *jemk_malloc(size_t size);
void *jemk_calloc(size_t num, size_t size);
void *jemk_realloc(void *block, size_t size);
void jemk_free(void *block);
int jemk_posix_memalign(void **place, size_t alignment, size_t size);
void *jemk_aligned_alloc(size_t alignment, size_t size);
void *jemk_memalign(size_t alignment, size_t size);
void *jemk_valloc(size_t size);
size_t jemk_malloc_usable_size(const void *block);
void *jemk_mallocx(size_t size, int flags);
void *jemk_rallocx(void *block, size_t size, int flags);
size_t jemk_xallocx(void *block, size_t size, size_t extra, int flags);
size_t jemk_sallocx(const void *block, int flags);
void jemk_dallocx(void *block, int flags);
void jemk_sdallocx(void *block, size_t size, int flags);
size_t jemk_nallocx(size_t size, int flags);
int jemk_mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len);
int jemk_mallctlnametomib(const char *name, size_t *mib, size_t *len);
int jemk_mallctlbymib(const size_t *mib, size_t len, void *old, size_t *old_len, void *new, size_t new_len);
void jemk_malloc_stats_print(void (*write)(void *, const char *), void *opaque, const char *options);
unsigned jemk_arenalookupx(const void *block);
int jemk_check_reallocatex(const void *block);

#define ZERO 0x40
#define NO_CACHE 0x100
#define ARENA(n) (((int)(n) + 1) << 20)

static int failures;

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #condition);      \
            failures++;                                                      \
        }                                                                    \
    } while (0)

static bool all(const void *block, size_t from, size_t to, int byte)
{
    for (size_t i = from; i < to; i++) {
        if (((const unsigned char *)block)[i] != byte) {
            return false;
        }
    }
    return true;
}

static const size_t sizes[] = {0, 1, 8, 9, 100, 4096, 5000, 14 * 1024, 70000, 300000, 1 << 20};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void standard_functions(void)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        char *block = jemk_malloc(sizes[i]);
        CHECK(block != NULL && jemk_malloc_usable_size(block) >= sizes[i]);
        printf("%zu: %zu", sizes[i], jemk_malloc_usable_size(block));
        memset(block, 7, sizes[i]);
        jemk_free(block);
        block = jemk_calloc(3, sizes[i]);
        CHECK(block != NULL && all(block, 0, 3 * sizes[i], 0));
        memset(block, 9, 3 * sizes[i]);
        block = jemk_realloc(block, 7 * sizes[i] + 1);
        CHECK(block != NULL && all(block, 0, 3 * sizes[i], 9));
        printf(" %zu\n", jemk_malloc_usable_size(block));
        jemk_free(block);
    }
    jemk_free(NULL);
    printf("usable size of NULL: %zu\n", jemk_malloc_usable_size(NULL));
    void *block = jemk_realloc(NULL, 10);
    CHECK(block != NULL);
    printf("realloc to 0: %p\n", jemk_realloc(block, 0));
    errno = 0;
    printf("calloc, overflow: %p", jemk_calloc(SIZE_MAX / 2, 3));
    printf(" %d\n", errno);
    errno = 0;
    printf("malloc, too large: %p", jemk_malloc(SIZE_MAX));
    printf(" %d\n", errno);
}

static void alignments(void)
{
    for (size_t alignment = 8; alignment <= 64 * 1024; alignment *= 4) {
        for (size_t i = 0; i < N_SIZES; i++) {
            void *blocks[3] = {NULL, jemk_aligned_alloc(alignment, sizes[i]), jemk_memalign(alignment, sizes[i])};
            CHECK(jemk_posix_memalign(&blocks[0], alignment, sizes[i]) == 0);
            for (int j = 0; j < 3; j++) {
                CHECK(blocks[j] != NULL && (sizes[i] == 0 || (uintptr_t)blocks[j] % alignment == 0));
                CHECK(jemk_malloc_usable_size(blocks[j]) >= sizes[i]);
                jemk_free(blocks[j]);
            }
        }
    }
    void *block = &block;
    printf("posix_memalign: %d", jemk_posix_memalign(&block, 24, 10));
    printf(" %d", jemk_posix_memalign(&block, 4, 10));
    printf(" %d", jemk_posix_memalign(&block, 64, SIZE_MAX));
    printf(", untouched: %d\n", block == (void *)&block);
    printf("aligned_alloc, memalign: %p %p\n", jemk_aligned_alloc(24, 10), jemk_memalign(24, 10));
    block = jemk_valloc(5);
    CHECK(block != NULL && (uintptr_t)block % 4096 == 0);
    jemk_free(block);
}

/* Blocks of more than 8 MiB: what is usable differs between the two, what is promised of it does not. */
static void large_blocks(void)
{
    const size_t size = (20 << 20) + 1;
    char *block = jemk_mallocx(size, ZERO);
    CHECK(block != NULL && jemk_sallocx(block, 0) == jemk_nallocx(size, 0) && jemk_sallocx(block, 0) >= size);
    CHECK(all(block, 0, jemk_sallocx(block, 0), 0));
    memset(block, 6, size);
    CHECK(jemk_xallocx(block, jemk_sallocx(block, 0), 0, 0) == jemk_sallocx(block, 0));
    block = jemk_rallocx(block, 2 * size, ZERO);
    CHECK(block != NULL && jemk_sallocx(block, 0) == jemk_nallocx(2 * size, 0));
    CHECK(all(block, 0, size, 6) && all(block, size, 2 * size, 0));
    block = jemk_realloc(block, 100);
    CHECK(block != NULL && all(block, 0, 100, 6));
    jemk_free(block);
}

/* Functions with flags: alignment, zeroes, no cache, and an arena of the program's own. */
static void functions_with_flags(int place)
{
    for (int alignment = 0; alignment <= 14; alignment += 7) {
        for (size_t i = 1; i < N_SIZES; i++) {
            const int flags = alignment | place;
            char *block = jemk_mallocx(sizes[i], flags | ZERO);
            size_t usable = jemk_sallocx(block, flags);
            CHECK(block != NULL && (uintptr_t)block % (1 << alignment) == 0 && all(block, 0, usable, 0));
            CHECK(usable == jemk_nallocx(sizes[i], flags));
            printf("%d %zu: %zu", alignment, sizes[i], usable);
            memset(block, 5, usable);
            block = jemk_rallocx(block, 2 * sizes[i] + 1, flags | ZERO);
            const size_t larger = jemk_sallocx(block, flags);
            CHECK(block != NULL && (uintptr_t)block % (1 << alignment) == 0);
            CHECK(all(block, 0, usable, 5) && all(block, usable, larger, 0));
            CHECK(larger == jemk_nallocx(2 * sizes[i] + 1, flags));
            printf(" %zu", larger);
            /* Where it is: always to its own size, to a smaller one by pages only. */
            CHECK(jemk_xallocx(block, larger, 0, flags) == larger);
            if (alignment == 0) {
                usable = jemk_xallocx(block, sizes[i], 0, flags);
                CHECK(usable == jemk_sallocx(block, flags) && usable <= larger);
                CHECK(usable == larger || larger > 14 * 1024);
                printf(" %zu", usable);
                if (jemk_xallocx(block, sizes[i], 4 * sizes[i], flags | ZERO) > usable) {
                    CHECK(all(block, larger, jemk_sallocx(block, flags), 0));
                }
                CHECK(all(block, 0, sizes[i], 5));
            }
            puts("");
            if (i % 2 == 0) {
                jemk_dallocx(block, place);
            } else {
                jemk_sdallocx(block, jemk_sallocx(block, 0), place);
            }
        }
    }
}

static size_t figure(const char *name)
{
    size_t value = 0, by_number = 0, len = sizeof(value), mib[4], n = 4;
    uint64_t epoch = 1;

    CHECK(jemk_mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) == 0);
    CHECK(jemk_mallctl(name, &value, &len, NULL, 0) == 0);
    CHECK(jemk_mallctlnametomib(name, mib, &n) == 0 && n == 2);
    CHECK(jemk_mallctlbymib(mib, n, &by_number, &len, NULL, 0) == 0);
    CHECK(value == by_number);
    return value;
}

/* After many blocks were freed, in caches or not: what the figures say of them. */
static void controls(void)
{
    enum { N = 20000, SIZE = 1000 };
    static char *blocks[N];
    size_t len = sizeof(unsigned);
    unsigned arena = 0;

    jemk_free(jemk_malloc(1));
    const size_t before = figure("stats.allocated");
    for (int i = 0; i < N; i++) {
        blocks[i] = jemk_malloc(SIZE);
        blocks[i][0] = 1;
    }
    const size_t with = figure("stats.allocated");
    CHECK(with >= before + N * SIZE && with < before + N * SIZE * 11 / 10);
    CHECK(figure("stats.active") >= with && figure("stats.resident") >= with);
    for (int i = 0; i < N; i++) {
        jemk_free(blocks[i]);
    }
    CHECK(figure("stats.allocated") < before + N * SIZE / 10);
    printf("no such control: %d\n", jemk_mallctl("no.such", NULL, NULL, NULL, 0));

    CHECK(jemk_mallctl("arenas.create", &arena, &len, NULL, 0) == 0);
    functions_with_flags(ARENA(arena) | NO_CACHE);
    void *block = jemk_mallocx(100, ARENA(arena) | NO_CACHE);
    CHECK(jemk_arenalookupx(block) == arena);
    block = jemk_realloc(block, 100000);
    CHECK(block != NULL);
    jemk_free(block);

    /* An arena that a block of malloc's comes from may be named too. */
    block = jemk_malloc(100);
    const unsigned of_default = jemk_arenalookupx(block);
    jemk_free(block);
    for (int i = 0; i < 1000; i++) {
        blocks[i] = jemk_mallocx(16 + i % 100 * 16, ARENA(of_default) | NO_CACHE);
        CHECK(blocks[i] != NULL && jemk_arenalookupx(blocks[i]) == of_default);
        memset(blocks[i], i, 16 + i % 100 * 16);
    }
    for (int i = 0; i < 1000; i++) {
        CHECK(all(blocks[i], 0, 16 + i % 100 * 16, i % 256));
        jemk_free(blocks[i]);
    }
    /* Whatever their pages held before, they are not handed out for another size. */
    for (int i = 0; i < N; i++) {
        blocks[i] = jemk_malloc(SIZE);
        memset(blocks[i], i, SIZE);
    }
    for (int i = 0; i < N; i++) {
        CHECK(all(blocks[i], 0, SIZE, i % 256));
        jemk_free(blocks[i]);
    }
}

/* Of pages that hold one block of many, some blocks are worth moving. */
static void sparse_pages(void)
{
    enum { N = 40000 };
    static void *blocks[N];
    int n_worthwhile = 0;

    for (int i = 0; i < N; i++) {
        blocks[i] = jemk_malloc(96);
    }
    for (int i = 0; i < N; i++) {
        if (i >= N / 2 && i % 50 != 0) {
            jemk_free(blocks[i]);
        }
    }
    for (int i = N / 2; i < N; i += 50) {
        n_worthwhile += jemk_check_reallocatex(blocks[i]) != 0;
    }
    printf("worth moving: %s\n", n_worthwhile > 0 ? "some" : "none");
    for (int i = 0; i < N; i++) {
        if (i < N / 2 || i % 50 == 0) {
            jemk_free(blocks[i]);
        }
    }
}

static void count(void *length, const char *text)
{
    *(size_t *)length += strlen(text);
}

#ifndef ORIGINAL
/* What is cut off a block of a kind that overwrites what is freed is overwritten: a pipe has its last page. */
static void cut_off(size_t size, size_t to)
{
    struct memkind_config *config = memkind_config_new();
    char page[4096];
    memkind_t kind;
    int ends[2];

    memkind_config_set_options(config, MEMKIND_OPTION_WIPE);
    CHECK(memkind_create_with_config(config, &kind) == 0);
    memkind_config_delete(config);
    char *block = memkind_malloc(kind, size);
    memset(block, 0x5a, size);
    CHECK(pipe(ends) == 0);
    CHECK(vmsplice(ends[1], &(struct iovec){block + size - 4096, 4096}, 1, 0) == 4096);
    CHECK(jemk_xallocx(block, to, 0, 0) >= to);
    memkind_free(kind, block);
    CHECK(read(ends[0], page, 4096) == 4096 && all(page, 0, 4096, 0));
    close(ends[0]);
    close(ends[1]);
    CHECK(memkind_destroy_kind(kind) == 0);
}
#endif

int main(void)
{
    size_t length = 0;

    standard_functions();
    large_blocks();
    alignments();
    functions_with_flags(0);
    functions_with_flags(NO_CACHE);
    controls();
    sparse_pages();
    jemk_malloc_stats_print(count, &length, NULL);
    CHECK(length > 1000);
    length = 0;
    jemk_malloc_stats_print(count, &length, "J");
    CHECK(length > 1000);

    /* Blocks of both interfaces are the same kind's. */
    void *block = jemk_malloc(100);
#ifndef ORIGINAL
    CHECK(memkind_detect_kind(block) == MEMKIND_DEFAULT);
    cut_off(64 << 20, 9 << 20);
    cut_off(4 << 20, 1 << 20);
#endif
    memkind_free(MEMKIND_DEFAULT, block);
    jemk_free(memkind_malloc(MEMKIND_DEFAULT, 100));
    return failures != 0;
}
