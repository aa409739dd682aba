/* SPDX-License-Identifier: BSD-2-Clause */
/* The backing file: only its owner may use it, it has no name, it really gets its blocks when the kind
 * grows, and it goes with the kind.
 * Difference: the descriptor of 1.14.0 survives execve. */
#include "pmem.h"

#include <dirent.h>
#include <limits.h>

static unsigned entries(const char *dir)
{
    DIR *stream = opendir(dir);
    unsigned count = 0;

    CHECK_NOT_NULL(stream);
    while (readdir(stream) != NULL) {
        count++;
    }
    closedir(stream);
    return count;
}

/* Whether any mapping of this process is of a file in `dir`. */
static bool maps_file_in(const char *dir)
{
    char line[PATH_MAX + 128];
    FILE *maps = fopen("/proc/self/maps", "r");
    bool found = false;

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        found |= strstr(line, dir) != NULL;
    }
    fclose(maps);
    return found;
}

static void check(const char *parent)
{
    char dir[PATH_MAX / 2];
    struct stat file, directory;

    check_context = parent;
    snprintf(dir, sizeof(dir), "%s/memkind-test-XXXXXX", parent);
    CHECK_NOT_NULL(mkdtemp(dir));
    CHECK_INT(0, stat(dir, &directory));
    const unsigned nothing = entries(dir);
    const unsigned descriptors = entries("/proc/self/fd");

    memkind_t kind = make_pmem(dir, 32 * MIB);
    const int fd = pmem_record(kind)->fd;
    CHECK_INT(nothing, entries(dir));
    CHECK_INT(descriptors + 1, entries("/proc/self/fd"));
    CHECK_INT(0, fstat(fd, &file));
    CHECK(S_ISREG(file.st_mode));
    CHECK_INT(0600, file.st_mode & 07777);
    CHECK_INT(0, file.st_nlink);
    CHECK_INT(directory.st_dev, file.st_dev);
    CHECK_INT(original() ? 0 : FD_CLOEXEC, fcntl(fd, F_GETFD));

    /* Not a byte of these blocks has been written. */
    CHECK_INT(0, pmem_file_bytes(kind));
    for (int i = 0; i < 100; i++) {
        CHECK_NOT_NULL(memkind_malloc(kind, 32));
    }
    CHECK(pmem_file_bytes(kind) >= 100 * 32);
    const size_t before = pmem_file_bytes(kind);
    CHECK_NOT_NULL(memkind_malloc(kind, 8 * MIB));
    CHECK(pmem_file_bytes(kind) >= before + 6 * MIB);
    CHECK(pmem_file_bytes(kind) <= 32 * MIB + 64 * KIB);
    CHECK(maps_file_in(dir));

    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(-1, fcntl(fd, F_GETFD));
    CHECK_INT(descriptors, entries("/proc/self/fd"));
    CHECK(!maps_file_in(dir));
    CHECK_INT(0, rmdir(dir));
}

int main(void)
{
    check(test_dir());
    check("/dev/shm");
    return 0;
}
