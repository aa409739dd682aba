/* SPDX-License-Identifier: BSD-2-Clause */
/* What options promise of memory: its pages are there before they are touched, stay where they are, are locked, are
 * not in core files, are overwritten when freed; and a request that cannot be served is ENOMEM. */
#include "kind.h"

#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

static long faults(void)
{
    struct rusage usage;

    CHECK_INT(0, getrusage(RUSAGE_SELF, &usage));
    return usage.ru_minflt;
}

/* Whether the flags of the mapping that an address is in, in /proc/self/smaps, have one. */
static bool has_flag(const void *address, const char *flag)
{
    char line[512];
    bool here = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "r");

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return found;
}

static void populated(void)
{
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_POPULATE, .slab_size = 16 * MIB});
    char *block = memkind_malloc(kind, 12 * MIB);
    long before;

    CHECK_NOT_NULL(block);
    before = faults();
    for (size_t i = 0; i < 12 * MIB; i += 4096)
        block[i] = 1;
    CHECK(faults() - before < 100);
    /* What was given back is there again before it is handed out. */
    for (int i = 0; i < 3; i++) {
        memkind_free(kind, block);
        CHECK_INT(0, memkind_trim(kind));
        block = memkind_malloc(kind, 12 * MIB);
        CHECK_NOT_NULL(block);
        before = faults();
        for (size_t j = 0; j < 12 * MIB; j += 4096)
            block[j] = 1;
        CHECK(faults() - before < 100);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* A kind that gives back does so when it is trimmed; a pinned one keeps every page. */
static void given_back_or_kept(void)
{
    memkind_t loose = make_wanted((struct wanted){.limit = 64 * MIB});
    memkind_t pinned = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 16 * MIB});
    char *block = memkind_malloc(loose, 12 * MIB);
    uint64_t frames[64];
    size_t held;

    CHECK_NOT_NULL(block);
    memset(block, 1, 12 * MIB);
    held = usage_of(loose).held;
    memkind_free(loose, block);
    CHECK_INT(0, memkind_trim(loose));
    CHECK(usage_of(loose).held <= held - 12 * MIB);
    CHECK_INT(0, memkind_destroy_kind(loose));

    block = memkind_malloc(pinned, 4 * MIB);
    CHECK_NOT_NULL(block);
    for (int i = 0; i < 64; i++)
        frames[i] = frame_of(block + i * 64 * KIB);
    for (int round = 0; round < 50; round++) {
        memkind_free(pinned, block);
        for (int i = 0; i < 200; i++)
            memkind_free(pinned, memkind_malloc(pinned, (size_t)i * 4000 + 1));
        CHECK_INT(0, memkind_trim(pinned));
        for (int i = 0; i < 64; i++)
            CHECK_INT(frames[i], frame_of(block + i * 64 * KIB));
        /* In the same pages. */
        block = (char *)memkind_malloc(pinned, 4 * MIB);
        CHECK_INT(frames[0], frame_of(block));
    }
    CHECK_INT(16 * MIB, usage_of(pinned).held);
    CHECK_INT(0, memkind_destroy_kind(pinned));
}

/* A kind grows by 32 MiB where the program does not say, and by what a larger block takes. */
static void grows_by_usual_slabs(void)
{
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN});

    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(32 * MIB, usage_of(kind).held);
    for (int i = 0; i < 40; i++)
        CHECK_NOT_NULL(memkind_malloc(kind, 64 * KIB));
    CHECK_INT(32 * MIB, usage_of(kind).held);
    CHECK_NOT_NULL(memkind_malloc(kind, 64 * MIB));
    CHECK(usage_of(kind).held >= 96 * MIB && usage_of(kind).held < 128 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void flags(void)
{
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_NO_DUMP | MEMKIND_OPTION_NO_FORK,
                                                 .slab_size = 4 * MIB});
    char *block = memkind_malloc(kind, 100);

    CHECK(has_flag(block, " dd") && has_flag(block, " dc"));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_LOCK, .slab_size = 4 * MIB});
    block = memkind_malloc(kind, 100);
    CHECK(has_flag(block, " lo") && !has_flag(block, " dc"));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_TRANSPARENT_HUGE, .slab_size = 4 * MIB});
    block = memkind_malloc(kind, 100);
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
        CHECK(has_flag(block, " hg"));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void wiped(void)
{
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_WIPE | MEMKIND_OPTION_PIN});
    static const size_t sizes[] = {1, 100, 5000, 70000, 3 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = memkind_malloc(kind, sizes[i]), *moved;
        CHECK_NOT_NULL(block);
        memset(block, 0x5a, sizes[i]);
        moved = memkind_realloc(kind, block, 2 * sizes[i]);
        CHECK_NOT_NULL(moved);
        CHECK(moved != block && all_zero(block, sizes[i]));
        memset(moved, 0x5a, 2 * sizes[i]);
        memkind_free(i % 2 ? kind : NULL, moved);
        CHECK(all_zero(moved, 2 * sizes[i]));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* The last page of a block is put into a pipe, which has it when the block has gone, and shows what is in it then. */
static void check_wiped_page(memkind_t kind, size_t size, size_t to)
{
    char *block = memkind_malloc(kind, size), page[4096];
    int ends[2];

    CHECK_NOT_NULL(block);
    memset(block, 0x5a, size);
    CHECK_INT(0, pipe(ends));
    CHECK_INT(4096, vmsplice(ends[1], &(struct iovec){block + size - 4096, 4096}, 1, 0));
    if (to != 0) {
        block = memkind_realloc(kind, block, to);
        CHECK_NOT_NULL(block);
        CHECK(block[0] == 0x5a);
    }
    memkind_free(to == 0 ? NULL : kind, block);
    CHECK_INT(4096, read(ends[0], page, 4096));
    CHECK(all_zero(page, 4096));
    close(ends[0]);
    close(ends[1]);
}

/* Blocks that are mappings, which go back to the kernel when they are freed. */
static void large_wiped(void)
{
    static const size_t sizes[] = {9 * MIB, 64 * MIB};
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_WIPE});

    for (size_t i = 0; i < 2; i++) {
        check_wiped_page(kind, sizes[i], 0);
        check_wiped_page(kind, sizes[i], 8 * MIB + 4096);
        check_wiped_page(kind, sizes[i], MIB);
        check_wiped_page(kind, sizes[i], 100 * MIB);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Without privileges no more than RLIMIT_MEMLOCK can be locked. */
static void locked_in_limits(void)
{
    pid_t child = fork();

    if (child == 0) {
        const struct rlimit limit = {64 * KIB, 64 * KIB};
        memkind_t kind;

        CHECK_INT(0, setrlimit(RLIMIT_MEMLOCK, &limit));
        if (setresuid(65534, 65534, 65534) != 0 && geteuid() == 0)
            _exit(0);
        kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_LOCK, .slab_size = 4 * MIB});
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, MIB));
        CHECK_INT(0, usage_of(kind).held);
        /* What can be locked still can be had. */
        CHECK_NOT_NULL(memkind_malloc(kind, 100));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, MIB));
        CHECK_INT(0, memkind_destroy_kind(kind));
        kind = make_wanted((struct wanted){
            .options = MEMKIND_OPTION_LOCK, .slab_size = 4 * MIB, .fallback = MEMKIND_DEFAULT});
        CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(memkind_malloc(kind, MIB)));
        _exit(0);
    }
    CHECK_INT(0, child_wait(child));
}

int main(void)
{
    populated();
    given_back_or_kept();
    grows_by_usual_slabs();
    flags();
    wiped();
    large_wiped();
    locked_in_limits();
    return 0;
}
