/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_create_nodes, which the original does not have: found by name, so that programs built with
 * the original's header can be run as well. */
#ifndef MEMKIND_CTEST_NODES_H
#define MEMKIND_CTEST_NODES_H

#include "machine.h"

#include <sys/syscall.h>

enum { BIND = 0, PREFERRED = 1, INTERLEAVE = 2 };

typedef int (*create_nodes_function)(const char *nodes, int policy, memkind_t *kind);

static create_nodes_function create_nodes;

static inline void need_create_nodes(void)
{
    create_nodes = (create_nodes_function)(uintptr_t)dlsym(RTLD_DEFAULT, "memkind_create_nodes");
    if (create_nodes == NULL) {
        CHECK(original());
        SKIP("this library has no kinds on nodes that the program names");
    }
}

/* The lowest of the nodes that this process may use. */
static inline unsigned first_node(void)
{
    unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};
    const unsigned bits = 8 * sizeof(unsigned long);

    /* MPOL_F_MEMS_ALLOWED */
    if (syscall(SYS_get_mempolicy, NULL, mask, 1024, NULL, 4) != 0) {
        SKIP("no NUMA here: get_mempolicy: %s", strerror(errno));
    }
    for (unsigned node = 0; node < 1024; node++) {
        if (mask[node / bits] >> node % bits & 1) {
            return node;
        }
    }
    FAIL("no node is allowed");
}

#endif
