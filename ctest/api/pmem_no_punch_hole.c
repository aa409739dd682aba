/* SPDX-License-Identifier: BSD-2-Clause */
/* A file system that cannot punch holes: freeing keeps the memory, and the program goes on.
 * Difference: 1.14.0 aborts on the first free that would give pages back. */
#include "pmem.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

static void write_line(const char *path, const char *line)
{
    const int fd = open(path, O_WRONLY);

    if (fd >= 0) {
        CHECK((ssize_t)strlen(line) == write(fd, line, strlen(line)));
        close(fd);
    }
}

/* Mounts a ramfs, which has no holes, where only this process sees it. */
static void mount_ramfs(const char *dir)
{
    const bool superuser = geteuid() == 0;
    char users[64], groups[64];

    snprintf(users, sizeof(users), "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getegid());
    if (unshare(superuser ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) {
        SKIP("no mount name space of its own: %s", strerror(errno));
    }
    if (!superuser) {
        write_line("/proc/self/setgroups", "deny");
        write_line("/proc/self/uid_map", users);
        write_line("/proc/self/gid_map", groups);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", dir, "ramfs", 0, NULL) != 0) {
        SKIP("cannot mount a ramfs: %s", strerror(errno));
    }
}

static char dir[256];

static void body(void)
{
    mount_ramfs(dir);
    memkind_t kind = make_pmem_with_policy(dir, 32 * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    static const size_t sizes[] = {1000, 100000, 9 * MIB};

    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            void *block = memkind_malloc(kind, sizes[i]);
            CHECK_NOT_NULL(block);
            fill(block, sizes[i], 1);
            memkind_free(kind, block);
            block = memkind_calloc(kind, 1, sizes[i]);
            CHECK_NOT_NULL(block);
            CHECK(all_zero(block, sizes[i]));
            memkind_free(kind, block);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    snprintf(dir, sizeof(dir), "%s/memkind-test-XXXXXX", test_dir());
    CHECK_NOT_NULL(mkdtemp(dir));
    const int status = run_forked(body);
    CHECK_INT(0, rmdir(dir));
    if (original() && status != 77) {
        CHECK_INT(128 + SIGABRT, status);
        return 0;
    }
    CHECK_CHILD(status);
    return 0;
}
