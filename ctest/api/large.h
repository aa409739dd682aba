/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds whose blocks above 8 MiB are mappings. */
#ifndef MEMKIND_CTEST_LARGE_H
#define MEMKIND_CTEST_LARGE_H

#include "check.h"

/* Runs `check` on each of them; `context` is named in failures. */
static inline void check_mapping_kinds(const char *context, void (*check)(memkind_t))
{
    check_context = context;
    check(MEMKIND_DEFAULT);
    check(MEMKIND_REGULAR);
    check(MEMKIND_INTERLEAVE);
}

#endif
