/* SPDX-License-Identifier: BSD-2-Clause */
/* Each fault that is checked, in each sort of kind, in a process of its own: the first line that is said about
 * it, and how the process ends.
 * huge pages: 8 */
#include "proper.h"

#include <pthread.h>

static char *block_of(size_t size)
{
    char *block = memkind_malloc(kind, size);

    CHECK_NOT_NULL(block);
    memset(block, 1, size);
    return block;
}

static void double_free(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: double free of 100 bytes at %p (kind %s)\n", (void *)block, name);
    memkind_free(NULL, hidden(block));
}

/* The heap has had the block back for long. */
static void late_double_free(void)
{
    char *block = block_of(2 * MIB);

    memkind_free(kind, block);
    expect("memkind: double free of %zu bytes at %p (kind %s)\n", 2 * MIB, (void *)block, name);
    memkind_free(kind, hidden(block));
}

static void *free_it(void *block)
{
    memkind_free(kind, block);
    return NULL;
}

static void double_free_by_thread(void)
{
    char *block = block_of(100);
    pthread_t thread;

    CHECK_INT(0, pthread_create(&thread, NULL, free_it, block));
    CHECK_INT(0, pthread_join(thread, NULL));
    expect("memkind: double free of 100 bytes at %p (kind %s)\n", (void *)block, name);
    memkind_free(kind, hidden(block));
}

static void interior_free(void)
{
    char *block = block_of(100);

    expect("memkind: free of %p, which is byte 16 of 100 bytes at %p (kind %s)\n", (void *)(block + 16),
           (void *)block, name);
    memkind_free(kind, hidden(block + 16));
}

static void foreign_free(void)
{
    static char own[64];

    memkind_free(kind, block_of(100));
    expect("memkind: free of %p, which is no memory of this library\n", (void *)own);
    memkind_free(kind, hidden(own));
}

static void foreign_realloc(void)
{
    static char own[64];

    expect("memkind: realloc of %p, which is no memory of this library\n", (void *)own);
    sink = *(char *)memkind_realloc(kind, hidden(own), 100);
}

static void realloc_freed(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: realloc of freed 100 bytes at %p (kind %s)\n", (void *)block, name);
    sink = *(char *)memkind_realloc(kind, hidden(block), 200);
}

static void size_of_freed(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: usable size asked of freed 100 bytes at %p (kind %s)\n", (void *)block, name);
    sink = (char)memkind_malloc_usable_size(kind, hidden(block));
}

static void overflow(void)
{
    char *block = block_of(10);

    expect("memkind: byte 0 behind 10 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[10] = 0;
    memkind_free(kind, block);
}

static void overflow_far(void)
{
    char *block = block_of(100);

    expect("memkind: byte 15 behind 100 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[115] = 1;
    memkind_free(kind, block);
}

static void overflow_aligned(void)
{
    void *block = NULL;

    CHECK_INT(0, memkind_posix_memalign(kind, &block, 1024, 1024));
    expect("memkind: byte 0 behind 1024 bytes at %p (kind %s) was written to\n", block, name);
    hidden(block)[1024] = 1;
    memkind_free(kind, block);
}

static void overflow_seen_by_realloc(void)
{
    char *block = memkind_calloc(kind, 5, 5);

    CHECK_NOT_NULL(block);
    expect("memkind: byte 0 behind 25 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[25] = 1;
    sink = *(char *)memkind_realloc(kind, block, 26);
}

/* Nothing is done with the block any more. */
static void overflow_seen_at_exit(void)
{
    char *block = block_of(10);

    expect("memkind: byte 1 behind 10 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[11] = 0;
}

static void underflow(void)
{
    char *block = block_of(10);

    expect("memkind: byte -3 before 10 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[-3] = 0;
    memkind_free(kind, block);
}

static void use_seen_at_exit(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: byte 7 of freed 100 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[7] = 1;
}

/* The block is looked at when others push it out. */
static void use_seen_later(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: byte 99 of freed 100 bytes at %p (kind %s) was written to\n", (void *)block, name);
    hidden(block)[99] = 1;
    for (int i = 0; i < 64; i++) {
        memkind_free(kind, block_of(MIB / 2));
    }
    _exit(0);
}

static void leak(void)
{
    for (int i = 0; i < 3; i++) {
        sink = *block_of(100);
    }
    expect("memkind: alive: 3 blocks, 300 bytes (kind %s)\n", name);
}

static void leak_in_destroyed(void)
{
    sink = *block_of(100);
    expect("memkind: alive: 1 block, 100 bytes (kind %s)\n", name);
    CHECK_INT(0, memkind_destroy_kind(kind));
    _exit(0);
}

static void guard_behind(void)
{
    char *block = block_of(96);

    expect("memkind: access to byte 0 behind 96 bytes at %p (kind %s)\n", (void *)block, name);
    sink = hidden(block)[96];
}

static void guard_after(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    expect("memkind: access to byte 5 of freed 100 bytes at %p (kind %s)\n", (void *)block, name);
    sink = hidden(block)[5];
}

/* Without other checks most blocks take the fast path, and some are guarded all the same. */
static void guard_seldom(void)
{
    int ends[2];

    CHECK_INT(0, pipe(ends));
    for (int i = 0; i < 100000; i++) {
        char *block = block_of(96);
        char *behind = (char *)(((uintptr_t)block + 95) / 4096 * 4096 + 4096);

        if (write(ends[1], behind, 1) < 0) {
            CHECK_INT(EFAULT, errno);
            expect("memkind: access to byte 0 behind 96 bytes at %p (kind %s)\n", (void *)block, name);
            sink = hidden(block)[96];
        }
        CHECK(read(ends[0], &(char){0}, 1) == 1);
        memkind_free(kind, block);
    }
}

/* With set_checks in place of the variable, and a report that does not end the process. */
struct lines {
    size_t length;
    char text[8192];
};

static void collect(void *context, const char *text)
{
    struct lines *lines = context;
    void *own = memkind_malloc(MEMKIND_DEFAULT, 50); /* it may allocate */

    CHECK_NOT_NULL(own);
    memkind_free(NULL, own);
    lines->length += (size_t)snprintf(lines->text + lines->length, sizeof(lines->text) - lines->length, "%s", text);
}

static void report(void)
{
    static struct lines lines;
    char expected[200];
    char *block;
    char before;

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_set_checks(32));
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_set_checks(MEMKIND_CHECK_FREE));
    block = block_of(10);
    CHECK_INT(0, memkind_report(kind, collect, &lines));
    snprintf(expected, sizeof(expected), "memkind: alive: 1 block, 10 bytes (kind %s)\n  allocated at ", name);
    CHECK(strncmp(expected, lines.text, strlen(expected)) == 0);
    lines.length = 0;
    before = hidden(block)[10];
    hidden(block)[10] = 0;
    CHECK_INT(1, memkind_report(NULL, collect, &lines));
    snprintf(expected, sizeof(expected), "memkind: byte 0 behind 10 bytes at %p (kind %s) was written to\n",
             (void *)block, name);
    CHECK(strncmp(expected, lines.text, strlen(expected)) == 0);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_report((memkind_t)&lines, collect, &lines));
    hidden(block)[10] = before;
    memkind_free(kind, block);
    _exit(0);
}

#include "misuse.h"

/* No fault: nothing is to be said. */
static void clean(void)
{
    void *blocks[200] = {NULL};
    unsigned state = 1;

    for (int i = 0; i < 4000; i++) {
        const size_t slot = (state = state * 1664525u + 1013904223u) >> 8;
        const size_t size = (slot >> 8) % 3000 + 1;
        void **block = &blocks[slot % 200];

        switch (i % 4) {
        case 0:
            memkind_free(i % 8 ? NULL : kind, *block);
            *block = memkind_malloc(kind, size);
            break;
        case 1:
            memkind_free(kind, *block);
            *block = memkind_calloc(kind, size, 2);
            CHECK(all_zero(*block, 2 * size));
            break;
        case 2:
            memkind_free(kind, *block);
            CHECK_INT(0, memkind_posix_memalign(kind, block, (size_t)8 << i % 11, size));
            CHECK(aligned(*block, (size_t)8 << i % 11));
            break;
        default: {
            const size_t old = memkind_malloc_usable_size(kind, *block);
            fill(*block, old, 3);
            *block = memkind_realloc(kind, *block, size);
            CHECK(holds(*block, old < size ? old : size, 3));
        }
        }
        CHECK_NOT_NULL(*block);
        CHECK_PTR(kind, memkind_detect_kind(*block));
        memset(*block, i, memkind_malloc_usable_size(NULL, *block));
        if (i % 16 == 0) {
            void *moved = memkind_defrag_reallocate(kind, *block);
            *block = moved != NULL ? moved : *block;
        }
        /* A copy of a huge page may find none. */
        if (i % 1000 == 999 && kind != MEMKIND_HUGETLB) {
            const pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid == 0) {
                for (size_t j = 0; j < 200; j++) {
                    memkind_free(kind, blocks[j]);
                }
                exit(0);
            }
            CHECK_INT(0, child_wait(pid));
        }
    }
    for (size_t i = 0; i < 200; i++) {
        memkind_free(kind, blocks[i]);
    }
}

/* What guarded blocks leave to the heap becomes blocks that nothing is known of. Nothing is to be said of them, and they
 * are resized and freed like others: some lie where a guarded block lay, at the end of a page. */
static void clean_after_guarded(void)
{
    enum { N = 4000, SIZE = 128 };
    static char *blocks[N];

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            blocks[i] = block_of(SIZE);
        }
        for (int i = 0; i < N; i++) {
            char *moved;

            CHECK(memkind_malloc_usable_size(kind, blocks[i]) >= SIZE);
            moved = memkind_realloc(kind, blocks[i], 2 * SIZE);
            CHECK_NOT_NULL(moved);
            CHECK(moved[0] == 1 && moved[SIZE - 1] == 1);
            memkind_free(kind, moved);
        }
        /* Gives what is cached back to where blocks of other sizes come from. */
        CHECK_INT(0, memkind_update_cached_stats());
    }
}

static const struct fault faults[] = {
    {"double free", double_free, "free", ABORTED},
    {"double free, all checks", double_free, "all", ABORTED},
    {"late double free", late_double_free, "free,use", ABORTED},
    {"double free after another thread's", double_free_by_thread, "free", ABORTED},
    {"free of an interior pointer", interior_free, "free", ABORTED},
    {"free of a foreign pointer", foreign_free, "free", ABORTED},
    {"realloc of a foreign pointer", foreign_realloc, "free", ABORTED},
    {"realloc of a freed block", realloc_freed, "free", ABORTED},
    {"size of a freed block", size_of_freed, "free", ABORTED},
    {"overflow", overflow, "overflow", ABORTED},
    {"overflow by 16", overflow_far, "overflow", ABORTED},
    {"overflow of an aligned block", overflow_aligned, "overflow", ABORTED},
    {"overflow seen by realloc", overflow_seen_by_realloc, "overflow", ABORTED},
    {"overflow seen at exit", overflow_seen_at_exit, "overflow", ABORTED},
    {"underflow", underflow, "overflow", ABORTED},
    {"use after free seen at exit", use_seen_at_exit, "use", ABORTED},
    {"use after free seen later", use_seen_later, "use", ABORTED},
    {"overflow of a large block", overflow_large, "overflow", ABORTED},
    {"underflow of a large block", underflow_large, "overflow", ABORTED},
    {"overflow by a text", overflow_by_text, "overflow", ABORTED},
    {"delayed double free", delayed_double_free, "free,use", ABORTED},
    {"double free of a large block", large_double_free, "free,use", ABORTED},
    {"free of a misaligned pointer", misaligned_free, "free", ABORTED},
    {"free of an interior page", large_interior_free, "free", ABORTED},
    {"free of a protected page", protected_free, "free", ABORTED},
    {"free of a wild pointer", uninitialized_free, "free", ABORTED},
    {"use of a large block after free", use_of_large_seen_at_exit, "use", ABORTED},
    {"leak", leak, "leak", 0},
    {"leak in a destroyed kind", leak_in_destroyed, "leak", 0},
    {"read behind a guarded block", guard_behind, "guard=1", SEGFAULT},
    {"read of a freed guarded block", guard_after, "guard=1", SEGFAULT},
    {"read behind one guarded block in many", guard_seldom, "guard", SEGFAULT},
    {"report", report, "overflow", 0},
    {"ways apart", ways_apart, "leak", 0},
    {"no fault", clean, "all,guard=3", 0},
    {"alignment, free", aligned_blocks, "free", 0},
    {"alignment, use", aligned_blocks, "use", 0},
    {"alignment, leak", aligned_blocks, "leak", 0},
    {"alignment, one guarded block in three", aligned_blocks, "guard=3", 0},
    {"alignment, one guarded block in many", aligned_blocks, "guard", 0},
    {"alignment, all", aligned_blocks, "all", 0},
    {"no fault after guarded blocks", clean_after_guarded, "guard=2", 0},
};

int main(int argc, char **argv)
{
    static const char *const sorts[] = {"default", "regular", "pmem", "fixed", "nodes", "hugetlb"};
    char context[100];

    if (argc == 2) {
        commit(argv[1], faults);
        return 0;
    }
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        const bool fixed_set = i < 2 || i == 5;

        if (i == 5 && memkind_check_available(MEMKIND_HUGETLB) != 0) {
            continue;
        }
        for (size_t j = 0; j < sizeof(faults) / sizeof(faults[0]); j++) {
            const bool guard = strncmp(faults[j].checks, "guard", 5) == 0;

            if ((fixed_set && faults[j].commit == leak_in_destroyed) || (i == 5 && guard)) {
                continue;
            }
            snprintf(context, sizeof(context), "%s: %s", sorts[i], faults[j].name);
            check_context = context;
            in_process(sorts[i], faults, j);
        }
    }
    return 0;
}
