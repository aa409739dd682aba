/* SPDX-License-Identifier: BSD-2-Clause */
/* Further faults for faults.c, which includes this behind its own functions: of large blocks, of blocks that others
 * have followed, and of addresses that never were blocks. */
#ifndef MEMKIND_CTEST_CHECKS_MISUSE_H
#define MEMKIND_CTEST_CHECKS_MISUSE_H

static void overflow_large(void)
{
    char *block = block_of(3 * MIB + 5);

    expect("memkind: byte 7 behind %zu bytes at %p (kind %s) was written to\n", 3 * MIB + 5, (void *)block, name);
    hidden(block)[3 * MIB + 5 + 7] = 1;
    memkind_free(kind, block);
}

static void underflow_large(void)
{
    char *block = block_of(3 * MIB);

    expect("memkind: byte -8 before %zu bytes at %p (kind %s) was written to\n", 3 * MIB, (void *)block, name);
    hidden(block)[-8] = 1;
    memkind_free(kind, block);
}

/* A text that is longer than its block: from strcpy(3), not from a loop of ours. */
static void overflow_by_text(void)
{
    char *block = block_of(12);

    expect("memkind: byte 0 behind 12 bytes at %p (kind %s) was written to\n", (void *)block, name);
    strcpy(hidden(block), "twelve bytes and");
    memkind_free(kind, block);
}

/* Others have been freed since, and some of them handed out again. */
static void delayed_double_free(void)
{
    char *block = block_of(100);

    memkind_free(kind, block);
    for (int i = 0; i < 200; i++) {
        memkind_free(kind, block_of(100));
    }
    expect("memkind: double free of 100 bytes at %p (kind %s)\n", (void *)block, name);
    memkind_free(kind, hidden(block));
}

static void large_double_free(void)
{
    char *block = block_of(MIB - 100);

    memkind_free(kind, block);
    expect("memkind: double free of %zu bytes at %p (kind %s)\n", MIB - 100, (void *)block, name);
    memkind_free(kind, hidden(block));
}

static void misaligned_free(void)
{
    char *block = block_of(100);

    expect("memkind: free of %p, which is byte 1 of 100 bytes at %p (kind %s)\n", (void *)(block + 1), (void *)block,
           name);
    memkind_free(kind, hidden(block + 1));
}

static void large_interior_free(void)
{
    char *block = block_of(3 * MIB);

    expect("memkind: free of %p, which is byte 4096 of %zu bytes at %p (kind %s)\n", (void *)(block + 4096), 3 * MIB,
           (void *)block, name);
    memkind_free(kind, hidden(block + 4096));
}

/* Memory that may not even be read. */
static void protected_free(void)
{
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    memkind_free(kind, block_of(100));
    expect("memkind: free of %p, which is no memory of this library\n", page);
    memkind_free(kind, hidden(page));
}

/* A pointer that was never set: what a byte pattern reads as, and what lies beyond all addresses. */
static void uninitialized_free(void)
{
    char *wild = (char *)0xa5a5a5a5a5a5a5a5;

    memkind_free(kind, block_of(100));
    expect("memkind: free of %p, which is no memory of this library\n", (void *)wild);
    memkind_free(kind, hidden(wild));
}

static void use_of_large_seen_at_exit(void)
{
    char *block = block_of(MIB - 100);

    memkind_free(kind, block);
    expect("memkind: byte 700000 of freed %zu bytes at %p (kind %s) was written to\n", MIB - 100, (void *)block, name);
    hidden(block)[700000] = 1;
}

static char *turn(unsigned way, int left);

/* turn_left() and turn_right() have frames of one size. */
static __attribute__((noinline)) char *turn_left(unsigned way, int left)
{
    char *block = turn(way, left);

    block[1] = 1;
    return block;
}

static __attribute__((noinline)) char *turn_right(unsigned way, int left)
{
    char *block = turn(way, left);

    block[1] = 2;
    return block;
}

static __attribute__((noinline)) char *turn(unsigned way, int left)
{
    char *block;

    if (left == 0) {
        return block_of(10);
    }
    block = way % 2 ? turn_left(way / 2, left - 1) : turn_right(way / 2, left - 1);
    block[2] = 1;
    return block;
}

/* Ways to one call that part farther out, at the same depth of the stack, are places of their own. */
static void ways_apart(void)
{
    static struct lines lines;
    char expected[200];

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned way = 0; way < 8; way++) {
            char *block = turn(way, 3);

            if (round > way) {
                memkind_free(kind, block);
            }
        }
    }
    CHECK_INT(0, memkind_report(kind, collect, &lines));
    for (unsigned way = 0; way < 8; way++) {
        snprintf(expected, sizeof(expected), "memkind: alive: %u block%s, %u bytes (kind %s)\n", way + 1,
                 way == 0 ? "" : "s", 10 * (way + 1), name);
        CHECK(strstr(lines.text, expected) != NULL);
    }
    _exit(0);
}

#endif
