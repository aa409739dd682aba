/* SPDX-License-Identifier: BSD-2-Clause */
/* When the backing file may not grow any further, the kind goes on in another file.
 * Difference: 1.14.0 leaves the descriptors of the earlier files open when the kind is destroyed. */
#include "pmem.h"

#include <signal.h>
#include <sys/resource.h>

#define N_BLOCKS 11
#define N_DESCRIPTORS 64

static void limit_files(rlim_t size)
{
    const struct rlimit limit = {size, RLIM_INFINITY};

    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &limit));
}

/* Also where the limit is reached exactly when all addresses in the first mappings of the file are used. */
static void check_unlimited_kind(size_t size)
{
    memkind_t kind;

    limit_files(size);
    kind = make_pmem(test_dir(), 0);
    for (unsigned i = 0; i < 300; i++) {
        CHECK_NOT_NULL(memkind_malloc(kind, MIB));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* A request that no file can hold does not keep others from what is left. */
static void check_refusals(void)
{
    char *blocks[4];

    limit_files(40 * MIB);
    memkind_t kind = make_pmem(test_dir(), 0);
    CHECK_NOT_NULL(memkind_malloc(kind, 20 * MIB));
    for (unsigned i = 0; i < 4; i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (50 + 100 * i) * MIB));
        blocks[i] = memkind_malloc(kind, 5 * MIB);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], 5 * MIB, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK(holds(blocks[i], 5 * MIB, i));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_limited_kind(void)
{
    char *blocks[N_BLOCKS];
    bool open_before[N_DESCRIPTORS];

    for (int fd = 0; fd < N_DESCRIPTORS; fd++) {
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    }
    limit_files(40 * MIB);
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
}

int main(void)
{
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    check_refusals();
    check_limited_kind();
    check_unlimited_kind(48 * MIB);
    check_unlimited_kind(64 * MIB);
    check_unlimited_kind(176 * MIB);
    check_unlimited_kind(192 * MIB);
    return 0;
}
