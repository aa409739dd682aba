/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated from src/ffi by cbindgen: edit there, then run `make headers`.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "memkind.h"


/**
 * How a memtier memory spreads its blocks over the tiers; see libmemtier(7), POLICIES.
 */
typedef enum memtier_policy_t {
    /**
     * Keeps the ratio between the bytes allocated in each tier.
     */
    MEMTIER_POLICY_STATIC_RATIO = 0,
    /**
     * Sends small blocks to the first tiers and large ones to the later, moving
     * the size at which they part so as to keep the ratio.
     */
    MEMTIER_POLICY_DYNAMIC_THRESHOLD = 1,
    /**
     * Number of policies.
     */
    MEMTIER_POLICY_MAX_VALUE
} memtier_policy_t;

/**
 * Collects the tiers and settings of a memtier memory.
 */
struct memtier_builder;

/**
 * Memory tiers with a policy that chooses among them.
 */
struct memtier_memory;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Creates a builder of memtier memories.
 *
 * \param policy how the memory will spread its blocks over the tiers
 * \return the builder, to be deleted with memtier_builder_delete(); NULL if the
 *         policy is unknown or memory runs out; errno is not set
 * \note MT-safe; allocates
 * \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
 */
struct memtier_builder *memtier_builder_new(memtier_policy_t policy);

/**
 * Deletes a builder; the memories made with it stay.
 *
 * \param builder the builder; NULL is a no-op
 * \note MT-safe for different builders
 * \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
 *
 * \warning
 * The builder must come from memtier_builder_new() and must not be used again.
 */
void memtier_builder_delete(struct memtier_builder *builder);

/**
 * Adds a kind as the next tier.
 *
 * \param builder    the builder
 * \param kind       the kind of the tier, not yet a tier of this builder
 * \param kind_ratio the tier's share of the allocated bytes, relative to the
 *                   ratios of the other tiers
 * \return 0; -1 if an argument is NULL, if the kind is a tier already or does not live,
 *         or memory runs out: then the builder stays as it was; errno is not set
 * \note MT-safe for different builders
 * \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
 *
 * \warning
 * The builder must be live and not in use by another thread.
 */
int memtier_builder_add_tier(struct memtier_builder *builder,
                             memkind_t kind,
                             unsigned int kind_ratio);

/**
 * Makes a memtier memory of the builder's tiers and settings.
 *
 * The builder can be used for another memory or be deleted.
 *
 * \param builder the builder
 * \return the memory, to be deleted with memtier_delete_memtier_memory(); NULL if
 *         the builder is NULL or has no tier, if MEMTIER_POLICY_DYNAMIC_THRESHOLD
 *         has fewer than two, if the settings contradict each other or memory
 *         runs out; errno is not set
 * \note MT-safe for different builders
 * \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
 *
 * \warning
 * The builder must be live and not in use by another thread.
 */
struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder);

/**
 * Deletes a memtier memory; the blocks allocated from it stay valid.
 *
 * \param memory the memory; NULL is a no-op
 * \note MT-safe for different memories
 * \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
 *
 * \warning
 * The memory must come from memtier_builder_construct_memtier_memory() and must
 * not be used again.
 */
void memtier_delete_memtier_memory(struct memtier_memory *memory);

/**
 * Allocates uninitialised memory from a tier that the policy chooses.
 *
 * \param memory the memtier memory
 * \param size   bytes to allocate
 * \return the block, to be freed with memtier_free(); NULL for size 0, with errno
 *         unchanged; NULL on error
 * \exception ENOMEM the chosen tier has no such memory left
 * \exception EINVAL memory is NULL
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The memory must be live.
 */
void *memtier_malloc(struct memtier_memory *memory, size_t size);

/**
 * Allocates uninitialised memory of a kind.
 *
 * \param kind the kind
 * \param size bytes to allocate
 * \return the block, to be freed with memtier_free(); NULL for size 0, with errno
 *         unchanged; NULL on error
 * \exception ENOMEM the kind has no such memory left
 * \exception EINVAL the kind is NULL or has been destroyed
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 */
void *memtier_kind_malloc(memkind_t kind, size_t size);

/**
 * Allocates a zeroed array from a tier that the policy chooses for its whole size.
 *
 * \param memory the memtier memory
 * \param num    number of elements
 * \param size   bytes per element
 * \return the block, to be freed with memtier_free(); NULL if num or size is 0,
 *         with errno unchanged; NULL on error
 * \exception ENOMEM the chosen tier has no such memory left, or num * size overflows
 * \exception EINVAL memory is NULL
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The memory must be live.
 */
void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size);

/**
 * Allocates a zeroed array of a kind.
 *
 * \param kind the kind
 * \param num  number of elements
 * \param size bytes per element
 * \return the block, to be freed with memtier_free(); NULL if num or size is 0,
 *         with errno unchanged; NULL on error
 * \exception ENOMEM the kind has no such memory left, or num * size overflows
 * \exception EINVAL the kind is NULL or has been destroyed
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 */
void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size);

/**
 * Resizes a block within its own kind.
 *
 * \param memory the memtier memory
 * \param ptr    the block, which is gone after success; NULL allocates as
 *               memtier_malloc() does
 * \param size   new size in bytes; 0 frees the block
 * \return the new block; NULL if size is 0, with errno unchanged; NULL on error:
 *         then the old block is valid and memtier_kind_allocated_size() unchanged
 * \exception ENOMEM the kind has no such memory left
 * \exception EINVAL memory is NULL, or the block is not of this library
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The memory must be live, and the block NULL or live.
 */
void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size);

/**
 * Resizes a block using memory of a kind.
 *
 * \param kind the kind; NULL keeps the kind of the block
 * \param ptr  the block, which is gone after success; NULL allocates as
 *             memtier_kind_malloc() does
 * \param size new size in bytes; 0 frees the block
 * \return the new block; NULL if size is 0, with errno unchanged; NULL on error:
 *         then the old block is valid and memtier_kind_allocated_size() unchanged
 * \exception ENOMEM the kind has no such memory left
 * \exception EINVAL kind and ptr are NULL, or the kind has been destroyed
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The block must be NULL or live.
 */
void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size);

/**
 * Allocates aligned memory from a tier that the policy chooses.
 *
 * \param memory    the memtier memory
 * \param memptr    receives the block, to be freed with memtier_free(); NULL for
 *                  size 0; left alone on error
 * \param alignment bytes; a power of two and a multiple of sizeof(void *)
 * \param size      bytes to allocate
 * \return 0, EINVAL for an invalid alignment or a NULL memory or memptr, ENOMEM if
 *         the chosen tier has no such memory left; errno is never changed
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The memory must be live and memptr writable.
 */
int memtier_posix_memalign(struct memtier_memory *memory,
                           void **memptr,
                           size_t alignment,
                           size_t size);

/**
 * Allocates aligned memory of a kind.
 *
 * \param kind      the kind
 * \param memptr    receives the block, to be freed with memtier_free(); NULL for
 *                  size 0; left alone on error
 * \param alignment bytes; a power of two and a multiple of sizeof(void *)
 * \param size      bytes to allocate
 * \return 0, EINVAL for an invalid alignment, a NULL memptr or a kind that is NULL
 *         or destroyed, ENOMEM if the kind has no such memory left; errno is never
 *         changed
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The memptr must be writable.
 */
int memtier_kind_posix_memalign(memkind_t kind,
                                void **memptr,
                                size_t alignment,
                                size_t size);

/**
 * Gives the usable size of a block.
 *
 * \param ptr a block of this library; may be NULL
 * \return its usable bytes; 0 for NULL
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The block must be NULL or live.
 */
size_t memtier_usable_size(void *ptr);

/**
 * Frees a block.
 *
 * \param kind the kind of the block; NULL finds it out
 * \param ptr  the block; NULL is a no-op
 * \note MT-safe; any thread may free a block
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 *
 * \warning
 * The block must be NULL or live, and must not be used again.
 */
void memtier_kind_free(memkind_t kind, void *ptr);

/**
 * Gives the bytes in blocks of a kind that were allocated with memtier functions.
 *
 * \param kind the kind
 * \return the sum of the usable bytes of its live memtier blocks, exact when no
 *         other thread is inside a memtier function; 0 for NULL and for a
 *         destroyed kind
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 */
size_t memtier_kind_allocated_size(memkind_t kind);

/**
 * Changes a setting of MEMTIER_POLICY_DYNAMIC_THRESHOLD.
 *
 * The names, the types of their values and the defaults are listed in
 * libmemtier(3), MEMTIER PROPERTY MANAGEMENT. The values are checked together
 * when the memory is made.
 *
 * \param builder the builder
 * \param name    name of the setting
 * \param val     address of the value
 * \return 0; -1 if an argument is NULL, if the name is unknown, belongs to tiers
 *         not yet added, or the builder has another policy; errno is not set
 * \note MT-safe for different builders
 * \note STANDARD API; see libmemtier(3), MEMTIER PROPERTY MANAGEMENT
 *
 * \warning
 * The builder must be live and not in use by another thread, the name a string,
 * and the value of the type that the setting has.
 */
int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

/**
 * Frees a block of any kind; NULL is a no-op.
 *
 * \param ptr the block
 * \note MT-safe
 * \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
 */
static inline void memtier_free(void *ptr)
{
    memtier_kind_free(NULL, ptr);
}
