/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library frees what it kept for a thread when all destructors of keys have run: that must not leave
 * anything of the thread behind. Run by family.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM = 50, THREADS = 1500 };

/* Each of these leaves a text of the thread's own. */
static void *work(void *argument)
{
    if (strsignal(1000) == NULL || strerror(12345) == NULL || dlopen("/nowhere.so", RTLD_NOW) != NULL) {
        abort();
    }
    return argument;
}

static int run(int n_threads)
{
    for (int i = 0; i < n_threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) != 0 || pthread_join(thread, NULL) != 0) {
            return -1;
        }
    }
    return 0;
}

static long pages(void)
{
    long n_pages = -1;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%ld", &n_pages) != 1) {
        abort();
    }
    fclose(file);
    return n_pages;
}

int main(void)
{
    if (run(WARM) != 0) {
        return 1;
    }
    const long before = pages();
    if (run(THREADS) != 0) {
        return 1;
    }
    const long more = pages() - before;
    if (more > THREADS) {
        fprintf(stderr, "%d threads left %ld pages of addresses\n", THREADS, more);
        return 1;
    }
    return 0;
}
