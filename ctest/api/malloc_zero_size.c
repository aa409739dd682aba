/* SPDX-License-Identifier: BSD-2-Clause */
/* Size zero gives NULL and leaves errno alone, on every kind and with every function;
 * realloc to zero frees. */
#include "check.h"

static void check(memkind_t kind)
{
    /* The first use of a kind may set errno. */
    memkind_free(kind, memkind_malloc(kind, 1));

    errno = 0;
    CHECK_NULL(memkind_malloc(kind, 0));
    CHECK_NULL(memkind_calloc(kind, 0, 16));
    CHECK_NULL(memkind_calloc(kind, 16, 0));
    CHECK_NULL(memkind_calloc(kind, 0, 0));
    CHECK_NULL(memkind_calloc(kind, 0, SIZE_MAX));
    CHECK_NULL(memkind_realloc(kind, NULL, 0));
    CHECK_INT(0, errno);

    /* If realloc to zero did not free, 128 blocks of 1 MiB would not fit in the smaller kinds. */
    for (int i = 0; i < 128; i++) {
        void *block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        errno = EILSEQ;
        CHECK_NULL(memkind_realloc(kind, block, 0));
        CHECK_INT(EILSEQ, errno);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
