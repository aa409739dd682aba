/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_set_allow_zero_allocs: size zero gives a block that can be freed; switching it off restores
 * NULL. The flag is the byte at offset 120 of the kind. 1.14.0 lacks the function. */
#include "check.h"

static void (*set_allow_zero_allocs)(memkind_t, bool);

static void check_block(memkind_t kind, void *block)
{
    CHECK_NOT_NULL(block);
    CHECK_PTR(kind, memkind_detect_kind(block));
    memkind_free(kind, block);
}

static void check(memkind_t kind)
{
    const unsigned char *flag = (const unsigned char *)kind + 120;
    void *block = NULL, *aligned_too = NULL;

    CHECK_INT(0, *flag);
    set_allow_zero_allocs(kind, true);
    CHECK_INT(1, *flag);
    check_block(kind, memkind_malloc(kind, 0));
    check_block(kind, memkind_calloc(kind, 0, 16));
    check_block(kind, memkind_calloc(kind, 16, 0));
    check_block(kind, memkind_realloc(kind, NULL, 0));
    CHECK_INT(0, memkind_posix_memalign(kind, &block, 64, 0));
    CHECK_INT(0, memkind_posix_memalign(kind, &aligned_too, 64, 0));
    CHECK(aligned(block, 64) && aligned(aligned_too, 64));
    check_block(kind, block);
    check_block(kind, aligned_too);
    /* Two of them are two blocks. */
    void *first = memkind_malloc(kind, 0);
    void *second = memkind_malloc(kind, 0);
    CHECK(first != second);
    memkind_free(kind, first);
    memkind_free(NULL, second);

    set_allow_zero_allocs(kind, false);
    CHECK_INT(0, *flag);
    CHECK_ALLOC_FAILS(0, memkind_malloc(kind, 0));
    CHECK_ALLOC_FAILS(0, memkind_calloc(kind, 0, 16));
    CHECK_ALLOC_FAILS(0, memkind_realloc(kind, NULL, 0));
    CHECK_INT(0, memkind_posix_memalign(kind, &block, 64, 0));
    CHECK_NULL(block);
}

int main(int argc, char **argv)
{
    void *symbol = dlsym(RTLD_DEFAULT, "memkind_set_allow_zero_allocs");

    (void)argv;
    if (symbol == NULL) {
        CHECK(original());
        SKIP("this library has no memkind_set_allow_zero_allocs");
    }
    memcpy(&set_allow_zero_allocs, &symbol, sizeof(symbol));
    return every_kind(argc, check);
}
