/* SPDX-License-Identifier: BSD-2-Clause */
/* Destroying a static kind succeeds and changes nothing: its blocks and the kind stay usable. */
#include "check.h"

static void check(memkind_t kind)
{
    const char *name = check_context;
    bool is_static = false;

    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        is_static |= kind == *static_kinds[i].kind;
    }
    if (!is_static) {
        return;
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    void *block = memkind_malloc(kind, 1000);
    CHECK_NOT_NULL(block);
    fill(block, 1000, 1);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK(holds(block, 1000, 1));
    CHECK_PTR(kind, memkind_detect_kind(block));
    CHECK_STR(name, (const char *)kind + 12);
    block = memkind_realloc(kind, block, 100000);
    CHECK_NOT_NULL(block);
    CHECK(holds(block, 1000, 1));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_check_available(kind));
}

int main(int argc, char **argv)
{
    (void)argv;
    return every_kind(argc, check);
}
