/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a program again on the pools of libtbbmalloc.so.2. */
#ifndef MEMKIND_CTEST_TBB_H
#define MEMKIND_CTEST_TBB_H

#include "output.h"

/* Of 5000 bytes, as each heap manager rounds them up. */
enum { TBB_5000 = 5376, JEMALLOC_5000 = 5120 };

static inline void need_tbb(void)
{
    if (dlopen("libtbbmalloc.so.2", RTLD_LAZY) == NULL) {
        SKIP("no libtbbmalloc.so.2: package libtbbmalloc2");
    }
}

/* The environment of such a run: with node 0 for the kinds that few machines have memory for. */
#define ON_TBB ENV("MEMKIND_HEAP_MANAGER=TBB", "MEMKIND_HBW_NODES=0", "MEMKIND_DAX_KMEM_NODES=0")

/* Runs the test `use` in a child whose kinds are on TBB's pools; returns the exit status for main(). */
static inline int use_on_tbb(int argc, int (*use)(void))
{
    if (argc > 1) {
        return use();
    }
    need_tbb();
    CHECK_CHILD(run_again("use", ON_TBB));
    return 0;
}

/* Whether a kind is to be on a pool: every static one but MEMKIND_DEFAULT. */
static inline bool is_on_tbb(memkind_t kind)
{
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        if (kind == *static_kinds[i].kind) {
            return kind != MEMKIND_DEFAULT;
        }
    }
    return false;
}

/* The original takes the first block of such a kind from jemalloc, and crashes where it is used. */
static inline void skip_first_block(memkind_t kind)
{
    if (original() && is_on_tbb(kind)) {
        CHECK_NOT_NULL(memkind_malloc(kind, 1));
    }
}

#endif
