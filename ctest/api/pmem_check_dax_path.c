/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_check_dax_path: a directory that is missing, one without DAX, one with. */
#include "check.h"

static void check_not_dax(const char *dir)
{
    errno = 0;
    int err = memkind_check_dax_path(dir);
    if (err == 0) {
        CHECK_INT(0, errno);
        return;
    }
    CHECK_INT(EOPNOTSUPP, errno);
    CHECK_INT(MEMKIND_ERROR_MMAP, err);
}

int main(void)
{
    errno = 0;
    CHECK_INT(MEMKIND_ERROR_RUNTIME, memkind_check_dax_path("/missing/directory"));
    CHECK_INT(ENOENT, errno);

    check_not_dax(test_dir());
    /* Memory file systems are never DAX. */
    errno = 0;
    CHECK_INT(MEMKIND_ERROR_MMAP, memkind_check_dax_path("/dev/shm"));
    CHECK_INT(EOPNOTSUPP, errno);
    return 0;
}
