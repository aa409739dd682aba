// SPDX-License-Identifier: BSD-2-Clause
// A program that locks all its memory, what comes too (mlockall with MCL_FUTURE), has as much
// of ordinary kinds as RLIMIT_MEMLOCK leaves it: then NULL and ENOMEM, and what was freed again.
//
// Needs root, to become a user to whom the limit applies.
#include "machine.h"
#include <sys/personality.h>
#include <sys/resource.h>

#define LIMIT ((size_t)64 * MIB)
#define MAX_BLOCKS (LIMIT / 4096)

static size_t locked(void)
{
    char line[160];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "VmLck: %zu", &kib);
    if (file)
        fclose(file);
    return kib * 1024;
}

static void *blocks[MAX_BLOCKS];

static size_t fill(memkind_t kind, size_t size)
{
    size_t n = 0;
    errno = 0;
    while (n < MAX_BLOCKS && (blocks[n] = memkind_malloc(kind, size)))
        touch(blocks[n++], size);
    if (n == MAX_BLOCKS || errno != ENOMEM)
        remark("%zu blocks of %zu bytes, errno %d", n, size, errno);
    return n;
}

static int all_locked(const void *row_)
{
    const struct row *row = row_;
    static const size_t sizes[] = {4096, 60000, MIB};
    const struct rlimit limit = {LIMIT, LIMIT};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) || setuid(65534) || mlockall(MCL_CURRENT | MCL_FUTURE)) {
        remark("cannot lock memory as a user: %s", strerror(errno));
        return SKIPPED;
    }
    // What the library takes for itself when it starts is not memory for blocks.
    memkind_free(*row->kind, memkind_malloc(*row->kind, 100000));
    size_t left = LIMIT - locked();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = fill(*row->kind, sizes[i]);
        // The original has less than half of it in a kind that is bound to nodes.
        if (n * sizes[i] < left / 3 * 2)
            remark("only %zu KiB in blocks of %zu bytes, of %zu KiB", n * sizes[i] / 1024, sizes[i], left / 1024);
        while (n > 0)
            memkind_free(*row->kind, blocks[--n]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    // Where addresses lie decides how much the records of pages take of the limit, on either library: at one place in
    // twenty a third of it. So they are not left to chance.
    const int now = personality(0xffffffff);
    if (argc > 0 && now != -1 && !(now & ADDR_NO_RANDOMIZE) && personality(now | ADDR_NO_RANDOMIZE) != -1)
        execv("/proc/self/exe", argv);
    static const char *const names[] = {"DEFAULT", "REGULAR", "INTERLEAVE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "all memory locked: %s", names[i]);
        run_test(name, all_locked, row_of(names[i]));
    }
    return n_failed != 0;
}
