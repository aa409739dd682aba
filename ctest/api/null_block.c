/* SPDX-License-Identifier: BSD-2-Clause */
/* free, usable_size, defrag_reallocate and detect_kind of NULL do nothing, with every kind and with a
 * NULL kind. */
#include "check.h"

static void check(memkind_t kind)
{
    errno = EILSEQ;
    for (int i = 0; i < 100000; i++) {
        memkind_free(kind, NULL);
        memkind_free(NULL, NULL);
        CHECK_INT(0, memkind_malloc_usable_size(kind, NULL));
        CHECK_INT(0, memkind_malloc_usable_size(NULL, NULL));
    }
    CHECK_NULL(memkind_defrag_reallocate(kind, NULL));
    CHECK_NULL(memkind_defrag_reallocate(NULL, NULL));
    CHECK_NULL(memkind_detect_kind(NULL));
    CHECK_INT(EILSEQ, errno);
}

int main(int argc, char **argv)
{
    (void)argv;
    /* Also before any kind has been used, and for kinds that have no memory. */
    if (argc == 1) {
        for (size_t i = 0; i < N_STATIC_KINDS; i++) {
            check_context = static_kinds[i].name;
            memkind_free(*static_kinds[i].kind, NULL);
            CHECK_INT(0, memkind_malloc_usable_size(*static_kinds[i].kind, NULL));
        }
    }
    return every_kind(argc, check);
}
