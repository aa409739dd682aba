/* SPDX-License-Identifier: BSD-2-Clause */
/* What memkind_create_pmem says of a directory that it cannot use: -13, the reason in errno, and a kind
 * that it has not touched. The empty string is "/". */
#include "pmem.h"

#include <limits.h>

static char base[PATH_MAX / 2];

static void check_refused(const char *dir, int reason)
{
    memkind_t kind = NULL;

    check_context = dir;
    for (int round = 0; round < 2; round++) {
        memkind_t before = kind;
        errno = 0;
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(dir, round * 16 * MIB, &kind));
        CHECK_INT(reason, errno);
        CHECK_PTR(before, kind);
        kind = MEMKIND_DEFAULT;
    }
}

/* The superuser may write everywhere, so this runs as another user. */
static void not_permitted(void)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s/read-only", base);
    CHECK_INT(0, mkdir(dir, 0555));
    if (geteuid() == 0) {
        CHECK_INT(0, setgid(65534));
        CHECK_INT(0, setuid(65534));
    }
    check_refused(dir, EACCES);
}

static void usable(void)
{
    const char *const dirs[] = {base, ""};
    memkind_t kind = NULL;

    for (int i = 0; i < 2; i++) {
        check_context = dirs[i];
        if (i == 1 && access("/", W_OK) != 0) {
            check_refused(dirs[i], EACCES);
            return;
        }
        CHECK_INT(0, memkind_create_pmem(dirs[i], 16 * MIB, &kind));
        CHECK_NOT_NULL(memkind_malloc(kind, 100));
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

int main(void)
{
    char path[PATH_MAX];
    static char long_path[PATH_MAX + 100];
    static char long_name[300];

    snprintf(base, sizeof(base), "%s/memkind-test-XXXXXX", test_dir());
    CHECK_NOT_NULL(mkdtemp(base));
    CHECK_INT(0, chmod(base, 0755));

    snprintf(path, sizeof(path), "%s/missing", base);
    check_refused(path, ENOENT);
    snprintf(path, sizeof(path), "%s/file", base);
    CHECK_INT(0, close(open(path, O_CREAT | O_WRONLY, 0600)));
    check_refused(path, ENOTDIR);
    CHECK_INT(0, unlink(path));
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[0] = '/';
    check_refused(long_path, 0);
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[0] = '/';
    check_refused(long_name, ENAMETOOLONG);
    const int as_nobody = run_forked(not_permitted);
    const int as_owner = run_forked(usable);

    snprintf(path, sizeof(path), "%s/read-only", base);
    rmdir(path);
    CHECK_INT(0, rmdir(base));
    check_context = NULL;
    CHECK_CHILD(as_nobody);
    CHECK_CHILD(as_owner);
    return 0;
}
