/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that goes through phases, each with blocks of another size, has no more memory than its
 * largest phase needs, and something for caches. */
#include "machine.h"
#include "pmem.h"

enum { BLOCKS = 200000, PHASES = 5, STAY = 10 };

static void allocate(memkind_t kind, char **place, size_t size)
{
    *place = memkind_malloc(kind, size);
    CHECK_NOT_NULL(*place);
    **place = 1;
}

static void check_kind(const char *name, memkind_t kind)
{
    static char *blocks[BLOCKS];
    const size_t before = proc_bytes("/proc/self/status", "VmRSS");
    size_t most = 0, needed = 0;

    for (size_t phase = 0; phase < PHASES; phase++) {
        const size_t small = 48 + 16 * phase, large = 320 + 64 * phase;

        /* A tenth of the small blocks stay among the larger ones. */
        for (size_t i = 0; i < BLOCKS; i++) {
            allocate(kind, &blocks[i], small);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            if (i % STAY != 0) {
                memkind_free(kind, blocks[i]);
                allocate(kind, &blocks[i], large);
            }
        }
        const size_t now = proc_bytes("/proc/self/status", "VmRSS");

        most = now > most ? now : most;
        needed = BLOCKS * large;
        for (size_t i = 0; i < BLOCKS; i++) {
            memkind_free(kind, blocks[i]);
        }
    }
    if (most - before > needed + needed / 2 + 24 * MIB) {
        FAIL("%s: %zu MiB for phases that need %zu MiB at most", name, (most - before) / MIB, needed / MIB);
    }
}

/* Pages of which every second one is free: for larger blocks that is of no use, and the kind grows for them. What
 * it has tried to make of the pages does not matter later. */
static void leave_pieces(memkind_t kind, size_t count)
{
    enum { PAGES = 25600 };
    static char *pages[PAGES];
    char *block;

    CHECK(count <= PAGES);
    for (size_t i = 0; i < count; i++) {
        allocate(kind, &pages[i], 4 * KIB);
    }
    for (size_t i = 0; i < count; i += 2) {
        memkind_free(kind, pages[i]);
    }
    for (size_t i = 0; i < 12800; i++) {
        allocate(kind, &block, 8 * KIB);
    }
}

/* Twenty sizes in turn, three times, 1200 KiB of each: caches have little of what is not needed now. Slabs of 64 KiB are
 * seldom free as a whole while caches have the 16 MiB that they may: then each size has its own, in all three rounds. */
static void check_small_phases(void)
{
    static const size_t sizes[] = {48, 64, 80, 96, 112, 128, 160, 192, 224, 256,
                                   320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), NEEDED = 1200 * KIB };
    static char *blocks[NEEDED / 48];
    size_t before = 0, most = 0;

    for (size_t phase = 0; phase < 3 * SIZES; phase++) {
        const size_t size = sizes[phase % SIZES], count = NEEDED / size;

        for (size_t i = 0; i < count; i++) {
            allocate(MEMKIND_REGULAR, &blocks[i], size);
        }
        const size_t now = proc_bytes("/proc/self/status", "VmRSS");

        before = phase == 0 ? now : before;
        most = now > most ? now : most;
        for (size_t i = 0; i < count; i++) {
            memkind_free(MEMKIND_REGULAR, blocks[i]);
        }
    }
    if (most - before > (HEAP_PAGE == 4 * KIB ? 22 * MIB + 512 * KIB : SIZES * NEEDED + 2 * MIB)) {
        FAIL("%zu KiB more for other sizes than for the first", (most - before) / KIB);
    }
}

/* Where files are memory, if there is such a place: on a disk the test would wait for it. */
static const char *fast_dir(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : test_dir();
}

int main(void)
{
    /* First, when nothing has been freed that pages could come from. */
    check_small_phases();

    memkind_t file = make_pmem(fast_dir(), 0);

    check_kind("file", file);
    CHECK_INT(0, memkind_destroy_kind(file));
    check_kind("regular", MEMKIND_REGULAR);
    check_kind("default", MEMKIND_DEFAULT);

    file = make_pmem(fast_dir(), 0);
    /* So many that the kind would have to grow to several times what it is, were there no bound to that. */
    leave_pieces(file, 25600);
    check_kind("file with pieces", file);
    CHECK_INT(0, memkind_destroy_kind(file));
    leave_pieces(MEMKIND_REGULAR, 12800);
    check_kind("regular with pieces", MEMKIND_REGULAR);
    leave_pieces(MEMKIND_DEFAULT, 12800);
    check_kind("default with pieces", MEMKIND_DEFAULT);
    return 0;
}
