/* SPDX-License-Identifier: BSD-2-Clause */
/* File-backed kinds after fork: the child reads what the parent wrote, writes, allocates and frees in a
 * view of its own, and nothing that it does changes the parent's data. In the original parent and child
 * write into the same file. */
#include "pmem.h"

#define N 2000

static char *blocks[N];
static size_t sizes[N];
static memkind_t kind;

static void check_blocks(void)
{
    for (unsigned i = 0; i < N; i++) {
        if (!holds(blocks[i], sizes[i], i)) {
            FAIL("block %u of %zu bytes has changed", i, sizes[i]);
        }
    }
}

static void child(void)
{
    char *own[N];

    check_blocks();
    for (unsigned i = 0; i < N; i++) {
        memset(blocks[i], 0xee, sizes[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        own[i] = memkind_malloc(kind, sizes[i] / 2 + 1);
        CHECK_NOT_NULL(own[i]);
        fill(own[i], sizes[i] / 2 + 1, i + 7);
    }
    for (unsigned i = 0; i < N; i++) {
        CHECK(holds(own[i], sizes[i] / 2 + 1, i + 7));
        CHECK_PTR(kind, memkind_detect_kind(own[i]));
        CHECK_INT(0xee, (unsigned char)blocks[i][sizes[i] - 1]);
        if (i % 3 == 0) {
            memkind_free(kind, blocks[i]);
        } else if (i % 3 == 1) {
            blocks[i] = memkind_realloc(kind, blocks[i], 3 * sizes[i]);
            CHECK_NOT_NULL(blocks[i]);
            memset(blocks[i], 0xdd, 3 * sizes[i]);
        }
        memkind_free(NULL, own[i]);
    }
}

/* A grandchild has a view of its own as well. */
static void child_with_child(void)
{
    CHECK_INT(0, run_forked(child));
    check_blocks();
    child();
}

/* Large blocks whose pages a free would give back to the file system. */
static void child_frees_all(void)
{
    for (unsigned i = 0; i < N; i++) {
        memkind_free(kind, blocks[i]);
    }
    CHECK_NOT_NULL(memkind_malloc(kind, MIB));
}

static void child_destroys(void)
{
    CHECK_INT(0, memkind_destroy_kind(kind));
    exit(0);
}

static void check_policy(memkind_mem_usage_policy policy, const char *dir)
{
    static void (*const children[])(void) = {child, child_with_child, child_frees_all, child_destroys, child};

    kind = make_pmem_with_policy(dir, 0, policy);
    for (unsigned i = 0; i < N; i++) {
        sizes[i] = i % 200 == 0 ? 300 * KIB : 1 + i * 37 % 5000;
        blocks[i] = memkind_malloc(kind, sizes[i]);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], sizes[i], i);
    }
    for (size_t c = 0; c < sizeof(children) / sizeof(children[0]); c++) {
        CHECK_INT(0, run_forked(children[c]));
        check_blocks();
        /* The parent's heap goes on, and does not hand out what it holds. */
        for (unsigned i = 0; i < N; i += 3) {
            char *block = memkind_malloc(kind, sizes[i]);
            CHECK_NOT_NULL(block);
            fill(block, sizes[i], i);
            memkind_free(kind, blocks[i]);
            blocks[i] = block;
        }
        check_blocks();
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    if (original()) {
        SKIP("in 1.14.0 a child writes into its parent's heap");
    }
    check_policy(MEMKIND_MEM_USAGE_POLICY_DEFAULT, test_dir());
    check_policy(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, test_dir());
    check_policy(MEMKIND_MEM_USAGE_POLICY_DEFAULT, "/dev/shm");
    check_policy(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, "/dev/shm");
    return 0;
}
