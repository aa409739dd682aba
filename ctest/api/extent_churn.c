/* SPDX-License-Identifier: BSD-2-Clause */
/* Creating, using and destroying kinds leaves nothing behind: after 10,000 cycles the process has the
 * memory, mappings, descriptors and address space that it had after 100. The original keeps the address
 * space of every kind. */
#include "machine.h"
#include "process.h"
#include "threads.h"

#include <dirent.h>

struct footprint {
    size_t anonymous_kib, mappings, descriptors, address_space;
};

static char area[4 * 1024 * 1024] __attribute__((aligned(4096)));

static struct footprint footprint(void)
{
    struct footprint now = {0};
    char line[512];
    FILE *file = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        now.mappings++;
    }
    fclose(file);
    now.anonymous_kib = proc_bytes("/proc/self/smaps_rollup", "Anonymous") / KIB;
    CHECK(now.anonymous_kib > 0);
    now.address_space = address_space();
    DIR *directory = opendir("/proc/self/fd");
    CHECK_NOT_NULL(directory);
    while (readdir(directory) != NULL) {
        now.descriptors++;
    }
    closedir(directory);
    return now;
}

static void *use(void *argument)
{
    static const size_t sizes[] = {1, 100, 5000, 100 * KIB, MIB};
    memkind_t kind = argument;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = memkind_malloc(kind, sizes[i]);
        CHECK_NOT_NULL(block);
        block[0] = block[sizes[i] - 1] = 1;
        if (i % 2 == 0) {
            memkind_free(i % 4 == 0 ? kind : NULL, block);
        }
    }
    return NULL;
}

static void cycle(int round)
{
    memkind_t kind = NULL;

    if (round % 2 == 0) {
        kind = make_pmem("/dev/shm", round % 4 == 0 ? 0 : 32 * MIB);
    } else {
        kind = make_fixed(area, sizeof(area));
    }
    use(kind);
    if (round % 5 == 0) {
        in_thread(use, kind);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    struct footprint early = {0}, late;

    if (original()) {
        SKIP("1.14.0 keeps the address space of kinds that are gone");
    }
    memset(area, 1, sizeof(area));
    footprint(); /* libc's buffers for files are allocated here. */
    for (int i = 0; i < 10000; i++) {
        if (i == 100) {
            early = footprint();
        }
        cycle(i);
    }
    late = footprint();
    CHECK_INT(early.descriptors, late.descriptors);
    CHECK_INT(early.mappings, late.mappings);
    CHECK_INT(early.address_space, late.address_space);
    /* Pages of the library's and of libc's own data may be touched late; 8 bytes a cycle may not. Pages of code do
     * not count: the kernel maps them in groups, whenever they are first run. */
    if (late.anonymous_kib > early.anonymous_kib + 64) {
        FAIL("memory: expected about %zu KiB, got %zu KiB", early.anonymous_kib, late.anonymous_kib);
    }
    return 0;
}
