/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated from src/ffi by cbindgen: edit there, then run `make headers`.
 */

#pragma once

#include "memkind.h"


/**
 * What a forked child does with file-backed memory; see memkind_set_pmem_fork().
 */
typedef enum memkind_pmem_fork_t {
    /**
     * The child sees its parent's data and changes only its own view of it. A page is
     * copied when the child first writes to it: until then it may follow what the
     * parent writes. How it is unless asked for otherwise.
     */
    MEMKIND_PMEM_FORK_PRIVATE = 0,
    /**
     * The child copies the used part of the files before it goes on, in the same
     * directories, and begins with its parent's data as of the fork.
     */
    MEMKIND_PMEM_FORK_COPY = 1
} memkind_pmem_fork_t;

/**
 * Which of the freed blocks is handed out next; see memkind_set_block_order().
 */
typedef enum memkind_block_order_t {
    /**
     * The one that was freed last: it is in the processor's cache. How it is unless asked
     * for otherwise.
     */
    MEMKIND_BLOCK_ORDER_RECENT = 0,
    /**
     * Where more than some hundred blocks of a size are free, the lowest address of the
     * last so many, and then upwards: what is built in a row lies in a row.
     */
    MEMKIND_BLOCK_ORDER_ADDRESS = 1
} memkind_block_order_t;

/**
 * How the memory of a kind is tied to its nodes; see memkind_create_nodes().
 */
typedef enum memkind_nodes_policy_t {
    /**
     * Only these nodes; allocations fail when they are full.
     */
    MEMKIND_NODES_BIND = 0,
    /**
     * These nodes while they have room, then others.
     */
    MEMKIND_NODES_PREFERRED = 1,
    /**
     * Page by page over these nodes.
     */
    MEMKIND_NODES_INTERLEAVE = 2
} memkind_nodes_policy_t;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Decides what fork(2) does with file-backed kinds, those that exist and those to come.
 *
 * With MEMKIND_PMEM_FORK_COPY the call to fork returns in the parent when the child has
 * its copy: the file system shares the blocks where it can (FICLONE), else the time goes
 * with the memory in use. What other threads of the parent write meanwhile, the child
 * may see. Where there is no room for a copy, the child's pages are copied into memory.
 * vfork(2), posix_spawn(3) and clone(2) copy nothing.
 *
 * \param mode one of memkind_pmem_fork_t
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for another mode
 * \note MT-safe; the child of a fork keeps the mode
 * \note EXPERIMENTAL API; libmemtier(7) copies unless told otherwise
 */
int memkind_set_pmem_fork(memkind_pmem_fork_t mode);

/**
 * Decides which freed block of at most 128 bytes is handed out next, for all kinds.
 *
 * MEMKIND_BLOCK_ORDER_ADDRESS is for programs that build lists and trees of small blocks
 * and walk through them: processors fetch ahead what lies in a row. It costs some
 * nanoseconds for blocks that are freed when many of their size are free already, and
 * nothing otherwise.
 *
 * \param order one of memkind_block_order_t
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for another order
 * \note MT-safe; it counts for blocks that are freed from then on
 * \note EXPERIMENTAL API; libmemtier(7) and autohbw(7) ask for the order of addresses
 */
int memkind_set_block_order(memkind_block_order_t order);

/**
 * Creates a kind on NUMA nodes that the caller names.
 *
 * \param nodes  node list as numa(3) has it for numa_parse_nodestring(): "0", "1-3,5",
 *               "all"; '!' in front for the other nodes, '+' for numbers that count the
 *               nodes that the process may use
 * \param policy one of memkind_nodes_policy_t; with MEMKIND_NODES_PREFERRED and several
 *               nodes the kernel may prefer the first of them only
 * \param kind   where the handle goes; untouched on failure, but NULL with
 *               MEMKIND_ERROR_TOOMANY
 *
 * The kind is like a static one but for its nodes: memkind_check_available() is
 * MEMKIND_SUCCESS, memkind_get_capacity() the memory of its nodes (-1 with
 * MEMKIND_NODES_PREFERRED), memkind_detect_kind() finds it, and memkind_destroy_kind()
 * frees it with all its blocks. Kinds on the same nodes may exist side by side.
 *
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, an unknown policy, a malformed
 *         list and one that means no node; MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE for a node
 *         that does not exist, has no memory or is not allowed by the cpuset;
 *         MEMKIND_ERROR_UNAVAILABLE without NUMA in the kernel; MEMKIND_ERROR_TOOMANY;
 *         MEMKIND_ERROR_ENVIRON. MEMKIND_DEBUG tells what is wrong with a list.
 * \note MT-safe
 * \note EXPERIMENTAL API
 *
 * \warning
 * `nodes` must be NULL or a string, and `kind` NULL or writable.
 */
int memkind_create_nodes(const char *nodes,
                         memkind_nodes_policy_t policy,
                         memkind_t *kind);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */
