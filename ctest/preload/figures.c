/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc_trim gives back at once what is free, also what another thread has freed; mallinfo, mallinfo2, malloc_info
 * and malloc_stats tell how much is allocated. With a preload library: run by family.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), _exit(1)))

#define MIB ((size_t)1 << 20)

enum { SMALL = 1000, N_SMALL = 64 * 1024, LARGE = 1 << 20, N_LARGE = 32 };

static void *small[N_SMALL];
static void *large[N_LARGE];
static const size_t in_all = (size_t)SMALL * N_SMALL + (size_t)LARGE * N_LARGE;
static pthread_barrier_t freed, trimmed;

static void one_library(void)
{
    static const char *const names[] = {"malloc_trim", "mallinfo", "mallinfo2", "malloc_info", "malloc_stats"};
    Dl_info first, other;

    CHECK(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &first) != 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, names[i]);
        CHECK(symbol != NULL && dladdr(symbol, &other) != 0);
        CHECK(strcmp(first.dli_fname, other.dli_fname) == 0);
    }
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%*s %zu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

static void *allocate(void *unused)
{
    for (int i = 0; i < N_SMALL; i++) {
        small[i] = malloc(SMALL);
        CHECK(small[i] != NULL);
        memset(small[i], 1, SMALL);
    }
    for (int i = 0; i < N_LARGE; i++) {
        large[i] = malloc(LARGE);
        CHECK(large[i] != NULL);
        memset(large[i], 1, LARGE);
    }
    return unused;
}

static void *release(void *unused)
{
    for (int i = 0; i < N_SMALL; i++) {
        free(small[i]);
    }
    for (int i = 0; i < N_LARGE; i++) {
        free(large[i]);
    }
    return unused;
}

/* A thread that has nothing to do after it has freed: its caches stay full. */
static void *in_a_thread(void *unused)
{
    allocate(NULL);
    release(NULL);
    pthread_barrier_wait(&freed);
    pthread_barrier_wait(&trimmed);
    return unused;
}

/* The last number that stands behind `key` in a text. */
static size_t last(const char *text, const char *key)
{
    const char *found = NULL;

    for (const char *next = strstr(text, key); next != NULL; next = strstr(next + 1, key)) {
        found = next;
    }
    CHECK(found != NULL);
    return strtoull(found + strlen(key), NULL, 10);
}

static size_t by_malloc_info(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    CHECK(file != NULL && malloc_info(0, file) == 0);
    CHECK(fclose(file) == 0);
    CHECK(strncmp(text, "<malloc version=\"1\">\n", 21) == 0);
    CHECK(strcmp(text + strlen(text) - 10, "</malloc>\n") == 0);
    CHECK(strstr(text, "<heap nr=\"0\"") != NULL && strstr(text, "kind=\"memkind_") != NULL);
    const size_t used = last(text, "<system type=\"current\" size=\"") - last(text, "<total type=\"rest\" count=\"0\" size=\"");
    free(text);
    return used;
}

static size_t by_malloc_stats(void)
{
    static char text[100000];
    FILE *file = tmpfile();
    const int before = dup(2);

    CHECK(file != NULL && before >= 0 && dup2(fileno(file), 2) == 2);
    malloc_stats();
    CHECK(dup2(before, 2) == 2 && close(before) == 0);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    CHECK(strncmp(text, "memkind_", 8) == 0);
    CHECK(last(text, "system bytes     = ") >= last(text, "in use bytes     = "));
    return last(text, "in use bytes     = ");
}

/* What four functions say is allocated, less `before` of each. Ten per cent are for size classes and stdio. */
static void check_allocated(size_t before, size_t expected)
{
    const struct mallinfo2 info = mallinfo2();
    const size_t told[] = {info.uordblks, (size_t)mallinfo().uordblks, by_malloc_info(), by_malloc_stats()};

    CHECK(info.arena == info.uordblks + info.fordblks && info.keepcost <= info.fordblks);
    for (int i = 0; i < 4; i++) {
        if (told[i] + MIB < before + expected || told[i] > before + expected / 10 * 11 + MIB) {
            fprintf(stderr, "function %d tells %zu, expected %zu more than %zu\n", i, told[i], expected, before);
            _exit(1);
        }
    }
}

int main(void)
{
    pthread_t thread;

    one_library();
    const size_t before = mallinfo2().uordblks;
    CHECK(before < 8 * MIB);
    allocate(NULL);
    check_allocated(before, in_all);
    CHECK(mallinfo2().arena >= in_all);
    const size_t full = resident();
    release(NULL);
    check_allocated(before, 0);
    errno = 77;
    CHECK(malloc_trim(0) == 1 && errno == 77);
    CHECK(resident() + in_all * 9 / 10 < full);
    CHECK(mallinfo2().arena < before + in_all / 10);

    CHECK(pthread_barrier_init(&freed, NULL, 2) == 0 && pthread_barrier_init(&trimmed, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
    pthread_barrier_wait(&freed);
    CHECK(malloc_trim(0) == 1);
    CHECK(resident() + in_all * 9 / 10 < full);
    check_allocated(before, 0);
    pthread_barrier_wait(&trimmed);
    CHECK(pthread_join(thread, NULL) == 0);

    CHECK(malloc_info(1, stdout) == EINVAL);
    return 0;
}
