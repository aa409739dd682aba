/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses up the room that the dynamic linker keeps for thread-local storage of modules opened late, then
 * allocates in old and new threads: with a preloaded library, which has its place, and, given the name
 * of libmemkind, with one that is opened when there is none left.
 * usage: tls_static DIRECTORY [LIBRARY] */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *(*take)(void *, size_t);
static void (*give)(void *, void *);
static void *kind;
static pthread_barrier_t barrier;

static void *plain_take(void *unused, size_t size)
{
    (void)unused;
    return malloc(size);
}

static void plain_give(void *unused, void *block)
{
    (void)unused;
    free(block);
}

static void *allocate(void *late)
{
    char *blocks[500];

    if (late == NULL) {
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 500; i++) {
            blocks[i] = take(kind, 1 + i * 37 % 5000);
            if (blocks[i] == NULL) {
                exit(2);
            }
            memset(blocks[i], (int)i, 1 + i * 37 % 5000);
        }
        for (size_t i = 0; i < 500; i++) {
            if ((unsigned char)blocks[i][i * 37 % 5000] != (unsigned char)i) {
                exit(3);
            }
            give(kind, blocks[i]);
        }
    }
    return NULL;
}

static void use_up(const char *directory, const char *name)
{
    char path[4096];
    for (int i = 0; i < 60; i++) {
        snprintf(path, sizeof path, "%s/%s_%d.so", directory, name, i);
        if (dlopen(path, RTLD_NOW) == NULL) {
            const char *reason = dlerror();
            if (strstr(reason, "static TLS") == NULL) {
                fprintf(stderr, "%s\n", reason);
                exit(4);
            }
            return;
        }
    }
    fprintf(stderr, "the room for thread-local storage has no end\n");
    exit(5);
}

int main(int argc, char **argv)
{
    pthread_t threads[4];

    if (argc < 2) {
        return 6;
    }
    take = plain_take;
    give = plain_give;
    pthread_barrier_init(&barrier, NULL, 3);
    pthread_create(&threads[0], NULL, allocate, NULL);
    pthread_create(&threads[1], NULL, allocate, NULL);
    pthread_barrier_wait(&barrier);
    use_up(argv[1], "tls_static");
    use_up(argv[1], "tls_tiny");
    if (argc > 2) {
        void *library = dlopen(argv[2], RTLD_NOW);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 7;
        }
        take = (void *(*)(void *, size_t))dlsym(library, "memkind_malloc");
        give = (void (*)(void *, void *))dlsym(library, "memkind_free");
        kind = *(void **)dlsym(library, "MEMKIND_DEFAULT");
    }
    pthread_barrier_wait(&barrier);
    pthread_create(&threads[2], NULL, allocate, &barrier);
    pthread_create(&threads[3], NULL, allocate, &barrier);
    allocate(&barrier);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
