/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program did to a freed block above 8 MiB is not found in the next one at its place: a forked child has that one
 * and what it holds. And what the kernel refuses on the way to a block does not show in errno. */
#include "check.h"
#include "large.h"
#include "output.h"

static const size_t size = 20 * MIB;

static void check_fork(memkind_t kind, int advice)
{
    char *freed = memkind_malloc(kind, size);

    CHECK_NOT_NULL(freed);
    memset(freed, 1, size);
    /* Of a part and of all of it. */
    CHECK_INT(0, madvise(freed + 4 * MIB, advice == MADV_DONTFORK ? size - 4 * MIB : 4 * MIB, advice));
    memkind_free(kind, freed);
    const pid_t early = fork();
    CHECK(early >= 0);
    if (early == 0) {
        char *own = memkind_malloc(kind, size);
        memset(own, 4, size);
        memkind_free(kind, own);
        _exit(0);
    }
    CHECK_INT(0, child_wait(early));
    char *block = memkind_malloc(kind, size);
    CHECK_PTR(freed, block);
    memset(block, 2, size);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (size_t at = 0; at < size; at += 4096) {
            CHECK_INT(2, block[at]);
        }
        memkind_free(kind, block);
        block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        memset(block, 3, size);
        memkind_free(NULL, block);
        _exit(0);
    }
    CHECK_INT(0, child_wait(pid));
    memkind_free(kind, block);
}

/* The kernel enlarges no mapping of which a part has advice of its own: the block is copied. */
static void check_copy(memkind_t kind)
{
    char *block = memkind_malloc(kind, size);

    CHECK_NOT_NULL(block);
    memset(block, 1, size);
    CHECK_INT(0, madvise(block + 4 * MIB, 2 * MIB, MADV_DONTDUMP));
    errno = ERANGE;
    block = memkind_realloc(kind, block, 3 * size);
    CHECK_NOT_NULL(block);
    CHECK_INT(ERANGE, errno);
    CHECK_INT(1, block[size - 1]);
    memkind_free(kind, block);
    CHECK_INT(ERANGE, errno);
}

/* The kernel takes no pages back that are locked. */
static void check_locked(memkind_t kind)
{
    for (size_t n = 0; n < 3; n++) {
        char *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        memset(block, 1, size);
        CHECK_INT(0, mlock(block, size));
        memkind_free(kind, block);
        errno = ERANGE;
        block = n == 0 ? memkind_malloc(kind, size - MIB) : memkind_calloc(kind, 1, size - MIB);
        CHECK_NOT_NULL(block);
        CHECK_INT(ERANGE, errno);
        CHECK(n == 0 || all_zero(block, size - MIB));
        memkind_free(kind, block);
        CHECK_INT(ERANGE, errno);
    }
}

static void check_kind(memkind_t kind)
{
    check_fork(kind, MADV_DONTFORK);
    check_fork(kind, MADV_WIPEONFORK);
    check_copy(kind);
    void *probe = map_area(size);
    if (mlock(probe, size) == 0) {
        check_locked(kind);
    }
    munmap(probe, size);
}

int main(int argc, char **argv)
{
    if (original()) {
        SKIP("the original unmaps some and keeps others");
    }
    if (argc == 1) {
        /* Kept also on a busy machine, where seconds pass. */
        CHECK_CHILD(run_again("later", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:100000", "MEMKIND_HOG_MEMORY")));
        return 0;
    }
    check_mapping_kinds(argv[1], check_kind);
    return 0;
}
