/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens many modules with thread-local storage while threads allocate: the dynamic linker must grow its
 * table for each thread, and allocates for it in the middle of an access to thread-local storage. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int stop;
static pthread_barrier_t barrier;

static void *allocate(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    while (!stop) {
        void *volatile block = malloc(100);
        free(block);
        usleep(100);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    char path[4096];

    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, allocate, NULL);
    }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 60; i++) {
        snprintf(path, sizeof path, "%s/tls_module_%d.so", argc > 1 ? argv[1] : ".", i);
        void *module = dlopen(path, RTLD_NOW);
        if (module == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        int (*touch)(void) = (int (*)(void))dlsym(module, "touch");
        if (touch() != 1) {
            return 1;
        }
        free(malloc(1000));
        if (i % 3 == 0) {
            dlclose(module);
        }
    }
    stop = 1;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
