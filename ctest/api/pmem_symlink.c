/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a file system has no nameless files, the file of a kind has a name for a moment. A user who puts a symbolic
 * link in its place, or has one there before, does not get at the files of the process, nor at the kind's. */
#include "forbid.h"
#include "pmem.h"
#include "threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>

static char dir[PATH_MAX / 4], victim[PATH_MAX / 2];
static atomic_bool stop;
static atomic_ulong n_replaced;

/* No O_TMPFILE from here on: EOPNOTSUPP, as where the file system has none. */
static void forbid_nameless_files(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

/* Puts a link to the victim in the place of whatever gets a name in the directory. */
static void *replace(void *unused)
{
    char link[PATH_MAX / 2], path[PATH_MAX];

    (void)unused;
    snprintf(link, sizeof(link), "%s/link", dir);
    while (!stop) {
        DIR *opened = opendir(dir);
        CHECK_NOT_NULL(opened);
        for (struct dirent *entry; (entry = readdir(opened)) != NULL;) {
            if (strncmp(entry->d_name, "memkind.", 8) != 0) {
                continue;
            }
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
            if (symlink(victim, link) == 0 && rename(link, path) == 0) {
                n_replaced++;
            }
        }
        closedir(opened);
    }
    return NULL;
}

static void check_kinds(void)
{
    for (int i = 0; i < 300; i++) {
        const memkind_t kind = make_pmem(dir, 16 * MIB);
        struct stat file;
        char *block = memkind_malloc(kind, 100000);

        CHECK_NOT_NULL(block);
        memset(block, 'k', 100000);
        CHECK_INT(0, fstat(pmem_record(kind)->fd, &file));
        CHECK(S_ISREG(file.st_mode));
        CHECK_INT(0600, file.st_mode & 07777);
        memkind_free(kind, block);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

int main(void)
{
    char command[PATH_MAX], text[16] = "";
    struct stat status;
    pthread_t thread;

    snprintf(dir, sizeof(dir), "%s/memkind-link-XXXXXX", test_dir());
    CHECK_NOT_NULL(mkdtemp(dir));
    snprintf(victim, sizeof(victim), "%s/victim", dir);
    int file = open(victim, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    CHECK(file >= 0);
    CHECK_INT(7, write(file, "victim", 7));
    forbid_nameless_files();
    CHECK_INT(0, pthread_create(&thread, NULL, replace, NULL));
    check_kinds();
    stop = true;
    CHECK_INT(0, pthread_join(thread, NULL));
    printf("%lu names replaced\n", (unsigned long)n_replaced);
    CHECK_INT(7, pread(file, text, sizeof(text), 0));
    CHECK_STR("victim", text);
    CHECK_INT(0, fstat(file, &status));
    CHECK_INT(0640, status.st_mode & 07777);
    CHECK_INT(1, status.st_nlink);
    close(file);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    CHECK_INT(0, system(command));
    return 0;
}
