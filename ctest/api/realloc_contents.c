/* SPDX-License-Identifier: BSD-2-Clause */
/* realloc keeps the contents up to the smaller size, in both directions, and for a NULL block acts as
 * malloc. */
#include "check.h"

static void check(memkind_t kind)
{
    static const size_t sizes[] = {1, 1024, 2048, 1024, 4, 16, 17, 4096, 20000, 300000, 2000000, 300001, 5000, 8};
    size_t old_size = 1;
    unsigned char *block = memkind_realloc(kind, NULL, old_size);

    CHECK_NOT_NULL(block);
    fill(block, old_size, 0);
    for (unsigned i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t kept = sizes[i] < old_size ? sizes[i] : old_size;
        block = memkind_realloc(kind, block, sizes[i]);
        CHECK_NOT_NULL(block);
        CHECK(memkind_malloc_usable_size(kind, block) >= sizes[i]);
        CHECK(holds(block, kept, i - 1));
        fill(block, sizes[i], i);
        old_size = sizes[i];
    }
    memkind_free(kind, block);
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
