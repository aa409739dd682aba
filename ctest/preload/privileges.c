/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that gives up its privileges goes on allocating; so do its threads, and a child of its own.
 * usage: privileges       as root, else there is nothing to give up */
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int dropped;
extern char **environ;

/* 400 MiB, so that new memory is needed, files grow and new ones are made. */
static void allocate(void)
{
    enum { N = 400 };
    char *blocks[N];

    for (int i = 0; i < N; i++) {
        blocks[i] = malloc(1 << 20);
        if (blocks[i] == NULL) {
            perror("malloc");
            exit(2);
        }
        memset(blocks[i], i, 4096);
    }
    for (int i = 0; i < N; i++) {
        if (blocks[i][4095] != (char)i) {
            exit(3);
        }
        free(blocks[i]);
    }
}

static void *other(void *unused)
{
    (void)unused;
    while (!dropped) {
        void *volatile block = malloc(1000);
        free(block);
    }
    for (int i = 0; i < 100; i++) {
        void *volatile block = calloc(1000, 100);
        free(block);
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pid_t child;
    int status;

    if (getuid() != 0) {
        printf("only root can give up privileges\n");
        return 77;
    }
    pthread_create(&thread, NULL, other, NULL);
    if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
        printf("setuid is not allowed here\n");
        return 77;
    }
    dropped = 1;
    allocate();
    pthread_join(thread, NULL);
    child = fork();
    if (child == 0) {
        allocate();
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0) {
        return 4;
    }
    char *arguments[] = {"true", NULL};
    if (posix_spawnp(&child, "true", NULL, NULL, arguments, environ) != 0 ||
        waitpid(child, &status, 0) != child || status != 0) {
        return 5;
    }
    return 0;
}
