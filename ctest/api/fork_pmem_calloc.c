/* SPDX-License-Identifier: BSD-2-Clause */
/* In a forked child calloc of a file-backed kind gives zeroes, whatever the parent writes meanwhile to
 * pages that the child has not touched. The original's child shares the parent's heap. */
#include "check.h"

#include <sys/wait.h>

enum { SIZE = 100000, N_BLOCKS = 20 };

int main(void)
{
    int to_child[2], status;
    char byte = 0;

    if (original()) {
        SKIP("1.14.0 lets the child write into its parent's heap");
    }
    memkind_t kind = make_pmem("/dev/shm", 64 * MIB);
    memkind_free(kind, memkind_malloc(kind, SIZE));
    CHECK_INT(0, pipe(to_child));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(1, read(to_child[0], &byte, 1));
        for (int n = 0; n < N_BLOCKS; n++) {
            const unsigned char *block = memkind_calloc(kind, 1, SIZE);

            CHECK_NOT_NULL(block);
            for (size_t i = 0; i < SIZE; i++) {
                CHECK_INT(0, block[i]);
            }
        }
        _exit(0);
    }
    for (int n = 0; n < N_BLOCKS; n++) {
        void *block = memkind_malloc(kind, SIZE);

        CHECK_NOT_NULL(block);
        memset(block, 0xff, SIZE);
    }
    CHECK_INT(1, write(to_child[1], &byte, 1));
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
