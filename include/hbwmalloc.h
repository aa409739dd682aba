/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated from src/ffi by cbindgen: edit there, then run `make headers`.
 */

#pragma once

#include <stddef.h>
#include <stdlib.h>


/**
 * What happens when high-bandwidth memory runs out.
 */
typedef enum hbw_policy_t {
    /**
     * NULL with ENOMEM; only the node nearest to the CPU that allocates is used.
     */
    HBW_POLICY_BIND = 1,
    /**
     * Standard memory is used (the policy unless another is set).
     */
    HBW_POLICY_PREFERRED = 2,
    /**
     * Standard memory is used; pages alternate between all high-bandwidth nodes.
     */
    HBW_POLICY_INTERLEAVE = 3,
    /**
     * NULL with ENOMEM; the node is the nearest one when a page is first written.
     */
    HBW_POLICY_BIND_ALL = 4
} hbw_policy_t;

/**
 * Page sizes for hbw_posix_memalign_psize().
 */
typedef enum hbw_pagesize_t {
    /**
     * 4 KiB.
     */
    HBW_PAGESIZE_4KB = 1,
    /**
     * 2 MiB, from the kernel's pool of huge pages.
     */
    HBW_PAGESIZE_2MB = 2,
    /**
     * Deprecated: mappings of whole GiB, the size being a multiple of 1 GiB.
     */
    HBW_PAGESIZE_1GB_STRICT = 3,
    /**
     * Deprecated: mappings of whole GiB.
     */
    HBW_PAGESIZE_1GB = 4,
    /**
     * No page size, but an upper bound of the values.
     */
    HBW_PAGESIZE_MAX_VALUE = 5
} hbw_pagesize_t;

/**
 * Flags of hbw_verify_memory_region().
 */
typedef enum hbw_verify_flags {
    /**
     * Touch every page first, by writing back what it holds.
     */
    HBW_TOUCH_PAGES = 1
} hbw_verify_flags;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * The policy for high-bandwidth memory that runs out.
 *
 * MT-safe. STANDARD API. See hbwmalloc(3).
 */
hbw_policy_t hbw_get_policy(void);

/**
 * Sets the policy, once and before the first allocation.
 *
 * \param mode  one of hbw_policy_t
 *
 * Returns 0, also for the policy that is set already; EPERM once another one is set or
 * memory has been allocated; EINVAL for an unknown policy. errno is kept. MT-safe.
 * STANDARD API. See hbwmalloc(3).
 */
int hbw_set_policy(hbw_policy_t mode);

/**
 * Whether the machine has high-bandwidth memory.
 *
 * Returns 0 or ENODEV. MT-safe. STANDARD API. See hbwmalloc(3).
 */
int hbw_check_available(void);

/**
 * Whether a range of addresses lies in high-bandwidth memory, page by page.
 *
 * \param addr   first address; its whole page counts
 * \param size   bytes, more than 0
 * \param flags  0 or HBW_TOUCH_PAGES
 *
 * Returns 0; -1 if a page lies elsewhere or has not been written to; EINVAL for NULL,
 * size 0 or unknown flags; EFAULT if the kernel does not tell. MT-safe, slow.
 * STANDARD API. See hbwmalloc(3).
 *
 * \warning
 * With HBW_TOUCH_PAGES the range must be readable and writable, and not be written by
 * other threads meanwhile.
 */
int hbw_verify_memory_region(void *addr, size_t size, int flags);

/**
 * Allocates high-bandwidth memory.
 *
 * \param size  bytes
 *
 * Returns as memkind_malloc(). MT-safe. STANDARD API. See hbwmalloc(3).
 */
void *hbw_malloc(size_t size);

/**
 * Allocates zeroed high-bandwidth memory for an array.
 *
 * \param num   number of elements
 * \param size  bytes of each
 *
 * Returns as memkind_calloc(). MT-safe. STANDARD API. See hbwmalloc(3).
 */
void *hbw_calloc(size_t num, size_t size);

/**
 * Allocates aligned high-bandwidth memory.
 *
 * \param memptr     where the block goes
 * \param alignment  a power of two, at least sizeof(void *)
 * \param size       bytes
 *
 * Returns as memkind_posix_memalign(). MT-safe. STANDARD API. See hbwmalloc(3).
 *
 * \warning
 * `memptr` must be writable.
 */
int hbw_posix_memalign(void **memptr, size_t alignment, size_t size);

/**
 * Allocates aligned high-bandwidth memory in pages of a given size.
 *
 * \param memptr     where the block goes
 * \param alignment  a power of two, at least sizeof(void *)
 * \param size       bytes; a multiple of 1 GiB for HBW_PAGESIZE_1GB_STRICT
 * \param pagesize   one of hbw_pagesize_t
 *
 * Returns 0; EINVAL for a bad alignment, size or page size, and for huge pages with
 * HBW_POLICY_INTERLEAVE; ENOMEM. errno is kept. MT-safe. STANDARD API.
 * See hbwmalloc(3).
 *
 * \warning
 * `memptr` must be writable.
 */
int hbw_posix_memalign_psize(void **memptr,
                             size_t alignment,
                             size_t size,
                             hbw_pagesize_t pagesize);

/**
 * Resizes a block of high-bandwidth memory, in place if its size class stays.
 *
 * \param ptr   the block; NULL allocates a new one
 * \param size  bytes; 0 frees the block
 *
 * Returns as memkind_realloc(). MT-safe. STANDARD API. See hbwmalloc(3).
 *
 * \warning
 * `ptr` must be NULL or a live block of this library.
 */
void *hbw_realloc(void *ptr, size_t size);

/**
 * Frees a block; NULL is a no-op.
 *
 * \param ptr  the block
 *
 * MT-safe. STANDARD API. See hbwmalloc(3).
 *
 * \warning
 * `ptr` must be NULL or a live block of this library; it may not be used again.
 */
void hbw_free(void *ptr);

/**
 * The usable bytes of a block; 0 for NULL.
 *
 * \param ptr  the block
 *
 * MT-safe. STANDARD API. See hbwmalloc(3).
 *
 * \warning
 * `ptr` must be NULL or a live block of this library.
 */
size_t hbw_malloc_usable_size(void *ptr);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */
