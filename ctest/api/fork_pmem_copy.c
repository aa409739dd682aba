/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PMEM_FORK_COPY: a forked child begins with its parent's file-backed data as of the fork, and
 * from then on neither sees what the other writes: in both directions, in a child of a child, with two
 * kinds, and on a file system that has no room for a copy. */
#include "pmem.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <time.h>

enum { N = 300, COPY = 1 };

static char *blocks[2][N];
static memkind_t kinds[2];
static int gate[2];
/* Nothing more may fit. */
static bool full;

static size_t size_of(unsigned i)
{
    return i % 20 == 0 ? 600 * KIB : 1 + i * 997 % 30000;
}

static void check_blocks(unsigned seed)
{
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < N; i++) {
            if (!holds(blocks[k][i], size_of(i), seed + i)) {
                FAIL("block %u of kind %u does not hold what was written by %u", i, k, seed);
            }
        }
    }
}

static void write_blocks(unsigned seed)
{
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < N; i++) {
            fill(blocks[k][i], size_of(i), seed + i);
        }
    }
}

static void use_heap(void)
{
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < N; i++) {
            char *more = memkind_malloc(kinds[k], 5000);
            if (more == NULL && full) {
                continue;
            }
            CHECK_NOT_NULL(more);
            memset(more, 0x77, 5000);
            CHECK_PTR(kinds[k], memkind_detect_kind(more));
            if (i % 2) {
                memkind_free(NULL, more);
            }
            char *moved = memkind_realloc(kinds[k], blocks[k][i], 2 * size_of(i));
            CHECK(moved != NULL || full);
            blocks[k][i] = moved != NULL ? moved : blocks[k][i];
        }
    }
}

static void grandchild(void)
{
    check_blocks(100);
    write_blocks(120);
    use_heap();
    check_blocks(120);
}

static void child(void)
{
    char byte;

    /* The parent writes first. */
    CHECK_INT(1, read(gate[0], &byte, 1));
    check_blocks(0);
    write_blocks(100);
    CHECK_INT(0, run_forked(grandchild));
    check_blocks(100);
    use_heap();
    check_blocks(100);
}

static void check_fork(const char *dir, size_t limit)
{
    check_context = dir;
    for (unsigned k = 0; k < 2; k++) {
        kinds[k] = make_pmem(dir, limit);
        for (unsigned i = 0; i < N; i++) {
            blocks[k][i] = memkind_malloc(kinds[k], size_of(i));
            CHECK_NOT_NULL(blocks[k][i]);
        }
    }
    write_blocks(0);
    CHECK_INT(0, pipe(gate));
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        child();
        _exit(0);
    }
    write_blocks(50);
    CHECK_INT(1, write(gate[1], "", 1));
    CHECK_INT(0, child_wait(pid));
    check_blocks(50);
    use_heap();
    check_blocks(50);
    for (unsigned k = 0; k < 2; k++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[k]));
    }
    close(gate[0]);
    close(gate[1]);
    check_context = NULL;
}

static memkind_t unused;

static void child_uses_first(void)
{
    char byte;
    char *block = memkind_malloc(unused, 5000);

    CHECK_NOT_NULL(block);
    memset(block, 'c', 5000);
    CHECK_INT(1, read(gate[0], &byte, 1));
    CHECK(block[0] == 'c' && memcmp(block, block + 1, 4999) == 0);
}

/* The first use of a kind is after the fork, in both. */
static void check_unused(const char *dir)
{
    unused = make_pmem(dir, 0);
    CHECK_INT(0, pipe(gate));
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        child_uses_first();
        _exit(0);
    }
    char *block = memkind_malloc(unused, 5000);
    CHECK_NOT_NULL(block);
    memset(block, 'p', 5000);
    CHECK_INT(1, write(gate[1], "", 1));
    CHECK_INT(0, child_wait(pid));
    CHECK(block[0] == 'p' && memcmp(block, block + 1, 4999) == 0);
    CHECK_INT(0, memkind_destroy_kind(unused));
    close(gate[0]);
    close(gate[1]);
}

/* Both kinds together take more than half of the file system: not all copies fit, but parent and child must not notice. */
static void in_full_file_system(void)
{
    char dir[] = "/tmp/memkind-fork-XXXXXX";

    CHECK_NOT_NULL(mkdtemp(dir));
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", dir, "tmpfs", 0, HEAP_PAGE == 4096 ? "size=40m" : "size=56m") == 0) {
        full = true;
        check_fork(dir, 0);
        umount(dir);
    } else {
        fprintf(stderr, "not checked: a full file system, since none can be mounted\n");
    }
    rmdir(dir);
}

static void measure(const char *dir)
{
    const size_t size = 256 * MIB;
    struct timespec before, after;
    memkind_t kind = make_pmem(dir, 0);
    char *block = memkind_malloc(kind, size);

    if (block == NULL) {
        return;
    }
    memset(block, 1, size);
    clock_gettime(CLOCK_MONOTONIC, &before);
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(block[size - 1] != 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK_INT(0, child_wait(pid));
    fprintf(stderr, "fork with 256 MiB in %s: %.1f ms\n", dir,
            (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Where the file system lets files share blocks. */
static void with_shared_blocks(void)
{
    const char *dir = getenv("TEST_REFLINK_DIR");

    if (dir != NULL) {
        check_fork(dir, 0);
        measure(dir);
    }
}

int main(void)
{
    int (*set)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "memkind_set_pmem_fork");

    if (set == NULL) {
        SKIP("this library does not copy files at fork");
    }
    CHECK_INT(MEMKIND_ERROR_INVALID, set(2));
    CHECK_INT(MEMKIND_ERROR_INVALID, set(-1));
    CHECK_INT(0, set(COPY));
    check_fork(test_dir(), 0);
    check_fork("/dev/shm", 0);
    check_fork("/dev/shm", 64 * MIB);
    check_unused("/dev/shm");
    CHECK_INT(0, run_forked(in_full_file_system));
    with_shared_blocks();
    measure("/dev/shm");
    return 0;
}
