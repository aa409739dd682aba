/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks above 8 MiB on ordinary pages are whole pages, and realloc does not copy them: contents and policy stay, and
 * no page is touched again, however often the block moves. Where the kernel cannot, a
 * block is copied; where there is no room, it stays as it was. A forked child has its own. */
#include "machine.h"
#include "process.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>

#define PAGE_BYTES ((size_t)sysconf(_SC_PAGESIZE))

static const size_t first = 64 * MIB;

/* The policy of the mapping with this address. */
static int policy_of(void *address)
{
    int mode = -1;

    CHECK_INT(0, syscall(SYS_get_mempolicy, &mode, NULL, 0UL, address, (unsigned long)MPOL_F_ADDR));
    return mode;
}

/* A mark in each page from `from` to `to`, and whether all marks up to `to` are there. */
static void mark(char *block, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += PAGE_BYTES) {
        *(size_t *)(block + at) = at ^ 0x5a5a5a;
    }
}

static bool is_marked(const char *block, size_t to)
{
    for (size_t at = 0; at < to; at += PAGE_BYTES) {
        if (*(const size_t *)(block + at) != (at ^ 0x5a5a5a)) {
            return false;
        }
    }
    return true;
}

/* A block in whose way something is: it has to move in order to grow. */
static void obstruct(char *block)
{
    const size_t usable = memkind_malloc_usable_size(NULL, block);

    /* Whether or not something is there already. */
    (void)mmap(block + usable, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

/* From 64 MiB, all touched, to 1 GiB and back. */
static void check_growth(memkind_t kind)
{
    size_t size = first, n_moves = 0;
    char *block = memkind_malloc(kind, size);

    CHECK_NOT_NULL(block);
    const int policy = policy_of(block);
    mark(block, 0, first);
    const size_t touched = resident_memory();
    const long faults = n_faults();
    while (size < GIB) {
        const size_t next = size + size / 2 + 12345;
        char *const before = block;
        obstruct(block);
        block = memkind_realloc(kind, block, next);
        CHECK_NOT_NULL(block);
        n_moves += block != before;
        CHECK_INT((next + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES, memkind_malloc_usable_size(kind, block));
        CHECK_PTR(kind, memkind_detect_kind(block));
        CHECK_PTR(kind, memkind_detect_kind(block + next - 1));
        CHECK_INT(policy, policy_of(block));
        CHECK_INT(policy, policy_of(block + next - 1));
        size = next;
    }
    /* A copy faults at each of its 16384 pages. */
    if (n_faults() - faults > 1000) {
        FAIL("%ld faults", n_faults() - faults);
    }
    CHECK(n_moves > 4);
    CHECK(resident_memory() < touched + 8 * MIB);
    CHECK(is_marked(block, first));
    mark(block, size - size % PAGE_BYTES - MIB, size);
    /* Back: what is cut off is given back. */
    block = memkind_realloc(kind, block, first / 2);
    CHECK_INT(first / 2, memkind_malloc_usable_size(kind, block));
    CHECK(is_marked(block, first / 2));
    CHECK(resident_memory() < touched - first / 2 + 8 * MIB);
    block = memkind_realloc(kind, block, first);
    CHECK(is_marked(block, first / 2));
    CHECK(all_zero(block + first / 2, first / 2));
    /* Into an arena and out of it. */
    for (size_t n = 0; n < 3; n++) {
        block = memkind_realloc(kind, block, 5 * MIB);
        CHECK(is_marked(block, 5 * MIB));
        block = memkind_realloc(kind, block, 8 * MIB + 1);
        CHECK(is_marked(block, 5 * MIB));
        CHECK_INT(8 * MIB + PAGE_BYTES, memkind_malloc_usable_size(kind, block));
    }
    memkind_free(kind, block);
}

/* A part has another policy: the kernel does not move such a mapping. */
static void check_parts(memkind_t kind)
{
    char *block = memkind_malloc(kind, first);
    unsigned long node = 1;

    CHECK_NOT_NULL(block);
    mark(block, 0, first);
    CHECK_INT(0, syscall(SYS_mbind, block + MIB, MIB, MPOL_PREFERRED, &node, 8 * sizeof(node), 0));
    CHECK_INT(0, madvise(block + 8 * MIB, 4 * MIB, MADV_DONTDUMP));
    for (size_t n = 2; n <= 4; n++) {
        block = memkind_realloc(kind, block, n * first);
        CHECK_NOT_NULL(block);
        CHECK(is_marked(block, first));
    }
    memkind_free(kind, block);
}

/* Without addresses for more the block stays, and can be used, cut and freed. */
static void no_addresses(void)
{
    const memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR};

    for (size_t i = 0; i < 2; i++) {
        char *block = memkind_malloc(kinds[i], first);

        CHECK_NOT_NULL(block);
        mark(block, 0, first);
        limit_address_space(address_space() + first / 2);
        CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kinds[i], block, 16 * GIB));
        CHECK_INT(first, memkind_malloc_usable_size(NULL, block));
        CHECK_PTR(kinds[i], memkind_detect_kind(block + first - 1));
        CHECK(is_marked(block, first));
        /* What the block gives up is there for it again. */
        block = memkind_realloc(kinds[i], block, 20 * MIB);
        block = memkind_realloc(kinds[i], block, first);
        CHECK_NOT_NULL(block);
        CHECK(is_marked(block, 20 * MIB));
        memkind_free(kinds[i], block);
        limit_address_space(RLIM_INFINITY);
    }
}

static void check_fork(memkind_t kind)
{
    char *block = memkind_malloc(kind, first);

    CHECK_NOT_NULL(block);
    mark(block, 0, first);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(is_marked(block, first));
        obstruct(block);
        block = memkind_realloc(kind, block, 5 * first);
        CHECK_NOT_NULL(block);
        CHECK(is_marked(block, first));
        memset(block, 1, 5 * first);
        memkind_free(NULL, block);
        block = memkind_calloc(kind, 1, 5 * first);
        CHECK(all_zero(block, 5 * first));
        memkind_free(kind, block);
        _exit(0);
    }
    CHECK_INT(0, child_wait(pid));
    CHECK(is_marked(block, first));
    memkind_free(NULL, block);
}

int main(void)
{
    static const struct named_kind kinds[] = {
        {"default", &MEMKIND_DEFAULT}, {"regular", &MEMKIND_REGULAR}, {"interleave", &MEMKIND_INTERLEAVE}};

    if (original()) {
        SKIP("the original copies");
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        check_context = kinds[i].name;
        check_growth(*kinds[i].kind);
        check_parts(*kinds[i].kind);
        check_fork(*kinds[i].kind);
    }
    check_context = "limit";
    CHECK_CHILD(run_forked(no_addresses));
    return 0;
}
