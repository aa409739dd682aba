/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for inject with a library preloaded: whatever fails inside of the library, malloc gives a block or NULL
 * with ENOMEM, blocks keep what is in them, and each request is met once the failures are over.
 * Exit status: 0 passed, 1 failed. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                        \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            static const char text[] = "app: " #condition ", line ";                              \
            const char digits[] = {'0' + __LINE__ / 100, '0' + __LINE__ / 10 % 10, '0' + __LINE__ % 10, '\n'}; \
            (void)!write(2, text, sizeof(text) - 1);                                              \
            (void)!write(2, digits, 4);                                                           \
            _exit(1);                                                                             \
        }                                                                                         \
    } while (0)

enum { N = 60 };

static size_t size_of(int i)
{
    return (size_t)(i * i * i) * 2 + 1;
}

static void use_blocks(void)
{
    char *blocks[N] = {NULL};

    for (int i = 0; i < N; i++) {
        errno = 0;
        blocks[i] = i % 3 == 0 ? calloc(1, size_of(i)) : i % 3 == 1 ? malloc(size_of(i)) : aligned_alloc(64, size_of(i));
        if (blocks[i] == NULL) {
            REQUIRE(errno == ENOMEM);
            continue;
        }
        if (i % 3 == 0) {
            REQUIRE(blocks[i][0] == 0 && blocks[i][size_of(i) - 1] == 0);
        }
        memset(blocks[i], i, size_of(i));
    }
    for (int i = 0; i < N; i++) {
        char *moved = blocks[i] != NULL ? realloc(blocks[i], size_of(i) * 2) : NULL;

        if (blocks[i] != NULL && moved == NULL) {
            REQUIRE(errno == ENOMEM);
        }
        blocks[i] = moved != NULL ? moved : blocks[i];
    }
    for (int i = 0; i < N; i++) {
        if (blocks[i] != NULL) {
            REQUIRE(blocks[i][0] == i && blocks[i][size_of(i) - 1] == i);
            free(blocks[i]);
        }
    }
}

static void *in_thread(void *unused)
{
    (void)unused;
    use_blocks();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int status;

    use_blocks();
    if (pthread_create(&thread, NULL, in_thread, NULL) == 0) {
        REQUIRE(pthread_join(thread, NULL) == 0);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        use_blocks();
        _exit(0);
    }
    REQUIRE(pid < 0 || (waitpid(pid, &status, 0) == pid && status == 0));
    use_blocks();
    return 0;
}
