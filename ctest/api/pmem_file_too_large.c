/* SPDX-License-Identifier: BSD-2-Clause */
/* When the backing file may not grow any further, the kind goes on in another file.
 * Difference: 1.14.0 leaves the descriptors of the earlier files open when the kind is destroyed. */
#include "pmem.h"

#include <signal.h>
#include <sys/resource.h>

#define N_BLOCKS 11
#define N_DESCRIPTORS 64

int main(void)
{
    const struct rlimit limit = {40 * MIB, 40 * MIB};
    char *blocks[N_BLOCKS];
    bool open_before[N_DESCRIPTORS];

    for (int fd = 0; fd < N_DESCRIPTORS; fd++) {
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    }
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &limit));
    memkind_t kind = make_pmem(test_dir(), 256 * MIB);
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
    for (int fd = 0; fd < N_DESCRIPTORS && !original(); fd++) {
        CHECK_INT(open_before[fd], fcntl(fd, F_GETFD) >= 0);
    }
    return 0;
}
