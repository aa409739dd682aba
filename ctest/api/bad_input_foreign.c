/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointers that are no blocks of the library (stack, data, libc's heap, bare mappings, nonsense) are
 * seen for what they are: ignored by free, NULL and EINVAL from realloc, size 0, no kind. The original
 * crashes or corrupts its heap. */
#include "check.h"

#include <sys/mman.h>

static char data[4096];

static void check_foreign(const char *what, void *block, memkind_t kind)
{
    check_context = what;
    CHECK_NULL(memkind_detect_kind(block));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_malloc_usable_size(kind, block));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, block, 100));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, block, 10 * MIB));
    CHECK_NULL(memkind_defrag_reallocate(kind, block));
    CHECK_NULL(memkind_realloc(kind, block, 0));
    check_context = NULL;
}

static void check_all(memkind_t kind)
{
    char stack[256];
    char *mapping = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *unmapped = mmap(NULL, 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *from_libc = malloc(100), *large_from_libc = malloc(10 * MIB);

    CHECK(mapping != MAP_FAILED && unmapped != MAP_FAILED);
    CHECK_INT(0, munmap(unmapped, 2 * MIB));
    memset(stack, 1, sizeof(stack));
    memset(mapping, 2, 2 * MIB);
    memset(from_libc, 3, 100);
    check_foreign("stack", stack + 64, kind);
    check_foreign("data", data, kind);
    check_foreign("libc block", from_libc, kind);
    check_foreign("large libc block", large_from_libc, kind);
    check_foreign("mapping", mapping, kind);
    check_foreign("middle of a mapping", mapping + 12345, kind);
    check_foreign("no mapping", unmapped, kind);
    check_foreign("function", (void *)(uintptr_t)check_foreign, kind);
    check_foreign("1", (void *)1, kind);
    check_foreign("highest", (void *)UINTPTR_MAX, kind);
    check_foreign("not an address", (void *)0x8000000000000000, kind);
    for (size_t i = 0; i < sizeof(stack); i++) {
        CHECK_INT(1, stack[i]);
    }
    CHECK(mapping[0] == 2 && mapping[12345] == 2 && from_libc[0] == 3 && from_libc[99] == 3);
    free(large_from_libc);
    free(from_libc);
    CHECK_INT(0, munmap(mapping, 2 * MIB));
}

/* The heap is whole afterwards. */
static void check_heap(memkind_t kind)
{
    char *blocks[200];

    for (unsigned i = 0; i < 200; i++) {
        blocks[i] = memkind_malloc(kind, 50 + 20 * i);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], 50 + 20 * i, i);
    }
    for (unsigned i = 0; i < 200; i++) {
        CHECK(holds(blocks[i], 50 + 20 * i, i));
        memkind_free(NULL, blocks[i]);
    }
}

int main(void)
{
    if (original()) {
        SKIP("1.14.0 crashes on pointers that are not its own");
    }
    check_all(NULL); /* Before the library has handed out anything. */
    memkind_t pmem = make_pmem(test_dir(), 32 * MIB);
    const memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_INTERLEAVE, pmem};
    for (size_t i = 0; i < 4; i++) {
        check_all(kinds[i]);
        check_heap(kinds[i]);
        check_all(kinds[i]);
        check_all(NULL);
        check_heap(kinds[i]);
    }
    CHECK_INT(0, memkind_destroy_kind(pmem));
    return 0;
}
