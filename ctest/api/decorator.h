/* SPDX-License-Identifier: BSD-2-Clause */
/* What any set of decorators must see and can do, wherever they are defined. */
#ifndef MEMKIND_CTEST_DECORATOR_H
#define MEMKIND_CTEST_DECORATOR_H

#include "check.h"
#include "lib/hooks.h"

#include <hbwmalloc.h>

static void skip_without_decorators(void)
{
    if (original()) {
        SKIP("the distribution builds without decorators");
    }
}

/* Only `function` was called since the last look, `times` times. */
static void check_calls(struct hooks *hooks, int function, int times)
{
    for (int i = 0; i < N_FUNCTIONS; i++) {
        CHECK_INT(i == function ? times : 0, hooks->pre[i]);
        CHECK_INT(i == function ? times : 0, hooks->post[i]);
    }
    memset(hooks, 0, sizeof(*hooks));
}

static void check_seen(struct hooks *hooks, memkind_t kind)
{
    memset(hooks, 0, sizeof(*hooks));
    void *block = memkind_malloc(kind, 1000), *other = NULL;
    CHECK_NOT_NULL(block);
    CHECK_PTR(kind, hooks->kind);
    CHECK_INT(1000, hooks->size);
    CHECK_PTR(block, hooks->result);
    check_calls(hooks, MALLOC, 1);

    other = memkind_realloc(kind, block, 2000);
    CHECK_NOT_NULL(other);
    CHECK_PTR(block, hooks->block);
    CHECK_INT(2000, hooks->size);
    CHECK_PTR(other, hooks->result);
    check_calls(hooks, REALLOC, 1);

    memkind_free(kind, other);
    CHECK_PTR(kind, hooks->kind);
    CHECK_PTR(other, hooks->block);
    check_calls(hooks, FREE, 1);

    block = memkind_calloc(kind, 10, 7);
    CHECK(all_zero(block, 70));
    CHECK_INT(10, hooks->n);
    CHECK_INT(7, hooks->size);
    CHECK_PTR(block, hooks->result);
    check_calls(hooks, CALLOC, 1);

    CHECK_NULL(memkind_realloc(kind, block, 0));
    check_calls(hooks, REALLOC, 1);

    CHECK_INT(0, memkind_posix_memalign(kind, &block, 256, 100));
    CHECK_INT(256, hooks->alignment);
    CHECK_INT(100, hooks->size);
    CHECK_INT(0, hooks->error);
    CHECK_PTR(block, hooks->result);
    check_calls(hooks, MEMALIGN, 1);
    memkind_free(NULL, block);
    check_calls(hooks, FREE, 1);

    /* Failures and size 0 are calls too; realloc of NULL is not also a malloc. */
    CHECK_NULL(memkind_malloc(kind, SIZE_MAX));
    CHECK_NULL(memkind_malloc(kind, 0));
    check_calls(hooks, MALLOC, 2);
    CHECK_INT(EINVAL, memkind_posix_memalign(kind, &block, 3, 100));
    CHECK_INT(EINVAL, hooks->error);
    check_calls(hooks, MEMALIGN, 1);
    block = memkind_realloc(kind, NULL, 100);
    CHECK_NOT_NULL(block);
    check_calls(hooks, REALLOC, 1);
    memkind_free(kind, block);
    check_calls(hooks, FREE, 1);

    block = hbw_malloc(100);
    CHECK_NOT_NULL(block);
    check_calls(hooks, MALLOC, 1);
    hbw_free(block);
    check_calls(hooks, FREE, 1);
}

static void check_changes(struct hooks *hooks)
{
    void *block, *other = NULL;

    hooks->change_kind = MEMKIND_REGULAR;
    hooks->change_size = 5000;
    block = memkind_malloc(MEMKIND_DEFAULT, 10);
    CHECK_INT(5000, hooks->size);
    CHECK_PTR(MEMKIND_REGULAR, hooks->kind);
    check_calls(hooks, MALLOC, 1);
    CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(block));
    CHECK_INT(5120, memkind_malloc_usable_size(MEMKIND_REGULAR, block));

    hooks->change_size = 9000;
    other = memkind_realloc(MEMKIND_REGULAR, block, 10);
    CHECK_INT(10240, memkind_malloc_usable_size(MEMKIND_REGULAR, other));
    check_calls(hooks, REALLOC, 1);

    hooks->keep = true;
    fill(other, 9000, 3);
    memkind_free(MEMKIND_REGULAR, other);
    check_calls(hooks, FREE, 1);
    CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(other));
    CHECK(holds(other, 9000, 3));
    memkind_free(MEMKIND_REGULAR, other);
    check_calls(hooks, FREE, 1);

    hooks->fail = true;
    CHECK_NULL(memkind_malloc(MEMKIND_DEFAULT, 10));
    CHECK_NOT_NULL(hooks->result);
    block = hooks->result;
    check_calls(hooks, MALLOC, 1);
    hooks->fail = true;
    CHECK_INT(ENOMEM, memkind_posix_memalign(MEMKIND_DEFAULT, &other, 64, 10));
    check_calls(hooks, MEMALIGN, 1);
    hooks->fail = true;
    CHECK_NULL(memkind_calloc(MEMKIND_DEFAULT, 1, 10));
    check_calls(hooks, CALLOC, 1);
    memkind_free(MEMKIND_DEFAULT, block);
    check_calls(hooks, FREE, 1);
}

static void check_hooks(struct hooks *hooks)
{
    check_seen(hooks, MEMKIND_DEFAULT);
    check_seen(hooks, MEMKIND_REGULAR);
    check_changes(hooks);
}

#endif
