/* SPDX-License-Identifier: BSD-2-Clause */
/* All ten decorators: they count, take notes, and change what `decorator_hooks` says. */
#include "hooks.h"

#include <errno.h>

struct hooks decorator_hooks;

static void before(int function, memkind_t *kind, size_t *size)
{
    decorator_hooks.pre[function]++;
    if (decorator_hooks.change_kind != NULL) {
        *kind = decorator_hooks.change_kind;
    }
    if (decorator_hooks.change_size != 0 && size != NULL) {
        *size = decorator_hooks.change_size;
    }
}

static void after(int function, memkind_t kind, size_t size, void **result)
{
    decorator_hooks.post[function]++;
    decorator_hooks.kind = kind;
    decorator_hooks.size = size;
    decorator_hooks.result = *result;
    if (decorator_hooks.fail) {
        *result = NULL;
    }
}

void memkind_malloc_pre(memkind_t *kind, size_t *size)
{
    before(MALLOC, kind, size);
}

void memkind_malloc_post(memkind_t kind, size_t size, void **result)
{
    after(MALLOC, kind, size, result);
}

void memkind_calloc_pre(memkind_t *kind, size_t *n, size_t *size)
{
    decorator_hooks.n = *n;
    before(CALLOC, kind, size);
}

void memkind_calloc_post(memkind_t kind, size_t n, size_t size, void **result)
{
    decorator_hooks.n = n;
    after(CALLOC, kind, size, result);
}

void memkind_posix_memalign_pre(memkind_t *kind, void **block, size_t *alignment, size_t *size)
{
    (void)block;
    decorator_hooks.alignment = *alignment;
    before(MEMALIGN, kind, size);
}

void memkind_posix_memalign_post(memkind_t kind, void **block, size_t alignment, size_t size, int *error)
{
    decorator_hooks.post[MEMALIGN]++;
    decorator_hooks.kind = kind;
    decorator_hooks.size = size;
    decorator_hooks.alignment = alignment;
    decorator_hooks.result = *block;
    decorator_hooks.error = *error;
    if (decorator_hooks.fail) {
        *error = ENOMEM;
    }
}

void memkind_realloc_pre(memkind_t *kind, void **block, size_t *size)
{
    decorator_hooks.block = *block;
    before(REALLOC, kind, size);
}

void memkind_realloc_post(memkind_t *kind, void *block, size_t size, void **result)
{
    decorator_hooks.block = block;
    after(REALLOC, *kind, size, result);
}

void memkind_free_pre(memkind_t *kind, void **block)
{
    decorator_hooks.block = *block;
    before(FREE, kind, NULL);
    if (decorator_hooks.keep) {
        *block = NULL;
    }
}

void memkind_free_post(memkind_t kind, void *block)
{
    decorator_hooks.post[FREE]++;
    decorator_hooks.kind = kind;
    decorator_hooks.block = block;
}
