/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of a kind has no name, not even for a moment, where the file system has such files. Elsewhere a
 * kind whose file keeps its name is not made: its blocks would stay when the process has ended. */
#include "forbid.h"
#include "pmem.h"

#include <dirent.h>

static int entries(const char *dir)
{
    int count = 0;
    DIR *stream = opendir(dir);

    CHECK_NOT_NULL(stream);
    while (readdir(stream) != NULL) {
        count++;
    }
    closedir(stream);
    return count - 2;
}

/* No file is opened without a name any more. */
static void forbid_tmpfile(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    CHECK_INT(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

int main(void)
{
    char dir[] = "/dev/shm/memkind-test-XXXXXX";
    memkind_t kind = NULL;

    if (original()) {
        SKIP("gives each file a name");
    }
    CHECK_NOT_NULL(mkdtemp(dir));
    const int child = fork();
    CHECK(child >= 0);
    if (child == 0) {
#ifdef SYS_unlink
        forbid(SYS_unlink, EIO);
#endif
        forbid(SYS_unlinkat, EIO);
        CHECK_INT(0, memkind_create_pmem(dir, 0, &kind));
        CHECK_NOT_NULL(memkind_malloc(kind, 100));
        CHECK_INT(0, entries(dir));
        CHECK_INT(0, memkind_destroy_kind(kind));

        forbid_tmpfile();
        const int next = dup(0);
        close(next);
        errno = 0;
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(dir, 0, &kind));
        CHECK_INT(EIO, errno);
        CHECK_INT(1, entries(dir));
        /* Nor is its descriptor left. */
        CHECK_INT(next, dup(0));
        _exit(0);
    }
    int status;
    CHECK_INT(child, waitpid(child, &status, 0));
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    CHECK_INT(0, system(command));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        SKIP("no seccomp filters here");
    }
    CHECK_INT(0, status);
    return 0;
}
