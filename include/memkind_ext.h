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
    MEMKIND_PMEM_FORK_COPY = 1,
} memkind_pmem_fork_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
