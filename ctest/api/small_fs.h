/* SPDX-License-Identifier: BSD-2-Clause */
/* A small memory file system that only this process sees. */
#ifndef MEMKIND_CTEST_SMALL_FS_H
#define MEMKIND_CTEST_SMALL_FS_H

#include "check.h"

#include <sched.h>
#include <sys/mount.h>

/* Mounts it over a new directory, whose name `dir` becomes; `size` is an option of tmpfs(5). */
static inline void mount_small_fs(char *dir, const char *size)
{
    CHECK_NOT_NULL(mkdtemp(dir));
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, size) != 0) {
        const int reason = errno;
        rmdir(dir);
        SKIP("cannot mount a small file system: %s", strerror(reason));
    }
}

static inline void unmount_small_fs(const char *dir)
{
    CHECK_INT(0, umount2(dir, MNT_DETACH));
    CHECK_INT(0, rmdir(dir));
}

#endif
