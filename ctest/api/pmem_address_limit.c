/* SPDX-License-Identifier: BSD-2-Clause */
/* A file-backed kind has as much as a limit on addresses allows (RLIMIT_AS), however large it may become;
 * where what is mapped is locked (mlockall), it maps in proportion to what it has. */
#include "pmem.h"
#include "process.h"

#include <sys/mman.h>

static size_t take_blocks(memkind_t kind, size_t size, size_t most)
{
    size_t bytes = 0;
    char *block;

    while (bytes < most && (block = memkind_malloc(kind, size)) != NULL) {
        *block = 1;
        bytes += size;
    }
    return bytes;
}

static void limit_addresses(size_t bytes)
{
    const struct rlimit limit = {bytes, bytes};
    CHECK_INT(0, setrlimit(RLIMIT_AS, &limit));
}

static void under_limit(size_t size, size_t block, size_t part)
{
    limit_addresses(512 * MIB);
    memkind_t kind = make_pmem(test_dir(), size);
    CHECK(take_blocks(kind, block, 1 * GIB) >= part);
    /* Smaller ones find room between those. */
    CHECK(take_blocks(kind, 4 * KIB, 1 * MIB) == 1 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void one_gib(void)
{
    under_limit(1 * GIB, 1 * MIB, 420 * MIB);
}

static void eight_gib(void)
{
    under_limit(8 * GIB, 1 * MIB, 420 * MIB);
}

static void no_limit(void)
{
    under_limit(0, 1 * MIB, 420 * MIB);
}

/* Where in the page map the addresses lie: some places need records that the limit has to leave room for. */
static size_t shift;

static void at_another_place(void)
{
    CHECK(shift == 0 || mmap(NULL, shift, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
    limit_addresses(512 * MIB + shift);
    CHECK(take_blocks(make_pmem(test_dir(), 0), 1 * MIB, 1 * GIB) >= 420 * MIB);
}

static void large_blocks(void)
{
    under_limit(8 * GIB, 100 * MIB, 300 * MIB);
}

static void locked(void)
{
    struct rlimit limit;

    if (mlockall(MCL_FUTURE) != 0) {
        _exit(77);
    }
    CHECK_INT(0, getrlimit(RLIMIT_MEMLOCK, &limit));
    memkind_t kind = make_pmem(test_dir(), 0);
    const size_t before = address_space();
    if (memkind_malloc(kind, 100) == NULL) {
        /* The library's own records need more than that. */
        CHECK(limit.rlim_cur <= 16 * MIB);
        _exit(77);
    }
    CHECK(address_space() - before <= 40 * MIB);
    if (take_blocks(kind, 1 * MIB, 32 * MIB) == 32 * MIB) {
        CHECK(address_space() - before <= 128 * MIB);
    } else {
        CHECK(limit.rlim_cur <= 96 * MIB);
    }
    _exit(0);
}

/* In a process of its own; false if it could not be tried. */
static bool run(void (*work)(void))
{
    int status;
    const pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        work();
        _exit(0);
    }
    CHECK_INT(child, waitpid(child, &status, 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        return false;
    }
    CHECK_INT(0, status);
    return true;
}

int main(void)
{
    CHECK(run(one_gib));
    CHECK(run(eight_gib));
    CHECK(run(no_limit));
    if (!original()) {
        CHECK(run(large_blocks));
        for (shift = 0; shift < 1 * GIB; shift += 64 * MIB) {
            CHECK(run(at_another_place));
        }
        if (!run(locked)) {
            printf("mlockall: not tried, too little may be locked here\n");
        }
    }
    return 0;
}
