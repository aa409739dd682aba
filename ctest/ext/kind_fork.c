/* SPDX-License-Identifier: BSD-2-Clause */
/* A forked child of a process with kinds that are not inherited: there they give nothing and leave alone what is freed;
 * the parent's memory is as it was. A kind that is inherited works on in the child. */
#include "kind.h"

#include <sys/wait.h>

static memkind_t kind;
static char *blocks[200];

static void in_child(bool gone)
{
    for (int i = 0; i < 100; i++) {
        if (gone) {
            CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (size_t)i * 100 + 1));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, 100));
        } else {
            char *block = memkind_malloc(kind, 1000);
            CHECK_NOT_NULL(block);
            memset(block, 1, 1000);
            memkind_free(kind, block);
            CHECK(holds(blocks[i], 1000, (unsigned)i));
        }
        memkind_free(i % 2 ? kind : NULL, blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
    }
    if (gone) {
        CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, blocks[100], 10));
        CHECK_INT(MEMKIND_ERROR_MALLOC, memkind_prepare(kind, 64 * MIB));
    }
    /* Other kinds go on, and new ones can be made. */
    memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, 100));
    CHECK_INT(0, memkind_trim(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_PIN, .slab_size = 4 * MIB});
    CHECK_NOT_NULL(memkind_malloc(kind, 1000));
}

static void one(unsigned options)
{
    pid_t child;

    kind = make_wanted((struct wanted){.options = options, .slab_size = 4 * MIB});
    for (int i = 0; i < 200; i++) {
        blocks[i] = memkind_malloc(kind, 1000);
        CHECK_NOT_NULL(blocks[i]);
        fill(blocks[i], 1000, (unsigned)i);
    }
    for (int i = 150; i < 200; i++)
        memkind_free(kind, blocks[i]);
    child = fork();
    if (child == 0) {
        in_child(options & (MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_SHARED));
        _exit(0);
    }
    CHECK_INT(0, child_wait(child));
    for (int i = 0; i < 150; i++)
        CHECK(holds(blocks[i], 1000, (unsigned)i));
    for (int i = 0; i < 1000; i++)
        memkind_free(kind, memkind_malloc(kind, 1000));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    one(MEMKIND_OPTION_NO_FORK);
    one(MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_PIN);
    one(MEMKIND_OPTION_SHARED | MEMKIND_OPTION_PIN);
    one(MEMKIND_OPTION_SHARED | MEMKIND_OPTION_NO_FORK);
    one(MEMKIND_OPTION_PIN);
    one(MEMKIND_OPTION_POPULATE);
    return 0;
}
