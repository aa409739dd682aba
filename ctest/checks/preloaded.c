/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that knows nothing of kinds, with a fault that its argument names. Says first on standard output what is
 * to be said about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *hidden(void *block)
{
    char *volatile same = block;
    return same;
}

int main(int argc, char **argv)
{
    char *block = malloc(10);
    const char *const fault = argc > 1 ? argv[1] : "";
    const char *const kind = argc > 2 ? argv[2] : "";

    setvbuf(stdout, NULL, _IONBF, 0);
    if (block == NULL) {
        return 1;
    }
    if (strcmp(fault, "overflow") == 0) {
        printf("memkind: byte 0 behind 10 bytes at %p (kind %s) was written to\n", (void *)block, kind);
        hidden(block)[10] = 1;
        free(block);
    } else if (strcmp(fault, "double") == 0) {
        printf("memkind: double free of 10 bytes at %p (kind %s)\n", (void *)block, kind);
        free(block);
        free(hidden(block));
    } else if (strcmp(fault, "interior") == 0) {
        printf("memkind: free of %p, which is byte 1 of 10 bytes at %p (kind %s)\n", (void *)(block + 1),
               (void *)block, kind);
        free(hidden(block + 1));
    } else if (strcmp(fault, "use") == 0) {
        printf("memkind: byte 0 of freed 10 bytes at %p (kind %s) was written to\n", (void *)block, kind);
        free(block);
        hidden(block)[0] = 1;
    } else {
        for (size_t i = 1; i < 100000; i += i / 3 + 1) {
            block = realloc(block, i);
            memset(block, 1, i);
        }
        free(block);
    }
    return 0;
}
