/* SPDX-License-Identifier: BSD-2-Clause */
/* What the decorators in hooks.c have seen, and what they are to change. */
#ifndef MEMKIND_CTEST_HOOKS_H
#define MEMKIND_CTEST_HOOKS_H

#include <memkind.h>
#include <stdbool.h>
#include <stddef.h>

enum { MALLOC, CALLOC, MEMALIGN, REALLOC, FREE, N_FUNCTIONS };

struct hooks {
    int pre[N_FUNCTIONS], post[N_FUNCTIONS];
    memkind_t kind;       /* as the last hook saw it */
    size_t size, n, alignment;
    void *block, *result;
    int error;
    memkind_t change_kind; /* if not NULL, pre hooks put it in the place of the kind */
    size_t change_size;    /* if not 0, pre hooks put it in the place of the size */
    bool fail;             /* post hooks replace the result by a failure */
    bool keep;             /* free_pre replaces the block by NULL */
};

#endif
