/* SPDX-License-Identifier: BSD-2-Clause */
/* A container's limit is the size of its node: a kind that is bound refuses in time what the control group
 * of the process may not have. Page cache that counts for the group is no reason to refuse. Needs root. */
#include "machine.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LIMIT (64 * MIB)

static char group[512];

static bool write_file(const char *directory, const char *name, const char *text)
{
    char path[640];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return written;
}

/* Makes a group with a limit below the process's own, of version 1 or 2; its name for processes. */
static void make_group(void)
{
    static const char *const tops[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
    char line[512];

    for (int version = 1; version <= 2; version++) {
        FILE *file = fopen("/proc/self/cgroup", "r");
        const char *path = NULL;

        while (file != NULL && path == NULL && fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            const char *of = strstr(line, version == 1 ? ":memory:" : "0::");
            path = of != NULL ? strrchr(line, ':') + 1 : NULL;
        }
        if (file != NULL) {
            fclose(file);
        }
        if (path == NULL) {
            continue;
        }
        snprintf(group, sizeof(group), "%s%.300s/memkind-test-%d", tops[version - 1], strcmp(path, "/") == 0 ? "" : path,
                 (int)getpid());
        if (mkdir(group, 0755) == 0) {
            if (write_file(group, limits[version - 1], "67108864")) {
                return;
            }
            rmdir(group);
        }
    }
    SKIP("no control group with a limit can be made: root, and the controller of memory, are needed");
}

/* Bytes that can be had of a kind in blocks of `size`, all of them touched. */
static size_t take_all(memkind_t kind, size_t size)
{
    static void *blocks[2 * LIMIT / 4096];
    size_t n = 0;

    for (; n * size < 2 * LIMIT; n++) {
        errno = 0;
        blocks[n] = memkind_malloc(kind, size);
        if (blocks[n] == NULL) {
            CHECK_INT(ENOMEM, errno);
            break;
        }
        memset(blocks[n], 1, size);
    }
    CHECK(n * size < LIMIT);
    for (size_t i = 0; i < n; i++) {
        memkind_free(kind, blocks[i]);
    }
    return n * size;
}

static void blocks_of_all_sizes(void)
{
    static const size_t sizes[] = {MIB, 4096, 60000, 3 * MIB, 4096};

    CHECK(write_file(group, "cgroup.procs", "0"));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK(take_all(MEMKIND_REGULAR, sizes[i]) >= LIMIT / 2);
    }
}

/* A file that was written stays in memory, as long as no process needs that. */
static void page_cache(void)
{
    static char buffer[MIB];
    char path[] = "/var/tmp/memkind-test-XXXXXX";

    CHECK(write_file(group, "cgroup.procs", "0"));
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    for (int i = 0; i < 40; i++) {
        CHECK_INT(MIB, write(fd, buffer, MIB));
    }
    fsync(fd);
    CHECK(take_all(MEMKIND_REGULAR, MIB) >= LIMIT / 2);
    close(fd);
}

int main(void)
{
    if (original()) {
        SKIP("on the original the kernel ends the process");
    }
    if (memkind_check_available(MEMKIND_REGULAR) != 0) {
        SKIP("memory cannot be bound here");
    }
    make_group();
    const int blocks = run_forked(blocks_of_all_sizes), cache = run_forked(page_cache);
    rmdir(group);
    CHECK_INT(0, blocks);
    CHECK_INT(0, cache);
    return 0;
}
