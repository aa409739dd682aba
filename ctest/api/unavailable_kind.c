/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind without memory can be used and fails in order: NULL and ENOMEM, no abort. */
#include "check.h"

static void check(memkind_t kind)
{
    void *block = NULL;

    memkind_malloc(kind, 1);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 100));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 4 * MIB + 1));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 10, 10));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, NULL, 100));
    CHECK_ALLOC_FAILS(0, memkind_malloc(kind, 0));
    CHECK_ALLOC_FAILS(0, memkind_calloc(kind, 0, 10));
    CHECK_ALLOC_FAILS(0, memkind_realloc(kind, NULL, 0));
    errno = 0;
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 64, 100));
    CHECK_INT(EINVAL, memkind_posix_memalign(kind, &block, 5, 100));
    CHECK_INT(0, memkind_posix_memalign(kind, &block, 64, 0));
    CHECK_NULL(block);
    CHECK_INT(0, errno);
    memkind_free(kind, NULL);
    CHECK_INT(-1, memkind_get_capacity(kind));
}

int main(void)
{
    int tested = 0;

    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        memkind_t kind = *static_kinds[i].kind;
        check_context = static_kinds[i].name;
        /* The huge page kinds have a capacity of their own. */
        if (memkind_check_available(kind) != 0 && strstr(check_context, "tlb") == NULL) {
            CHECK(memkind_check_available(kind) < 0);
            check(kind);
            tested++;
        }
    }
    if (tested == 0) {
        SKIP("every kind is available on this machine");
    }
    return 0;
}
