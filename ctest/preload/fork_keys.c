// SPDX-License-Identifier: BSD-2-Clause
// fork(2) in a program with many keys for thread-specific data: for a key beyond the first 32 the C library calls calloc
// when a thread first has a value for it. First the main thread forks beside another one, then a thread that has never
// allocated.
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int is_right, int status)
{
    if (!is_right) {
        _exit(status);
    }
}

static void *fork_here(void *unused)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        char *volatile block = malloc(100000);
        _exit(block == NULL);
    }
    check(child > 0 && waitpid(child, &status, 0) == child && status == 0, 2);
    return unused;
}

static void *wait_for_end(void *end)
{
    char byte;

    check(read(((int *)end)[0], &byte, 1) == 0, 3);
    return NULL;
}

int main(void)
{
    pthread_key_t key;
    pthread_t thread, other;
    int end[2];

    alarm(100);
    for (int i = 0; i < 40; i++) {
        check(pthread_key_create(&key, NULL) == 0, 4);
    }
    check(pipe(end) == 0 && pthread_create(&other, NULL, wait_for_end, end) == 0, 5);
    fork_here(NULL);
    free(malloc(300000));
    check(pthread_create(&thread, NULL, fork_here, NULL) == 0 && pthread_join(thread, NULL) == 0, 6);
    close(end[1]);
    pthread_join(other, NULL);
    return 0;
}
