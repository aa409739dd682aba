/* SPDX-License-Identifier: BSD-2-Clause */
/* When the backing file may not grow any further, the kind goes on in another file. Item 34.
 * Difference: 1.14.0 leaves the descriptors of the earlier files open when the kind is destroyed. */
#include "pmem.h"

#include <signal.h>
#include <sys/resource.h>

#define N_BLOCKS 10

int main(void)
{
    const struct rlimit limit = {10 * MIB, 10 * MIB};
    char *blocks[N_BLOCKS];
    const int first_free = dup(0);

    CHECK_INT(0, close(first_free));
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &limit));
    memkind_t kind = make_pmem(test_dir(), 64 * MIB);
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 4 * MIB);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        fill(blocks[i], 4 * MIB, i);
    }
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        CHECK(holds(blocks[i], 4 * MIB, i));
        memkind_free(kind, blocks[i]);
    }
    CHECK_NOT_NULL(memkind_malloc(kind, 4 * MIB));
    CHECK_INT(0, memkind_destroy_kind(kind));
    for (int fd = first_free; fd < first_free + 20 && !original(); fd++) {
        CHECK_INT(-1, fcntl(fd, F_GETFD));
    }
    return 0;
}
