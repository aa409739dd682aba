/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child of a program with file-backed memory, on a file system that becomes full after the fork:
 * a copy of the file has blocks for all that is allocated, written to or not, and for nothing else; without
 * a copy the child's new memory is its own and wants no room there. */
#include "pmem.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

static char dir[] = "/tmp/memkind-fork-XXXXXX";
static int (*set_fork)(int);

/* Leaves not a byte. */
static void fill_file_system(void)
{
    static char page[4096] = {1};
    char name[sizeof(dir) + 8];

    snprintf(name, sizeof(name), "%s/rest", dir);
    const int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(0, unlink(name));
    while (write(fd, page, sizeof(page)) == sizeof(page)) {
    }
}

static memkind_t kind;
static char *blocks[2];

/* The child has what is allocated: in the edges of what was given back and taken again, too. */
static void write_all(void)
{
    fill_file_system();
    memset(blocks[0], 1, 40000);
    memset(blocks[1], 2, 1 * MIB);
}

/* And no more than there is. */
static void allocate_pages(void)
{
    char *block;
    int n = 0;

    fill_file_system();
    while (n < 100 && (block = memkind_malloc(kind, 4 * KIB)) != NULL) {
        memset(block, 3, 4 * KIB);
        n++;
    }
}

/* Ordinary memory. */
static void allocate_much(void)
{
    CHECK(memkind_malloc(kind, 100 * MIB) != NULL || errno == ENOMEM);
    for (int i = 0; i < 200; i++) {
        char *block = memkind_malloc(kind, i % 2 ? 100000 : 20000);
        CHECK_NOT_NULL(block);
        memset(block, 4, 20000);
    }
}

static void body(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=40m") != 0) {
        SKIP("cannot mount a small file system: %s", strerror(errno));
    }
    CHECK_INT(0, set_fork(1));
    kind = make_pmem_with_policy(dir, 17 * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    for (int round = 0; round < 2; round++) {
        blocks[0] = memkind_malloc(kind, 40000);
        blocks[1] = memkind_malloc(kind, 1 * MIB);
        CHECK(blocks[0] != NULL && blocks[1] != NULL);
        memset(blocks[1], 5, 1 * MIB);
        if (round == 0) {
            memkind_free(kind, blocks[1]);
            memkind_free(kind, blocks[0]);
        }
    }
    CHECK_INT(0, run_forked(write_all));
    CHECK_INT(0, memkind_destroy_kind(kind));

    kind = make_pmem(dir, 17 * MIB);
    blocks[0] = memkind_malloc(kind, 16 * MIB);
    CHECK_NOT_NULL(blocks[0]);
    memset(blocks[0], 6, 16 * MIB);
    CHECK_INT(0, run_forked(allocate_pages));
    CHECK_INT(0, memkind_destroy_kind(kind));

    CHECK_INT(0, set_fork(0));
    kind = make_pmem(dir, 0);
    blocks[0] = memkind_malloc(kind, 300000);
    CHECK_NOT_NULL(blocks[0]);
    memset(blocks[0], 7, 300000);
    fill_file_system();
    CHECK_INT(0, run_forked(allocate_much));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, umount2(dir, MNT_DETACH));
}

int main(void)
{
    *(void **)&set_fork = dlsym(RTLD_DEFAULT, "memkind_set_pmem_fork");
    if (set_fork == NULL) {
        SKIP("this library does not copy files at fork");
    }
    CHECK_NOT_NULL(mkdtemp(dir));
    const int status = run_forked(body);
    CHECK_INT(0, rmdir(dir));
    CHECK_CHILD(status);
    return 0;
}
