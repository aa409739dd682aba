/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Generated from src/ffi by cbindgen: edit there, then run `make headers`.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Define as `const` to pass pointers to constant memory to memkind_malloc_usable_size(). */
#ifndef MEMKIND_MALLOC_USABLE_SIZE_CONST
#define MEMKIND_MALLOC_USABLE_SIZE_CONST
#endif

/**
 * Memory types, to be combined with `|`.
 */
typedef enum memkind_memtype_t {
    /**
     * Standard memory, the same as the process uses.
     */
    MEMKIND_MEMTYPE_DEFAULT = 1,
    /**
     * High-bandwidth memory; it takes two memories of different bandwidth to tell.
     */
    MEMKIND_MEMTYPE_HIGH_BANDWIDTH = 2
} memkind_memtype_t;

/**
 * How memory is bound to the nodes of its type.
 */
typedef enum memkind_policy_t {
    /**
     * Local nodes only; ENOMEM when they are full.
     */
    MEMKIND_POLICY_BIND_LOCAL = 0,
    /**
     * Any node of the type; ENOMEM when all are full.
     */
    MEMKIND_POLICY_BIND_ALL = 1,
    /**
     * Local nodes first, then any other memory.
     */
    MEMKIND_POLICY_PREFERRED_LOCAL = 2,
    /**
     * Page by page over local nodes.
     */
    MEMKIND_POLICY_INTERLEAVE_LOCAL = 3,
    /**
     * Page by page over all nodes of the type.
     */
    MEMKIND_POLICY_INTERLEAVE_ALL = 4,
    /**
     * Number of policies, not itself one.
     */
    MEMKIND_POLICY_MAX_VALUE = 5
} memkind_policy_t;

/**
 * Flags for memkind_create_kind().
 */
typedef enum memkind_bits_t {
    /**
     * Huge pages of 2 MiB.
     */
    MEMKIND_MASK_PAGE_SIZE_2MB = 21
} memkind_bits_t;

/**
 * Limits.
 */
typedef enum memkind_const {
    /**
     * The most kinds that can exist.
     */
    MEMKIND_MAX_KIND = 512,
    /**
     * Bytes that hold any text of memkind_error_message().
     */
    MEMKIND_ERROR_MESSAGE_SIZE = 128,
    /**
     * The smallest limit of a file-backed kind, in bytes.
     */
    MEMKIND_PMEM_MIN_SIZE = 16777216
} memkind_const;

/**
 * Results of functions that return int, except memkind_posix_memalign().
 */
typedef enum memkind_status {
    /**
     * The function has succeeded.
     */
    MEMKIND_SUCCESS = 0,
    /**
     * The kind is not available on this machine.
     */
    MEMKIND_ERROR_UNAVAILABLE = -1,
    /**
     * mbind(2) failed.
     */
    MEMKIND_ERROR_MBIND = -2,
    /**
     * mmap(2) failed.
     */
    MEMKIND_ERROR_MMAP = -3,
    /**
     * Memory for the library's own records ran out.
     */
    MEMKIND_ERROR_MALLOC = -6,
    /**
     * A MEMKIND_* environment variable is malformed.
     */
    MEMKIND_ERROR_ENVIRON = -12,
    /**
     * An argument is out of range.
     */
    MEMKIND_ERROR_INVALID = -13,
    /**
     * As many kinds, or pools, exist as there can be.
     */
    MEMKIND_ERROR_TOOMANY = -15,
    /**
     * Not returned; kept for old programs.
     */
    MEMKIND_ERROR_BADOPS = -17,
    /**
     * No huge pages are configured.
     */
    MEMKIND_ERROR_HUGETLB = -18,
    /**
     * The machine has no memory of the requested type.
     */
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE = -20,
    /**
     * The operation is not possible here.
     */
    MEMKIND_ERROR_OPERATION_FAILED = -21,
    /**
     * No arena is left.
     */
    MEMKIND_ERROR_ARENAS_CREATE = -22,
    /**
     * Any other failure.
     */
    MEMKIND_ERROR_RUNTIME = -255
} memkind_status;

/**
 * When a file-backed kind gives freed memory back.
 */
typedef enum memkind_mem_usage_policy {
    /**
     * After a while: the next allocations reuse it.
     */
    MEMKIND_MEM_USAGE_POLICY_DEFAULT = 0,
    /**
     * At once.
     */
    MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE = 1,
    /**
     * Number of policies, not itself one.
     */
    MEMKIND_MEM_USAGE_POLICY_MAX_VALUE = 2
} memkind_mem_usage_policy;

/**
 * Statistics, in bytes.
 */
typedef enum memkind_stat_type {
    /**
     * Physical memory held.
     */
    MEMKIND_STAT_TYPE_RESIDENT = 0,
    /**
     * Pages that hold blocks.
     */
    MEMKIND_STAT_TYPE_ACTIVE = 1,
    /**
     * Blocks, by their usable sizes.
     */
    MEMKIND_STAT_TYPE_ALLOCATED = 2,
    /**
     * Number of statistics, not itself one.
     */
    MEMKIND_STAT_TYPE_MAX_VALUE = 3
} memkind_stat_type;

/**
 * Options of memkind_stats_print(), to be combined with `|`.
 */
typedef enum memkind_stat_print_opt {
    /**
     * All statistics, as text.
     */
    MEMKIND_STAT_PRINT_ALL = 0,
    /**
     * All statistics, as one JSON document.
     */
    MEMKIND_STAT_PRINT_JSON_FORMAT = 1,
    /**
     * Without values that never change.
     */
    MEMKIND_STAT_PRINT_OMIT_GENERAL = 2,
    /**
     * Without the sums over arenas.
     */
    MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA = 4,
    /**
     * Without the sums over destroyed arenas.
     */
    MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA = 8,
    /**
     * Without single arenas.
     */
    MEMKIND_STAT_PRINT_OMIT_PER_ARENA = 16,
    /**
     * Without small size classes.
     */
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS = 32,
    /**
     * Without large size classes.
     */
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE = 64,
    /**
     * Without locks.
     */
    MEMKIND_STAT_PRINT_OMIT_MUTEX = 128,
    /**
     * Without extents.
     */
    MEMKIND_STAT_PRINT_OMIT_EXTENT = 256
} memkind_stat_print_opt;

/**
 * A kind of memory. Programs hold pointers to it and never look inside.
 */
struct memkind;

/**
 * Settings from which a kind is made; see memkind_config_new().
 */
struct memkind_config;

/**
 * A handle of a kind: one of the MEMKIND_* variables, or made by memkind_create_*().
 */
typedef struct memkind *memkind_t;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Memory of nodes that have CPUs.
 */
extern memkind_t MEMKIND_REGULAR;

/**
 * Standard memory, standard pages.
 */
extern memkind_t MEMKIND_DEFAULT;

/**
 * Standard memory in huge pages.
 */
extern memkind_t MEMKIND_HUGETLB;

/**
 * The nearest high-bandwidth memory.
 */
extern memkind_t MEMKIND_HBW;

/**
 * High-bandwidth memory, the nearest node being chosen when a page is first written.
 */
extern memkind_t MEMKIND_HBW_ALL;

/**
 * The nearest high-bandwidth memory, then standard memory.
 */
extern memkind_t MEMKIND_HBW_PREFERRED;

/**
 * MEMKIND_HBW in huge pages.
 */
extern memkind_t MEMKIND_HBW_HUGETLB;

/**
 * MEMKIND_HBW_ALL in huge pages.
 */
extern memkind_t MEMKIND_HBW_ALL_HUGETLB;

/**
 * MEMKIND_HBW_PREFERRED in huge pages.
 */
extern memkind_t MEMKIND_HBW_PREFERRED_HUGETLB;

/**
 * High-bandwidth memory, page by page over its nodes.
 */
extern memkind_t MEMKIND_HBW_INTERLEAVE;

/**
 * Page by page over all nodes.
 */
extern memkind_t MEMKIND_INTERLEAVE;

/**
 * The nearest persistent memory that the kernel uses as RAM.
 */
extern memkind_t MEMKIND_DAX_KMEM;

/**
 * Any persistent memory that the kernel uses as RAM.
 */
extern memkind_t MEMKIND_DAX_KMEM_ALL;

/**
 * The nearest persistent memory, then any other memory.
 */
extern memkind_t MEMKIND_DAX_KMEM_PREFERRED;

/**
 * Persistent memory, page by page over its nodes.
 */
extern memkind_t MEMKIND_DAX_KMEM_INTERLEAVE;

/**
 * The nodes with the most memory of the machine.
 */
extern memkind_t MEMKIND_HIGHEST_CAPACITY;

/**
 * The node with the most memory, then any other.
 */
extern memkind_t MEMKIND_HIGHEST_CAPACITY_PREFERRED;

/**
 * The local node with the most memory.
 */
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL;

/**
 * The local node with the most memory, then any other.
 */
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;

/**
 * The local node with the lowest latency.
 */
extern memkind_t MEMKIND_LOWEST_LATENCY_LOCAL;

/**
 * The local node with the lowest latency, then any other.
 */
extern memkind_t MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED;

/**
 * The local node with the highest bandwidth.
 */
extern memkind_t MEMKIND_HIGHEST_BANDWIDTH_LOCAL;

/**
 * The local node with the highest bandwidth, then any other.
 */
extern memkind_t MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED;

/**
 * The library's version as one number.
 *
 * Returns major * 1000000 + minor * 1000 + patch. MT-safe. STANDARD API.
 * See memkind(3), OTHER FUNCTIONS.
 */
int memkind_get_version(void);

/**
 * Puts the text for an error code into `msg`.
 *
 * \param err   a code that a function of this library returned
 * \param msg   where the text goes, always with a NUL; may be NULL if `size` is 0
 * \param size  bytes at `msg`; MEMKIND_ERROR_MESSAGE_SIZE holds any text
 *
 * MT-safe. STANDARD API. See memkind(3), OTHER FUNCTIONS.
 *
 * \warning
 * `msg` must point to `size` writable bytes.
 */
void memkind_error_message(int err, char *msg, size_t size);

/**
 * Makes settings for memkind_create_pmem_with_config() and memkind_create_with_config(): no directory,
 * size 0, policy DEFAULT.
 *
 * Returns NULL when memory is short. MT-safe. STANDARD API.
 * See memkind(3), SETTINGS OF FILE-BACKED KINDS.
 */
struct memkind_config *memkind_config_new(void);

/**
 * Deletes settings; NULL is a no-op. Kinds made with them stay.
 *
 * MT-safe. STANDARD API. See memkind(3), SETTINGS OF FILE-BACKED KINDS.
 *
 * \warning
 * `cfg` must come from memkind_config_new() and not be used again.
 */
void memkind_config_delete(struct memkind_config *cfg);

/**
 * Sets the directory of the file. The string is not copied and not checked yet.
 *
 * MT-safe for different settings. STANDARD API.
 * See memkind(3), SETTINGS OF FILE-BACKED KINDS.
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(); `pmem_dir` must stay
 * valid as long as the settings are used.
 */
void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir);

/**
 * Sets the limit of the kind in bytes; 0 for none, else for a file at least MEMKIND_PMEM_MIN_SIZE.
 *
 * MT-safe for different settings. STANDARD API.
 * See memkind(3), SETTINGS OF FILE-BACKED KINDS.
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_size(struct memkind_config *cfg,
                             size_t pmem_size);

/**
 * Sets when freed memory goes back to the file system. The value is not checked yet.
 *
 * MT-safe for different settings. STANDARD API.
 * See memkind(3), SETTINGS OF FILE-BACKED KINDS.
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_memory_usage_policy(struct memkind_config *cfg,
                                            memkind_mem_usage_policy policy);

/**
 * Creates a kind on a temporary file, which has no name and goes with the kind.
 *
 * \param dir       directory of the file
 * \param max_size  limit in bytes, rounded up to 2 MiB; 0 or SIZE_MAX for none,
 *                  else at least MEMKIND_PMEM_MIN_SIZE
 * \param kind      where the handle goes; untouched on failure, but NULL with
 *                  MEMKIND_ERROR_TOOMANY
 *
 * Blocks of the file system are allocated as the heap grows; when they run out,
 * allocations fail with ENOMEM. A forked child gets a private copy of the contents.
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for a bad size or, with errno, a
 * directory in which no file can be made; MEMKIND_ERROR_TOOMANY; MEMKIND_ERROR_ENVIRON;
 * MEMKIND_ERROR_MALLOC. MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * `dir` must be a string; `kind` must be writable.
 */
int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind);

/**
 * Creates a kind on a temporary file, by settings.
 *
 * \param cfg   settings of memkind_config_new(), which may be deleted afterwards
 * \param kind  where the handle goes
 *
 * Returns as memkind_create_pmem(), and MEMKIND_ERROR_INVALID for an unknown policy.
 * MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(); `kind` must be writable.
 */
int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind);

/**
 * Creates a kind on an area of the caller's: a mapping, a static array.
 *
 * \param addr  start of the area
 * \param size  its size in bytes; whole pages are used
 * \param kind  where the handle goes; NULL on failure
 *
 * The area must stay valid until the kind is destroyed, and stays the caller's. When it
 * is used up, allocations fail with ENOMEM. Returns MEMKIND_SUCCESS;
 * MEMKIND_ERROR_INVALID while a kind with this start lives; MEMKIND_ERROR_TOOMANY;
 * MEMKIND_ERROR_ENVIRON; MEMKIND_ERROR_MALLOC. MT-safe. STANDARD API.
 * See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * While the kind lives, the program writes to the area only through its blocks;
 * `kind` must be writable.
 */
int memkind_create_fixed(void *addr, size_t size, memkind_t *kind);

/**
 * Finds the static kind for a memory type, a policy and flags.
 *
 * \param memtype_flags  memkind_memtype_t values, combined with `|`
 * \param policy         one of memkind_policy_t
 * \param flags          0 or MEMKIND_MASK_PAGE_SIZE_2MB
 * \param kind           where the handle goes; untouched on failure
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for a combination that is not
 * supported; MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE without such memory. High-bandwidth
 * memory with MEMKIND_POLICY_PREFERRED_LOCAL is MEMKIND_DEFAULT where there is none.
 * MT-safe. EXPERIMENTAL API. See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * `kind` must be writable.
 */
int memkind_create_kind(memkind_memtype_t memtype_flags,
                        memkind_policy_t policy,
                        memkind_bits_t flags,
                        memkind_t *kind);

/**
 * Destroys a kind that memkind_create_pmem(), memkind_create_pmem_with_config(),
 * memkind_create_fixed(), memkind_create_nodes() or memkind_create_with_config() made, with all
 * its blocks. A static kind stays as it is.
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for an address that is not a live kind, and for
 * kinds of memkind_dma_kind(); MEMKIND_ERROR_OPERATION_FAILED while regions or pools
 * (memkind_ext.h) of it exist, or kinds that fall back to it.
 * Threads must have stopped using the kind. STANDARD API.
 * See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * No thread may use the kind or its blocks any more.
 */
int memkind_destroy_kind(memkind_t kind);

/**
 * Whether memory of this kind can be had on this machine.
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_UNAVAILABLE,
 * MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_HUGETLB, MEMKIND_ERROR_RUNTIME (two
 * nodes equally near for a preferred kind), MEMKIND_ERROR_MBIND (a container forbids
 * mbind(2)) or MEMKIND_ERROR_ENVIRON with the reason; MEMKIND_ERROR_OPERATION_FAILED if it
 * cannot be found out for the moment, for want of descriptors or memory; MEMKIND_ERROR_INVALID
 * for an address that is not a live kind. MT-safe. STANDARD API.
 * See memkind(3), KIND MANAGEMENT.
 */
int memkind_check_available(memkind_t kind);

/**
 * The most bytes that a kind can hold: memory of its nodes, the file's or the area's size.
 *
 * Returns the bytes, or -1: the kind is not available, has no fixed place (preferred
 * kinds) or is not a live kind. MT-safe. STANDARD API.
 * See memkind(3), KIND MANAGEMENT.
 */
ptrdiff_t memkind_get_capacity(memkind_t kind);

/**
 * Whether files in a directory map straight to persistent memory (DAX).
 *
 * \param pmem_dir  the directory
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_MMAP with EOPNOTSUPP where they do not;
 * MEMKIND_ERROR_RUNTIME with errno when no file can be made there;
 * MEMKIND_ERROR_INVALID for NULL. MT-safe. STANDARD API.
 * See memkind(3), KIND MANAGEMENT.
 *
 * \warning
 * `pmem_dir` must be NULL or a string.
 */
int memkind_check_dax_path(const char *pmem_dir);

/**
 * Sets the result of allocations of size 0 of a kind: a block that must be freed, or
 * NULL, which is the default.
 *
 * MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
 */
void memkind_set_allow_zero_allocs(memkind_t kind, bool allow_zero_allocs);

/**
 * Takes a new snapshot of all statistics.
 *
 * Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED, the latter always with
 * MEMKIND_HEAP_MANAGER=TBB: then the snapshot is of the kinds that jemalloc manages.
 * MT-safe. STANDARD API. See memkind(3), STATISTICS.
 */
int memkind_update_cached_stats(void);

/**
 * Reads a statistic from the last snapshot of memkind_update_cached_stats().
 *
 * \param kind   the kind; NULL for the whole library
 * \param stat   which statistic
 * \param value  where the bytes go
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for an unknown statistic or kind, and
 * for a kind first used after the snapshot; MEMKIND_ERROR_OPERATION_FAILED with
 * MEMKIND_HEAP_MANAGER=TBB for the whole library and for a kind that TBB manages.
 * MT-safe. STANDARD API. See memkind(3), STATISTICS.
 *
 * \warning
 * `value` must be writable.
 */
int memkind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/**
 * Prints statistics of the whole library.
 *
 * \param write_cb  function that receives the text in pieces; NULL prints to standard error. It
 *                  must not allocate: use write(2) rather than stdio. A C++ exception that leaves it
 *                  ends the process.
 * \param cbopaque  first argument of write_cb
 * \param opts      MEMKIND_STAT_PRINT_* combined
 *
 * Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for unknown options;
 * MEMKIND_ERROR_OPERATION_FAILED with MEMKIND_HEAP_MANAGER=TBB. MT-safe.
 * STANDARD API. See memkind(3), STATISTICS.
 *
 * \warning
 * `write_cb` must accept `cbopaque`.
 */
int memkind_stats_print(void (*write_cb)(void*, const char*),
                        void *cbopaque,
                        memkind_stat_print_opt opts);

/**
 * Starts or stops threads that give unused memory back in the background.
 *
 * Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED, the latter always with
 * MEMKIND_HEAP_MANAGER=TBB. MT-safe. STANDARD API. See memkind(3), OTHER FUNCTIONS.
 */
int memkind_set_bg_threads(bool state);

/**
 * Allocates memory.
 *
 * \param kind  the kind
 * \param size  bytes, up to PTRDIFF_MAX
 *
 * Returns a block suitably aligned for any type; NULL for size 0, with errno kept; NULL
 * with ENOMEM when the kind has no room or is not available, with EINVAL for what is
 * not a living kind. MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
 */
void *memkind_malloc(memkind_t kind, size_t size);

/**
 * The usable bytes of a block, at least those that were asked for.
 *
 * \param kind  the kind of the block, or NULL
 * \param ptr   the block; NULL gives 0
 *
 * MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
 *
 * \warning
 * `ptr` must be NULL or a live block of this library; what is not its memory gives 0.
 */
size_t memkind_malloc_usable_size(memkind_t kind,
                                  MEMKIND_MALLOC_USABLE_SIZE_CONST void *ptr);

/**
 * Allocates zeroed memory for an array.
 *
 * \param kind  the kind
 * \param num   number of elements
 * \param size  bytes of each
 *
 * Returns as memkind_malloc(); NULL if `num` or `size` is 0; NULL with ENOMEM if their
 * product overflows. MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
 */
void *memkind_calloc(memkind_t kind, size_t num, size_t size);

/**
 * Allocates aligned memory.
 *
 * \param kind       the kind
 * \param memptr     where the block goes; NULL for size 0 and on failure, but for
 *                   MEMKIND_DEFAULT a failure leaves it alone
 * \param alignment  a power of two, at least sizeof(void *)
 * \param size       bytes
 *
 * Returns 0; EINVAL for a bad alignment or kind; ENOMEM. errno is kept. MT-safe.
 * EXPERIMENTAL API. See memkind(3), HEAP MANAGEMENT.
 *
 * \warning
 * `memptr` must be writable.
 */
int memkind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);

/**
 * Resizes a block, moving it if needed.
 *
 * \param kind  the kind that the result is of; NULL for the block's own
 * \param ptr   the block; NULL allocates a new one (EINVAL if `kind` is NULL too)
 * \param size  bytes; 0 frees the block and gives NULL
 *
 * Returns the block, with its contents up to the smaller size; NULL with ENOMEM or
 * EINVAL, the old block staying as it was. MT-safe. STANDARD API.
 * See memkind(3), HEAP MANAGEMENT.
 *
 * \warning
 * `ptr` must be NULL or a live block of this library.
 */
void *memkind_realloc(memkind_t kind, void *ptr, size_t size);

/**
 * Frees a block.
 *
 * \param kind  the kind of the block, or NULL
 * \param ptr   the block; NULL is a no-op
 *
 * errno is kept. What is not memory of this library is left alone and reported under
 * MEMKIND_DEBUG. A wrong kind does no harm. MT-safe. STANDARD API.
 * See memkind(3), HEAP MANAGEMENT.
 *
 * \warning
 * `ptr` must be NULL or a live block of this library; it may not be used again.
 */
void memkind_free(memkind_t kind, void *ptr);

/**
 * Moves a block if that helps to empty pages that are hardly used.
 *
 * \param kind  the kind of the block, or NULL
 * \param ptr   the block; NULL gives NULL
 *
 * Returns the new block, the old one being freed; NULL when it stays where it is.
 * MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
 *
 * \warning
 * `ptr` must be NULL or a live block of this library.
 */
void *memkind_defrag_reallocate(memkind_t kind, void *ptr);

/**
 * The kind that a block belongs to.
 *
 * \param ptr  the block
 *
 * Returns the kind; NULL for NULL and for what is not memory of this library. Never
 * faults, whatever the address. MT-safe. STANDARD API.
 * See memkind(3), HEAP MANAGEMENT.
 */
memkind_t memkind_detect_kind(void *ptr);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */

#include "memkind_deprecated.h"
