/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that closes all descriptors that it does not know, as daemons and ssh do, keeps its file-backed
 * kinds, and its own file that then gets the number of the kind's is not touched: not filled, not mapped, not
 * closed. Forked children have their copy as ever, also in a sandbox without process_vm_readv(2). */
#include "forbid.h"
#include "pmem.h"

#include <fcntl.h>
#include <sys/stat.h>

#define BLOCKS 200
#define TEXT "the program's own"

static char *blocks[BLOCKS];

static void close_all(void)
{
    for (int fd = 3; fd < 100; fd++) {
        close(fd);
    }
}

/* Opens files of the program's own until the numbers of the kind's are among theirs. */
static void open_own(int own[4])
{
    for (int i = 0; i < 4; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/memkind-own-XXXXXX", test_dir());
        own[i] = mkstemp(path);
        CHECK(own[i] >= 3 && own[i] < 7);
        unlink(path);
        CHECK_INT((long)strlen(TEXT), write(own[i], TEXT, strlen(TEXT)));
    }
}

static void check_own(const int own[4])
{
    for (int i = 0; i < 4; i++) {
        char text[sizeof(TEXT)] = "";
        struct stat status;

        CHECK_INT(0, fstat(own[i], &status));
        CHECK_INT((long)strlen(TEXT), status.st_size);
        CHECK_INT((long)strlen(TEXT), pread(own[i], text, sizeof(text), 0));
        CHECK_STR(TEXT, text);
    }
}

static void fill_blocks(memkind_t kind, int from, int to)
{
    for (int i = from; i < to; i++) {
        blocks[i] = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], i + 1, MIB);
    }
}

static void check_blocks(int from, int to)
{
    for (int i = from; i < to; i++) {
        for (size_t byte = 0; byte < MIB; byte += 4096) {
            CHECK_INT((char)(i + 1), blocks[i][byte]);
        }
    }
}

/* `before` blocks are there when the descriptors are closed. */
static void closed(size_t limit, int before, int after)
{
    memkind_t kind;
    int own[4];

    CHECK_INT(0, memkind_create_pmem(test_dir(), limit, &kind));
    fill_blocks(kind, 0, before);
    close_all();
    open_own(own);
    fill_blocks(kind, before, after);
    check_blocks(0, after);
    check_own(own);
    /* Pages go back, and are used again. */
    for (int i = 0; i < after; i += 2) {
        memkind_free(kind, blocks[i]);
    }
    CHECK_INT(0, memkind_update_cached_stats());
    for (int i = 0; i < after; i += 2) {
        fill_blocks(kind, i, i + 1);
    }
    check_blocks(0, after);
    check_own(own);

    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_blocks(0, after);
        memset(blocks[1], 99, MIB);
        char *const more = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(more);
        memset(more, 98, MIB);
        check_own(own);
        _exit(0);
    }
    CHECK_INT(0, child_wait(child));
    check_blocks(0, after);
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_own(own);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(0, close(own[i]));
    }
}

static void in_sandbox(void)
{
    forbid(SYS_process_vm_readv, EPERM);
    closed(0, 10, 100);
}

int main(void)
{
    if (original()) {
        SKIP("the original writes into the program's file");
    }
    closed(0, 0, 100);
    closed(0, 10, BLOCKS);
    closed(0, 100, BLOCKS);
    closed(256 * MIB, 0, 100);
    closed(256 * MIB, 10, 100);

    const int sandboxed = run_forked(in_sandbox);
    CHECK(sandboxed == 0 || sandboxed == 77);
    return 0;
}
