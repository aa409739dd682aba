/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole malloc family of the C library, with a preload library: it is interposed without gaps,
 * keeps to its manual, and leaves blocks of other allocators to these. Run by family.sh, which
 * compiles it without libmemkind: an ordinary program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), _exit(1)))

/* The compiler knows these functions and would leave calls out. */
static void *(*volatile malloc_)(size_t) = malloc;
static void *(*volatile calloc_)(size_t, size_t) = calloc;
static void *(*volatile realloc_)(void *, size_t) = realloc;
static void *(*volatile reallocarray_)(void *, size_t, size_t) = reallocarray;
static void *(*volatile aligned_alloc_)(size_t, size_t) = aligned_alloc;
static void *(*volatile memalign_)(size_t, size_t) = memalign;
static void *(*volatile valloc_)(size_t) = valloc;
static void *(*volatile pvalloc_)(size_t) = pvalloc;
static int (*volatile posix_memalign_)(void **, size_t, size_t) = posix_memalign;
static void (*volatile free_)(void *) = free;

extern void *__libc_malloc(size_t);

static int aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

/* Every name comes from the same library, so no block can reach the wrong free. */
static void one_library(void)
{
    static const char *const names[] = {"calloc", "realloc", "reallocarray", "free", "posix_memalign",
                                        "aligned_alloc", "memalign", "valloc", "pvalloc",
                                        "malloc_usable_size", "cfree"};
    Dl_info first, other;

    CHECK(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &first) != 0);
    const char *preload = getenv("LD_PRELOAD");
    if (preload == NULL || *preload == '\0') {
        return;
    }
    CHECK(strstr(first.dli_fname, "libmemtier") != NULL || strstr(first.dli_fname, "libautohbw") != NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        CHECK(symbol != NULL && dladdr(symbol, &other) != 0);
        CHECK(strcmp(first.dli_fname, other.dli_fname) == 0);
    }
    /* Where the C library does not have them, ours are there all the same. */
    void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*free_aligned_sized)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    CHECK(free_sized != NULL && free_aligned_sized != NULL);
    free_sized(malloc_(10), 10);
    free_aligned_sized(aligned_alloc_(64, 128), 64, 128);
}

static void size_zero(void)
{
    void *blocks[7];

    blocks[0] = malloc_(0);
    blocks[1] = calloc_(0, 8);
    blocks[2] = calloc_(8, 0);
    blocks[3] = realloc_(NULL, 0);
    blocks[4] = aligned_alloc_(64, 0);
    blocks[5] = memalign_(32, 0);
    CHECK(posix_memalign_(&blocks[6], 16, 0) == 0);
    for (int i = 0; i < 7; i++) {
        CHECK(blocks[i] != NULL);
        for (int j = 0; j < i; j++) {
            CHECK(blocks[i] != blocks[j]);
        }
    }
    for (int i = 0; i < 7; i++) {
        free_(blocks[i]);
    }
    /* As glibc does it. */
    errno = 0;
    CHECK(realloc_(malloc_(10), 0) == NULL && errno == 0);
    void *page = pvalloc_(0);
    CHECK(page != NULL);
    free_(page);
    free_(valloc_(0));
}

static void alignments(void)
{
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        for (size_t size = 1; size <= 1 << 20; size *= 32) {
            char *block = aligned_alloc_(alignment, size);
            char *other = memalign_(alignment, size);
            CHECK(block != NULL && aligned(block, alignment) && malloc_usable_size(block) >= size);
            CHECK(other != NULL && aligned(other, alignment));
            block[0] = block[size - 1] = 1;
            block = realloc_(block, size * 3);
            CHECK(block != NULL && block[0] == 1 && block[size - 1] == 1);
            free_(block);
            free_(other);
        }
    }
    void *block = memalign_(48, 100);
    CHECK(block != NULL && aligned(block, 64));
    free_(block);
    errno = 0;
    CHECK(memalign_(SIZE_MAX, 1) == NULL && errno == EINVAL);
    size_t page = (size_t)getpagesize();
    void *whole = valloc_(100);
    void *rounded = pvalloc_(page + 1);
    CHECK(aligned(whole, page) && aligned(rounded, page) && malloc_usable_size(rounded) >= 2 * page);
    free_(whole);
    free_(rounded);

    void *untouched = &page;
    errno = 77;
    CHECK(posix_memalign_(&untouched, 3, 8) == EINVAL && untouched == &page && errno == 77);
    CHECK(posix_memalign_(&untouched, 4, 8) == EINVAL);
    CHECK(posix_memalign_(&untouched, 0, 8) == EINVAL);
    CHECK(posix_memalign_(&untouched, 64, SIZE_MAX / 2) == ENOMEM && errno == 77);
}

static void too_much(void)
{
    void *block = malloc_(100);

    memset(block, 5, 100);
    errno = 0;
    CHECK(malloc_(SIZE_MAX) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc_(SIZE_MAX / 2, 4) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc_(block, SIZE_MAX - 100) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray_(block, SIZE_MAX / 2, 4) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(pvalloc_(SIZE_MAX - 10) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc_(64, SIZE_MAX - 10) == NULL && errno == ENOMEM);
    for (int i = 0; i < 100; i++) {
        CHECK(((char *)block)[i] == 5);
    }
    block = reallocarray_(block, 50, 10);
    CHECK(block != NULL && ((char *)block)[99] == 5);
    errno = 78;
    free_(block);
    CHECK(errno == 78);
    free_(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
}

/* Blocks that the C library's own malloc has made go back there. */
static void foreign(void)
{
    for (size_t size = 1; size < 1 << 20; size *= 3) {
        char *block = __libc_malloc(size);
        memset(block, 9, size);
        CHECK(malloc_usable_size(block) >= size);
        block = realloc_(block, size * 2);
        CHECK(block != NULL && block[size - 1] == 9);
        free_(block);
        free_(__libc_malloc(size));
    }
}

static void *churn(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;
    unsigned char *blocks[64] = {0};
    size_t sizes[64];

    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;
        unsigned n = random >> 8 & 63;
        if (blocks[n] != NULL) {
            CHECK(blocks[n][0] == n && blocks[n][sizes[n] - 1] == n);
            free_(blocks[n]);
        }
        sizes[n] = 1 + (random >> 14) % (i % 100 == 0 ? 300000 : 3000);
        blocks[n] = i % 3 == 0 ? calloc_(1, sizes[n]) : i % 3 == 1 ? malloc_(sizes[n]) : memalign_(64, sizes[n]);
        CHECK(blocks[n] != NULL);
        blocks[n][0] = blocks[n][sizes[n] - 1] = (unsigned char)n;
    }
    for (int i = 0; i < 64; i++) {
        free_(blocks[i]);
    }
    if (random & 1) {
        pthread_exit(NULL);
    }
    return NULL;
}

static void at_thread_exit(void *block)
{
    /* After the allocator's own destructors, or before. */
    free_(block);
    free_(malloc_(100));
}

static void *with_destructor(void *unused)
{
    pthread_key_t key;

    (void)unused;
    CHECK(pthread_key_create(&key, at_thread_exit) == 0);
    CHECK(pthread_setspecific(key, malloc_(1000)) == 0);
    return malloc_(10);
}

static void *leave(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static void threads_and_forks(void)
{
    pthread_t threads[4];
    void *result;

    /* The first pthread_exit(3) loads libgcc_s. A child that is forked meanwhile has a linker in disorder, with any
     * allocator. */
    CHECK(pthread_create(&threads[0], NULL, leave, NULL) == 0 && pthread_join(threads[0], NULL) == 0);
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i * 7 + 1)) == 0);
    }
    for (int i = 0; i < 10; i++) {
        char *block = malloc_(5000);
        strcpy(block, "before the fork");
        pid_t child = i % 2 ? fork() : vfork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i % 2) {
                CHECK(strcmp(block, "before the fork") == 0);
                strcpy(block, "in the child");
                churn((void *)5);
            }
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(strcmp(block, "before the fork") == 0);
        free_(block);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK(pthread_create(&threads[0], NULL, with_destructor, NULL) == 0);
        CHECK(pthread_join(threads[0], &result) == 0);
        free_(result);
    }
}

static char *from_constructor;

__attribute__((constructor(101))) static void early(void)
{
    from_constructor = malloc_(100);
    strcpy(from_constructor, "constructed");
}

__attribute__((destructor(101))) static void late(void)
{
    CHECK(strcmp(from_constructor, "constructed") == 0);
    free_(from_constructor);
    for (int i = 0; i < 100; i++) {
        free_(calloc_(10, 10));
    }
}

static void at_exit_(void)
{
    free_(malloc_(100000));
}

int main(void)
{
    atexit(at_exit_);
    one_library();
    size_zero();
    alignments();
    too_much();
    foreign();
    threads_and_forks();
    return 0;
}
