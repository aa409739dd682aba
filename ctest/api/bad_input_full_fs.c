/* SPDX-License-Identifier: BSD-2-Clause */
/* On a full file system a file-backed kind gives NULL and ENOMEM, never SIGBUS, and goes on when there
 * is room again. Space is really allocated when a kind grows. */
#include "small_fs.h"

#include <fcntl.h>

#define FS_SIZE "size=24m"

static char dir[] = "/tmp/memkind-full-XXXXXX";

static size_t fill_up(memkind_t kind, size_t size, char **blocks, size_t most)
{
    size_t n = 0;

    while (n < most) {
        errno = 0;
        blocks[n] = memkind_malloc(kind, size);
        if (blocks[n] == NULL) {
            CHECK_INT(ENOMEM, errno);
            break;
        }
        memset(blocks[n], (int)n, size);
        n++;
    }
    return n;
}

static void check_full(size_t max_size, size_t size)
{
    enum { MOST = 20000 };
    static char *blocks[MOST];
    memkind_t kind = make_pmem(dir, max_size);
    void *block = NULL;

    const size_t n = fill_up(kind, size, blocks, MOST);
    CHECK(n > 8 * MIB / size && n < MOST);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, 4 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, blocks[0], 20 * MIB));
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 64, 4 * MIB));
    for (size_t i = 0; i < n; i++) {
        CHECK_INT(i & 0xff, (unsigned char)blocks[i][0]);
        CHECK_INT(i & 0xff, (unsigned char)blocks[i][size - 1]);
        memkind_free(kind, blocks[i]);
    }
    /* The original finds a sixth of the room again when the blocks are small. */
    CHECK(fill_up(kind, size, blocks, MOST) >= (original() ? n / 10 : n * 3 / 4));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Another program takes the space between two growths of the kind. */
static void check_taken(void)
{
    char path[sizeof(dir) + 16];
    memkind_t kind = make_pmem(dir, 0);
    char *block = memkind_malloc(kind, MIB);

    CHECK_NOT_NULL(block);
    memset(block, 1, MIB);
    snprintf(path, sizeof(path), "%s/other", dir);
    const int file = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(file >= 0);
    char page[4096] = {0};
    while (write(file, page, sizeof(page)) > 0) {
    }
    CHECK_INT(ENOSPC, errno);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 8 * MIB));
    CHECK(all_zero(page, sizeof(page)) && block[0] == 1 && block[MIB - 1] == 1);
    CHECK_INT(0, close(file));
    CHECK_INT(0, unlink(path));
    char *late = memkind_malloc(kind, 8 * MIB);
    CHECK_NOT_NULL(late);
    memset(late, 2, 8 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* A full file system and small blocks, of which a thread may know that there is no room for them: the limit of the kind
 * is not what refused them. */
static void check_small(size_t max_size)
{
    char path[sizeof(dir) + 16];
    memkind_t kind = make_pmem(dir, max_size);
    static char page[4096] = {1};
    char *block;

    snprintf(path, sizeof(path), "%s/other", dir);
    const int file = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(file >= 0);
    for (int i = 0; i < 2048; i++) {
        CHECK_INT(sizeof(page), write(file, page, sizeof(page)));
    }
    while ((block = memkind_malloc(kind, 64)) != NULL) {
        *block = 1;
    }
    for (int i = 0; i < 5; i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 64));
    }
    CHECK_INT(0, close(file));
    CHECK_INT(0, unlink(path));
    CHECK_NOT_NULL(memkind_malloc(kind, 64));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* What a kind's file already has of the file system is there for it when the rest is full, also after a
 * request that cannot be served. */
static void check_in_advance(size_t refused, size_t size, int least)
{
    static char page[4096] = {1};
    char name[sizeof(dir) + 8];
    memkind_t kind = NULL;
    char *block;
    int n = 0;

    CHECK_INT(0, memkind_create_pmem(dir, 0, &kind));
    block = memkind_malloc(kind, 64);
    CHECK_NOT_NULL(block);
    *block = 1;
    snprintf(name, sizeof(name), "%s/rest", dir);
    const int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(0, unlink(name));
    while (write(fd, page, sizeof(page)) == sizeof(page)) {
    }
    if (refused != 0) {
        CHECK(memkind_malloc(kind, refused) == NULL);
    }
    while ((block = memkind_malloc(kind, size)) != NULL) {
        memset(block, 1, size);
        n++;
    }
    CHECK(n >= least);
    close(fd);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* What one kind has had and does not use is there for another one on the same file system. */
static void check_beside(size_t max_size, size_t size)
{
    enum { MOST = 300000 };
    static char *blocks[MOST];
    const size_t count = 14 * MIB / size;
    memkind_t kinds[2] = {make_pmem(dir, max_size), make_pmem(dir, max_size)};

    CHECK(count <= MOST);
    for (int turn = 0; turn < 3; turn++) {
        memkind_t kind = kinds[turn % 2];
        const size_t n = fill_up(kind, size, blocks, count);

        if (n < count) {
            FAIL("turn %d: %zu blocks of %zu bytes for %zu", turn, n, size, count);
        }
        for (size_t i = 0; i < n; i++) {
            memkind_free(kind, blocks[i]);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
    CHECK_INT(0, memkind_destroy_kind(kinds[1]));
}

/* A kind that has all of the file system, and frees and takes a small part of it in turn, keeps that part:
 * another kind, whose requests are refused at that time, does not get it. */
static void check_busy(size_t size)
{
    enum { BLOCKS = 500, ROUNDS = 200 };
    static char *blocks[BLOCKS];
    memkind_t holds = make_pmem(dir, 0), asks = make_pmem(dir, 0);
    char *block;

    CHECK_INT(BLOCKS, fill_up(holds, 256, blocks, BLOCKS));
    while ((block = memkind_malloc(holds, 64 * KIB)) != NULL) {
        *block = 1;
    }
    while ((block = memkind_malloc(holds, 256)) != NULL) {
        *block = 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            memkind_free(holds, blocks[i]);
        }
        memkind_malloc(asks, size);
        CHECK_INT(BLOCKS, fill_up(holds, 256, blocks, BLOCKS));
    }
    CHECK_INT(0, memkind_destroy_kind(holds));
    CHECK_INT(0, memkind_destroy_kind(asks));
}

int main(void)
{
    mount_small_fs(dir, FS_SIZE);
    check_full(0, MIB);
    check_full(0, 5000);
    check_full(128 * MIB, 300 * KIB);
    check_taken();
    if (!original()) {
        /* The original's second kind gets what the first one has left. */
        check_beside(0, 64);
        check_beside(0, 4 * KIB);
        check_beside(20 * MIB, 16 * KIB);
        check_beside(20 * MIB, 300 * KIB);
        check_busy(64 * KIB);
        check_busy(4 * KIB);
        check_busy(PTRDIFF_MAX);
    }
    check_small(0);
    check_small(128 * MIB);
    check_in_advance(0, 64 * KIB, 2);
    check_in_advance(4 * MIB, 16 * KIB, 8);
    unmount_small_fs(dir);
    return 0;
}
