/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that knows nothing of libmemkind, with a preload library of it: what it and the C library allocate comes
 * from libmemkind, and blocks of the C library's own malloc go back there. Exit status 1 and a line where that fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*detect)(void *);

static void check(int line, int holds)
{
    if (!holds) {
        fprintf(stderr, "preloaded.c:%d\n", line);
        exit(1);
    }
}
#define CHECK(condition) check(__LINE__, (condition))

static void *allocate(void *unused)
{
    for (size_t size = 1; size < 100000; size += size / 2 + 1) {
        char *block = malloc(size);

        CHECK(block != NULL && detect(block) != NULL);
        memset(block, 1, size);
        block = realloc(block, 3 * size);
        CHECK(block != NULL && detect(block) != NULL && block[size - 1] == 1);
        free(block);
    }
    return unused;
}

int main(void)
{
    pthread_t threads[4];
    void *aligned = NULL;

    *(void **)&detect = dlsym(RTLD_DEFAULT, "memkind_detect_kind");
    CHECK(detect != NULL);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, allocate, NULL) == 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    char *copy = strdup("by the C library");
    CHECK(copy != NULL && detect(copy) != NULL);
    free(copy);
    CHECK(posix_memalign(&aligned, 4096, 100) == 0 && (size_t)aligned % 4096 == 0 && detect(aligned) != NULL);
    free(aligned);

    /* Under this name musl's loader knows itself. */
    void *library = dlopen("libc.so", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(library != NULL);
    void *(*own)(size_t);
    *(void **)&own = dlsym(library, "malloc");
    CHECK(own != NULL);
    char *block = own(1000);
    CHECK(block != NULL && detect(block) == NULL);
    memset(block, 2, 1000);
    block = realloc(block, 100000);
    CHECK(block != NULL && detect(block) == NULL && block[999] == 2);
    free(block);
    return 0;
}
