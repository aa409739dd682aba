/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap with one very large block still grows by large extents, though not by larger ones each time:
 * otherwise it asks for more than there is, is refused, and each slab becomes a mapping of its own until
 * the process may have no more of them (vm.max_map_count). */
#include "machine.h"
#include "output.h"

#include <sched.h>
#include <sys/mount.h>

#define BLOCK 4000
#define BYTES (400 * MIB)
#define FILLER (64 * MIB)

static int n_mappings(void)
{
    int n = 0, c;
    FILE *file = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(file);
    while ((c = getc(file)) != EOF) {
        n += c == '\n';
    }
    fclose(file);
    return n;
}

/* The largest size up to a limit of those that extents have: 16, 20, 24, 28, 32, 40 ... */
static size_t extent_size(size_t limit)
{
    size_t unit = 1;

    while (8 * unit <= limit) {
        unit *= 2;
    }
    return limit / unit * unit;
}

static void check_kind(memkind_t kind)
{
    /* The heap grows by the last size below that of the machine, for a block of the size before; the
     * next would be too large. */
    const size_t growth = extent_size(meminfo("MemTotal"));
    const size_t large = extent_size(growth - 1);

    if (meminfo("MemAvailable") < growth + 3 * BYTES) {
        SKIP("too little memory is available");
    }
    CHECK_NOT_NULL(memkind_malloc(kind, large));
    for (size_t rest = growth - large; rest > FILLER + BYTES / 2; rest -= FILLER) {
        CHECK_NOT_NULL(memkind_malloc(kind, FILLER - MIB));
    }
    const int before = n_mappings();
    for (size_t i = 0; i < BYTES / BLOCK; i++) {
        CHECK_NOT_NULL(memkind_malloc(kind, BLOCK));
    }
    const int after = n_mappings();
    if (after > before + 200) {
        FAIL("%d mappings became %d", before, after);
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        CHECK_CHILD(run_again("default", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=all")));
        CHECK_CHILD(run_again("bound", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=all")));
        const int hidden = run_again("hidden", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=0"));
        if (hidden != 77) {
            CHECK_INT(0, hidden);
        }
        return 0;
    }
    /* A process that cannot read how much memory the nodes have. */
    if (strcmp(argv[1], "hidden") == 0 &&
        (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
         mount("none", "/sys/devices/system/node", "tmpfs", 0, NULL) != 0)) {
        SKIP("nothing can be mounted here");
    }
    memkind_t kind = strcmp(argv[1], "default") == 0 ? MEMKIND_DEFAULT : MEMKIND_HBW_ALL;
    if (memkind_check_available(kind) == 0) {
        check_kind(kind);
    }
    return 0;
}
