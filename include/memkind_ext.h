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
 * What a forked child does with file-backed memory; see memkind_set_pmem_fork().
 */
typedef enum memkind_pmem_fork_t {
    /**
     * The child sees its parent's data and changes only its own view of it. A page is copied when
     * the child first writes to it: until then it may follow what the parent writes. The default.
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
     * The one that was freed last: it is in the processor's cache. The default.
     */
    MEMKIND_BLOCK_ORDER_RECENT = 0,
    /**
     * Where more than some hundred blocks of a size are free, the last hundreds of them are handed
     * out from the lowest address upwards: blocks allocated in a row are side by side.
     */
    MEMKIND_BLOCK_ORDER_ADDRESS = 1
} memkind_block_order_t;

/**
 * How the memory of a kind is tied to its nodes; see memkind_create_nodes().
 */
typedef enum memkind_nodes_policy_t {
    /**
     * Memory of the kind's nodes only; allocations fail when they are full.
     */
    MEMKIND_NODES_BIND = 0,
    /**
     * Memory of the kind's nodes while they have room, then of others.
     */
    MEMKIND_NODES_PREFERRED = 1,
    /**
     * Memory of the kind's nodes in turn, page by page.
     */
    MEMKIND_NODES_INTERLEAVE = 2
} memkind_nodes_policy_t;

/**
 * Who may use vectors; see memkind_iovec_alloc().
 */
typedef enum memkind_iovec_flags_t {
    /**
     * One thread at a time: the references of a buffer are counted without atomic instructions.
     */
    MEMKIND_IOVEC_LOCAL = 0,
    /**
     * Any thread: the references of a buffer are counted with atomic instructions.
     */
    MEMKIND_IOVEC_SHARED = 1
} memkind_iovec_flags_t;

/**
 * What is looked at in blocks of all kinds; combined by |. See memkind_set_checks().
 */
typedef enum memkind_check_t {
    /**
     * Blocks that are freed twice, and addresses that are freed but are no blocks.
     */
    MEMKIND_CHECK_FREE = 1,
    /**
     * Writes before and behind a block, noticed when it is freed or resized, by
     * memkind_report(), and at exit.
     */
    MEMKIND_CHECK_OVERFLOW = 2,
    /**
     * Writes into freed blocks of up to 1 MiB: the last 16 MiB of them are kept back and
     * looked at before they are used again.
     */
    MEMKIND_CHECK_USE = 4,
    /**
     * What is alive at exit, and in a kind when it is destroyed, is listed.
     */
    MEMKIND_CHECK_LEAK = 8,
    /**
     * One block in 1000 (or as MEMKIND_CHECKS=guard=N says) lies before a page without
     * access: reading and writing behind it is SIGSEGV, and so is its use when it is freed.
     * Not in kinds with huge pages.
     */
    MEMKIND_CHECK_GUARD = 16,
    /**
     * All checks.
     */
    MEMKIND_CHECK_ALL = 31
} memkind_check_t;

/**
 * What the memory of a kind is like, to be combined with `|`; see memkind_config_set_options().
 */
typedef enum memkind_option_t {
    /**
     * There is a page behind every address before it is handed out: where there is none the
     * allocation is NULL and ENOMEM, and never a signal.
     */
    MEMKIND_OPTION_POPULATE = 1,
    /**
     * The memory is never swapped, by mlock2(2). It counts against RLIMIT_MEMLOCK.
     */
    MEMKIND_OPTION_LOCK = 2,
    /**
     * Every page stays behind its address until the kind is destroyed: memory that devices can
     * use. Nothing is given back before. Includes MEMKIND_OPTION_POPULATE.
     */
    MEMKIND_OPTION_PIN = 4,
    /**
     * A forked child does not have the memory (MADV_DONTFORK): there the kind gives NULL and
     * ENOMEM, and what is freed is left alone.
     */
    MEMKIND_OPTION_NO_FORK = 8,
    /**
     * Other processes can map the memory; see memkind_get_fd(). In a forked child the kind gives
     * NULL and ENOMEM: the memory is its parent's.
     */
    MEMKIND_OPTION_SHARED = 16,
    /**
     * The memory is not in core files (MADV_DONTDUMP).
     */
    MEMKIND_OPTION_NO_DUMP = 32,
    /**
     * Memory is overwritten with zeroes when it is freed; that of a pool or a region, when it goes
     * back to the kind. Such a kind has no caches in threads.
     */
    MEMKIND_OPTION_WIPE = 64,
    /**
     * The memory is in transparent huge pages where the kernel has them (MADV_HUGEPAGE).
     */
    MEMKIND_OPTION_TRANSPARENT_HUGE = 128
} memkind_option_t;

/**
 * A handle for each range of memory that a device was told of; see memkind_map_create().
 */
struct memkind_map;

/**
 * Objects of one size and alignment; see memkind_pool_create().
 */
struct memkind_pool;

/**
 * An arena and a stack in one; see memkind_region_create().
 */
struct memkind_region;

/**
 * A place to cut vectors from; see memkind_stream_create().
 */
struct memkind_stream;

/**
 * What a kind, a region or a pool uses: sizes in bytes. The function that fills it tells what counts
 * as in use.
 */
typedef struct memkind_usage {
    /**
     * The most bytes that there may be; 0 for any number.
     */
    size_t limit;
    /**
     * Bytes taken from the kind; of a kind, from the system.
     */
    size_t held;
    /**
     * Bytes handed out.
     */
    size_t in_use;
    /**
     * The most bytes that have been held so far.
     */
    size_t peak;
    /**
     * The size of the kind's smallest pages.
     */
    size_t page_size;
    /**
     * The number of separate ranges that the memory is in.
     */
    size_t n_ranges;
    /**
     * The number of requests that got nothing.
     */
    size_t n_refused;
} memkind_usage;

/**
 * A range of memory with its handle.
 */
typedef struct memkind_range {
    /**
     * The first address of the range.
     */
    void *address;
    /**
     * The size of the range in bytes.
     */
    size_t size;
    /**
     * What the function `add` has stored for the range.
     */
    void *handle;
} memkind_range;

/**
 * A reference to a slice of a buffer; empty if all is 0. It may be moved in memory, but not
 * copied: memkind_iovec_clone() makes another reference.
 */
typedef struct memkind_iovec {
    /**
     * The first byte of the slice.
     */
    void *data;
    /**
     * The slice's length in bytes; the program may make it smaller.
     */
    unsigned int length;
    /**
     * The library's own: not for programs.
     */
    unsigned int private1;
    /**
     * The library's own: not for programs.
     */
    unsigned long private2;
} memkind_iovec;

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
 * \note MT-safe; it applies to blocks that are freed from then on
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
 *         MEMKIND_ERROR_ENVIRON; MEMKIND_ERROR_MALLOC; MEMKIND_ERROR_OPERATION_FAILED if the
 *         nodes cannot be read for the moment: no descriptor or memory is left, or a file of
 *         the system's cannot be read. MEMKIND_DEBUG tells what is wrong with a list.
 * \note MT-safe
 * \note EXPERIMENTAL API
 *
 * \warning
 * `nodes` must be NULL or a string, and `kind` NULL or writable.
 */
int memkind_create_nodes(const char *nodes,
                         memkind_nodes_policy_t policy,
                         memkind_t *kind);

/**
 * Sets what the memory is like. Nothing is checked yet.
 *
 * \param cfg     settings of memkind_config_new(); NULL is a no-op
 * \param options memkind_option_t values, combined with `|`; 0 for none
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_options(struct memkind_config *cfg, unsigned int options);

/**
 * Sets the nodes that memory comes from. The string is not copied and not checked yet.
 *
 * \param cfg    settings of memkind_config_new(); NULL is a no-op
 * \param nodes  a list as memkind_create_nodes() takes it; NULL for the node of the CPU whose
 *               thread makes the kind grow
 * \param policy one of memkind_nodes_policy_t, also if `nodes` is NULL: it has no effect then
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(); `nodes` must stay
 * valid as long as the settings are used.
 */
void memkind_config_set_nodes(struct memkind_config *cfg,
                              const char *nodes,
                              memkind_nodes_policy_t policy);

/**
 * Sets the page size. Nothing is checked yet.
 *
 * \param cfg       settings of memkind_config_new(); NULL is a no-op
 * \param page_size bytes: 0 or those of the processor's pages (sysconf(_SC_PAGESIZE)), or a size of
 *                  huge pages that /sys/kernel/mm/hugepages lists (2 MiB, 1 GiB)
 * \param required  true: where no such huge pages are left an allocation fails; false: it gets smaller
 *                  pages there. Must be false for the processor's pages. memkind_get_usage() tells
 *                  the size of the smallest pages in use.
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_page_size(struct memkind_config *cfg,
                                  size_t page_size,
                                  bool required);

/**
 * Sets what every block is aligned to, whatever its size and whichever function allocates it.
 * Sizes are rounded up to a multiple of it. Nothing is checked yet.
 *
 * \param cfg       settings of memkind_config_new(); NULL is a no-op
 * \param alignment bytes: a power of two, at most the page size; 0 for none
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_alignment(struct memkind_config *cfg,
                                  size_t alignment);

/**
 * Sets by how much the kind grows at a time. Nothing is checked yet.
 *
 * \param cfg       settings of memkind_config_new(); NULL is a no-op
 * \param slab_size bytes, a multiple of the page size; 0 for 32 MiB or a page if that is
 *                  more. A larger block gets a slab of its own size; where there is less memory
 *                  left, a slab is as small as the block.
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_slab_size(struct memkind_config *cfg,
                                  size_t slab_size);

/**
 * Sets which kind serves when this one has no memory: at its limit, on full nodes, without huge
 * pages, by the veto of a map. The block is then one of the other kind, as memkind_detect_kind()
 * tells. The other kind may have a fallback of its own. It cannot be destroyed before this one.
 *
 * \param cfg      settings of memkind_config_new(); NULL is a no-op
 * \param fallback a kind; NULL for none
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new().
 */
void memkind_config_set_fallback(struct memkind_config *cfg,
                                 memkind_t fallback);

/**
 * Sets a function that is called when neither the kind nor its fallback has memory. If it returns
 * nonzero, the request is tried once more. It is called by the thread that asks for memory,
 * without any lock, and may allocate and free; a request made in it calls no such function. It must
 * not be left by longjmp(3).
 *
 * \param cfg       settings of memkind_config_new(); NULL is a no-op
 * \param exhausted the function: it is given `context`, the kind and the bytes that were asked
 *                  for; NULL for none
 * \param context   passed to the function
 * \note MT-safe for different settings; several threads may be in the function at a time
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(); the function must be callable as long as
 * the kind lives.
 */
void memkind_config_set_exhausted(struct memkind_config *cfg,
                                  int (*exhausted)(void *context,
                                                   memkind_t kind,
                                                   size_t size),
                                  void *context);

/**
 * Sets the name that messages and statistics show. The string is not copied and not checked yet.
 *
 * \param cfg  settings of memkind_config_new(); NULL is a no-op
 * \param name at most 63 bytes; NULL for "config" and a number
 * \note MT-safe for different settings
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(); `name` must stay
 * valid as long as the settings are used.
 */
void memkind_config_set_name(struct memkind_config *cfg,
                             const char *name);

/**
 * Creates the kind that settings describe: file-backed if they have a path, else of anonymous
 * memory. memkind_config_set_size() limits it: anonymous memory to any number of bytes, rounded up
 * to whole pages, a file as memkind_create_pmem() does. Anonymous memory with a limit grows by
 * slabs.
 *
 * \param cfg  settings of memkind_config_new(), which may be deleted afterwards
 * \param kind where the handle goes; untouched on failure
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, an unknown value, and what does not go
 *         together: an alignment that is no power of two or exceeds the page size, a slab size
 *         that is no multiple of it, a page size that the kernel does not have, nodes, options,
 *         page or slab size with a path, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE with pinned,
 *         locked or huge pages, huge pages that are also to be transparent, a required size of
 *         pages that are not huge, a fallback that is no living kind, a name of more than 63
 *         bytes, a malformed list of nodes, a file with a limit below MEMKIND_PMEM_MIN_SIZE;
 *         MEMKIND_ERROR_HUGETLB if a page size is required and there are no such pages;
 *         MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_UNAVAILABLE, MEMKIND_ERROR_TOOMANY,
 *         MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_OPERATION_FAILED as for memkind_create_nodes();
 *         MEMKIND_ERROR_MALLOC.
 *         MEMKIND_DEBUG tells what is wrong.
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_config(3)
 *
 * \warning
 * `cfg` must be NULL or come from memkind_config_new(), with strings that live; `kind` must be
 * NULL or writable.
 */
int memkind_create_with_config(struct memkind_config *cfg,
                               memkind_t *kind);

/**
 * The process's kind for I/O buffers on a node: huge pages of 2 MiB if there are any, pinned,
 * populated, not inherited by forked children, each block aligned to 64 bytes. It takes memory
 * from the node as long as there is any, then from others. The kind is made at the first
 * call for its node, and belongs to the whole process: it cannot be destroyed.
 *
 * \param node    a node; -1, or one that does not exist or has no memory for the process: the
 *                node nearest to the calling thread's CPU
 * \param options 0, or MEMKIND_OPTION_SHARED for memory that other processes can map
 * \param kind    where the handle goes; untouched on failure
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and other options;
 *         MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON,
 *         MEMKIND_ERROR_OPERATION_FAILED as for memkind_create_with_config()
 * \note MT-safe; some ten instructions after the first call for a node that exists. A forked
 *       child gets kinds of its own.
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 *
 * \warning
 * `kind` must be NULL or writable.
 */
int memkind_dma_kind(int node,
                     unsigned int options,
                     memkind_t *kind);

/**
 * Takes memory for a kind now, so that its next `size` bytes cost no system call for memory and
 * no call of a map. Half of `size` is taken besides: blocks are rounded up to sizes that the
 * heap has. Addresses for the records that the heap keeps of blocks are mapped, too: a tenth of
 * `size`, and 32 MiB; few of them are written to, unless blocks are small. Where the process may
 * not have so many addresses, they are mapped as they are needed, and no more than `size` is taken.
 * Blocks of more than a sixth of a slab may need more memory, since they do not fill slabs.
 *
 * \param kind a kind that grows by slabs: one of memkind_dma_kind(), or of
 *             memkind_create_with_config() with a limit, an option but MEMKIND_OPTION_WIPE, a page or a slab size
 * \param size bytes
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for other kinds; MEMKIND_ERROR_MALLOC if there
 *         is less memory than `size`. Nothing is taken then, unless it was there at first.
 * \note MT-safe; one thread at a time prepares memory of a kind, others wait for it
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 */
int memkind_prepare(memkind_t kind,
                    size_t size);

/**
 * Gives back what a kind does not use: what threads have cached goes to its arenas, and unused
 * pages to the system. Pages of a pinned kind stay.
 *
 * \param kind the kind
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is not a living kind
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 */
int memkind_trim(memkind_t kind);

/**
 * What a kind uses. `in_use` is the sum of the usable sizes of its blocks; it is found out at each
 * call, as by memkind_update_cached_stats(). `limit` is also that of a kind on a file and the size of
 * a fixed kind's area. `peak` and `n_ranges` are 0 for kinds that do not grow by slabs, and `n_refused` for
 * kinds that neither memkind_create_with_config() nor memkind_dma_kind() has made: these are not counted.
 *
 * \param kind  the kind
 * \param usage where it goes
 * \param size  sizeof(struct memkind_usage): later versions may have more fields, which
 *              this one fills with 0
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is not a living kind, NULL and size 0
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 *
 * \warning
 * `usage` must be NULL or have `size` writable bytes.
 */
int memkind_get_usage(memkind_t kind,
                      struct memkind_usage *usage,
                      size_t size);

/**
 * The node of the page at any address of the process, not only in memory of this library.
 *
 * \param ptr the address; NULL asks for the node of the CPU that the calling thread runs on
 * \return the node; -1 for an address without a page
 * \note MT-safe; a system call
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 */
int memkind_get_node(const void *ptr);

/**
 * The physical address of memory, for a device without an IOMMU, and how many bytes from there on
 * are physically contiguous.
 *
 * \param ptr     an address in a pinned kind on huge pages: the kernel may move others
 * \param address where the physical address goes
 * \param length  where the number of contiguous bytes goes; NULL if it is not wanted
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and any other address;
 *         MEMKIND_ERROR_UNAVAILABLE if the kernel does not tell this process (it takes
 *         CAP_SYS_ADMIN)
 * \note MT-safe; reads a file
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 *
 * \warning
 * `address` and `length` must be NULL or writable.
 */
int memkind_get_physical(const void *ptr,
                         unsigned long *address,
                         size_t *length);

/**
 * The file behind memory of a kind with MEMKIND_OPTION_SHARED, and where in it an address is.
 * Another process that is given the descriptor (over a Unix socket, or by fork) maps the file
 * with mmap(2) and MAP_SHARED, and finds the same bytes at the same offset. It may also put a
 * kind over its mapping with memkind_create_fixed(). The file has the size of a slab and is sealed: no process
 * can shrink it.
 *
 * \param ptr    an address in memory of such a kind
 * \param fd     where the descriptor goes. It stays the library's: duplicate it to keep it.
 * \param offset where the offset in the file goes, in bytes
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and any other address
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_dma_kind(3)
 *
 * \warning
 * `fd` and `offset` must be NULL or writable.
 */
int memkind_get_fd(const void *ptr,
                   int *fd,
                   size_t *offset);

/**
 * Creates a map: it is told of ranges of memory, registers them by a function of the program's,
 * and finds the handle for an address.
 *
 * \param add      called for each new range before any of it is handed out. It stores a handle:
 *                 a key of an RDMA card, an index of io_uring's fixed buffers. Nonzero refuses the
 *                 range: the allocation that needed it gets NULL and ENOMEM, or a block of the
 *                 fallback; what the map and others were told of it is taken back in reverse order.
 * \param remove   called before a range goes, in the reverse order; NULL if nothing is to be done
 * \param max_size the most bytes of a range, 0 for any number; larger ones are split between
 *                 pages, and have at least one (1 GiB for io_uring)
 * \param context  what both functions are given
 * \param map      where the handle goes; untouched on failure
 *
 * The functions are called while the kind grows: they may use kinds that are not attached to
 * this map. A forked child can look up what its parent's map knew, and destroy that map, which
 * calls nothing; it makes maps of its own.
 *
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID if add or map is NULL; MEMKIND_ERROR_MALLOC
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * Any thread may call the functions while the map lives; `map` must be NULL or writable.
 */
int memkind_map_create(int (*add)(void *context, void *address, size_t size, void **handle),
                       void (*remove)(void *context,
                                      void *address,
                                      size_t size,
                                      void *handle),
                       size_t max_size,
                       void *context,
                       struct memkind_map **map);

/**
 * Detaches a map from all kinds, calls `remove` for every range, and frees it.
 *
 * \param map the map; NULL is a no-op
 * \note One thread, when no other uses the map
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map, which is not used again.
 */
void memkind_map_destroy(struct memkind_map *map);

/**
 * Tells a map of all ranges that a kind has, and from then on of each new one. All or nothing. A
 * map may be attached to many kinds, and a kind have up to 8 maps.
 *
 * \param map  the map
 * \param kind a pinned kind or a fixed one
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, another kind, and one that is attached
 *         already; MEMKIND_ERROR_OPERATION_FAILED if `add` refuses a range or the kind has too
 *         many maps; MEMKIND_ERROR_MALLOC
 * \note MT-safe; the kind does not grow meanwhile
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map.
 */
int memkind_map_attach(struct memkind_map *map,
                       memkind_t kind);

/**
 * Calls `remove` for all ranges of a kind, and no longer tells the map of new ones. Destroying a
 * kind does that, too.
 *
 * \param map  the map
 * \param kind the kind
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and a kind that is not attached
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map.
 */
int memkind_map_detach(struct memkind_map *map,
                       memkind_t kind);

/**
 * Tells a map of memory of the caller's, which must stay mapped and in place.
 *
 * \param map     the map
 * \param address start, a multiple of the page size
 * \param size    bytes, a multiple of the page size (sysconf(_SC_PAGESIZE))
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, size 0, what is not whole pages, and
 *         what overlaps a known range; MEMKIND_ERROR_OPERATION_FAILED if `add` refuses;
 *         ENOMEM
 * \note One thread at a time for memory that overlaps
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map.
 */
int memkind_map_add(struct memkind_map *map,
                    void *address,
                    size_t size);

/**
 * Removes memory that memkind_map_add() has added, with the same address and size.
 *
 * \param map     the map
 * \param address start
 * \param size    bytes
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for anything else
 * \note MT-safe for different memory
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map.
 */
int memkind_map_remove(struct memkind_map *map, void *address, size_t size);

/**
 * Finds the range that has an address.
 *
 * \param map   the map
 * \param ptr   any address
 * \param range where it goes; untouched on failure
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, and an address of no range
 * \note MT-safe, wait-free
 * \note EXPERIMENTAL API; see memkind_map(3)
 *
 * \warning
 * `map` must be NULL or a live map, `range` NULL or writable.
 */
int memkind_map_find(const struct memkind_map *map,
                     const void *ptr,
                     struct memkind_range *range);

/**
 * Creates a region: a place to allocate blocks that are freed together.
 *
 * \param kind   where its memory comes from; it cannot be destroyed before the region
 * \param chunk  bytes taken from the kind at first, rounded up to whole pages, 0 for 64 KiB;
 *               each further chunk is twice as large, up to 1 MiB or this size if that is
 *               more. A larger block gets a chunk of its own.
 * \param limit  the most bytes of blocks at a time, rounded up to a multiple of 16, 0 for any
 *               number. A block counts as its size rounded up to a multiple of 16, and with
 *               what its alignment leaves unused.
 * \param region where the handle goes; untouched on failure
 *
 * The region takes no memory from the kind before its first block.
 *
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a kind that does not live or a
 *         chunk larger than the address space; MEMKIND_ERROR_MALLOC
 * \note MT-safe; a region is used by one thread at a time. A forked child has a copy; but one of a
 *       kind with MEMKIND_OPTION_NO_FORK or MEMKIND_OPTION_SHARED it can only destroy.
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or writable.
 */
int memkind_region_create(memkind_t kind,
                          size_t chunk,
                          size_t limit,
                          struct memkind_region **region);

/**
 * Destroys a region with all its blocks; its memory goes back to the kind. A read-only region is
 * made writable before.
 *
 * \param region the region; NULL is a no-op
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region; neither it nor its blocks may be used again.
 */
void memkind_region_destroy(struct memkind_region *region);

/**
 * Allocates `size` bytes, aligned to 16. The block is not to be passed to memkind_free(), which
 * leaves it alone, but goes with memkind_region_rewind(), _reset() or _destroy().
 *
 * \param region the region
 * \param size   bytes; 0 gives NULL and leaves errno alone
 * \return the block, its contents undefined; NULL with errno ENOMEM (the limit is reached, or
 *         the kind has no memory), EACCES (the region is read-only) or EINVAL (region is NULL)
 * \note One thread at a time; about ten instructions
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region.
 */
void *memkind_region_alloc(struct memkind_region *region,
                           size_t size);

/**
 * Allocates `size` bytes at a multiple of `alignment`.
 *
 * \param region    the region
 * \param alignment a power of two
 * \param size      bytes; 0 gives NULL and leaves errno alone
 * \return as memkind_region_alloc(); EINVAL too for an alignment that is no power of two
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region.
 */
void *memkind_region_memalign(struct memkind_region *region,
                              size_t alignment,
                              size_t size);

/**
 * Where a region stands, for memkind_region_rewind(). Marks nest, and cost nothing to drop.
 *
 * \param region the region
 * \return the mark, never NULL; but NULL with errno EINVAL if region is NULL
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region.
 */
void *memkind_region_mark(struct memkind_region *region);

/**
 * Frees all blocks allocated since a mark. A block's address will do for a mark: the block
 * and all that were allocated after it are freed. The chunks stay, for blocks to come.
 *
 * \param region the region
 * \param mark   from memkind_region_mark(), or a block of the region
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is neither, for what has been freed
 *         by going back further, and for NULL; MEMKIND_ERROR_OPERATION_FAILED while the
 *         region is read-only
 * \note One thread at a time; takes time for each chunk begun since the mark, not for each block
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region; the freed blocks may not be used again.
 */
int memkind_region_rewind(struct memkind_region *region,
                          void *mark);

/**
 * Frees all blocks. Chunks stay for blocks to come, up to 16 times the first one's size; what is
 * more goes back to the kind.
 *
 * \param region the region
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL; MEMKIND_ERROR_OPERATION_FAILED
 *         while the region is read-only
 * \note One thread at a time; takes time for each chunk, not for each block
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region; its blocks may not be used again.
 */
int memkind_region_reset(struct memkind_region *region);

/**
 * Makes all memory of a region read-only, or writable again, with mprotect(2). While it is
 * read-only, a write to a block ends in SIGSEGV, memkind_region_alloc() gives NULL and EACCES, and
 * memkind_region_rewind() and _reset() fail.
 *
 * \param region    the region
 * \param read_only true: read-only; false: writable
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL; MEMKIND_ERROR_OPERATION_FAILED,
 *         with errno of mprotect(2), if the kernel refuses: on huge pages (EINVAL), or when
 *         the process has too many mappings (ENOMEM). Nothing has changed then.
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region.
 */
int memkind_region_protect(struct memkind_region *region,
                           bool read_only);

/**
 * What a region uses. `in_use` counts its blocks, with what their alignment left unused.
 *
 * \param region the region
 * \param usage  where it goes
 * \param size   sizeof(struct memkind_usage): later versions may have more fields, which
 *               this one fills with 0
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and for size 0
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_region(3)
 *
 * \warning
 * `region` must be NULL or a live region, and `usage` NULL or `size` writable bytes.
 */
int memkind_region_get_usage(struct memkind_region *region,
                             struct memkind_usage *usage,
                             size_t size);

/**
 * Creates a pool: objects of one size, with a cache in every thread that uses it.
 *
 * \param kind      where its memory comes from; it cannot be destroyed before the pool
 * \param size      bytes of an object, more than 0
 * \param alignment of an object: a power of two up to 2 MiB; 0 for 16
 * \param count     the most objects that there may be; 0 for as many as the kind has memory for
 * \param pool      where the handle goes; untouched on failure
 *
 * Objects lie one behind the other, at multiples of the size rounded up to the alignment (at least
 * 8), in slabs of 2 MiB or more, or of what all `count` objects take if that is less. What a pool has
 * taken from its kind it keeps.
 *
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a kind that does not live, size 0,
 *         another alignment, and more bytes in all than there are addresses;
 *         MEMKIND_ERROR_TOOMANY when 1024 pools exist; MEMKIND_ERROR_MALLOC
 * \note MT-safe. A forked child has a copy.
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or writable.
 */
int memkind_pool_create(memkind_t kind,
                        size_t size,
                        size_t alignment,
                        size_t count,
                        struct memkind_pool **pool);

/**
 * Destroys a pool with all its objects, in use or not; its memory goes back to the kind.
 *
 * \param pool the pool; NULL is a no-op
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_OPERATION_FAILED, and nothing changes, while streams of
 *         the pool exist or vectors refer to its objects; MEMKIND_ERROR_INVALID for one that
 *         has been destroyed, if there is no new one in its place
 * \note No other thread may use the pool
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool; on success neither it nor its objects may be used again.
 */
int memkind_pool_destroy(struct memkind_pool *pool);

/**
 * Sees to it that a pool has `count` objects, in use or not: takes their memory from the kind now.
 * The memory is not touched.
 *
 * \param pool  the pool
 * \param count objects in all
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a pool that does not live and more
 *         objects than it may have; ENOMEM (12) if the kind has no memory: the pool keeps what
 *         it got
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool.
 */
int memkind_pool_prepare(struct memkind_pool *pool,
                         size_t count);

/**
 * Takes an object out of a pool, its contents undefined.
 *
 * \param pool the pool
 * \return the object, for memkind_pool_put() by any thread, not for memkind_free(); NULL with
 *         errno ENOMEM, when as many as there may be are in use or the kind has no memory, after
 *         the caches of other threads have been searched; EINVAL for NULL and a pool that
 *         does not live
 * \note MT-safe; some 20 instructions when the thread's cache has one
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool.
 */
void *memkind_pool_get(struct memkind_pool *pool);

/**
 * Puts an object back into its pool.
 *
 * \param pool   the pool; NULL is a no-op
 * \param object the object; NULL is a no-op
 * \note MT-safe; some 20 instructions when the thread's cache has room. errno is kept.
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool, and `object` NULL or an object taken out of it, which may not be
 * used again.
 */
void memkind_pool_put(struct memkind_pool *pool,
                      void *object);

/**
 * Takes `n` objects out of a pool, or none.
 *
 * \param pool    the pool
 * \param objects where their addresses go; undefined if there are none
 * \param n       how many
 * \return `n`; 0 with errno as memkind_pool_get(), EINVAL too for NULL
 * \note MT-safe. Two threads that both want what is left for one may both get none.
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool, and `objects` NULL or room for `n` pointers.
 */
size_t memkind_pool_get_many(struct memkind_pool *pool, void **objects, size_t n);

/**
 * Puts `n` objects back into their pool. errno is kept.
 *
 * \param pool    the pool; NULL is a no-op
 * \param objects their addresses, of which any may be NULL; NULL is a no-op
 * \param n       how many
 * \note MT-safe
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool, and `objects` NULL or the addresses of `n` objects taken out of it.
 */
void memkind_pool_put_many(struct memkind_pool *pool,
                           void **objects,
                           size_t n);

/**
 * Calls a function with every object of a pool, in use or not.
 *
 * \param pool    the pool
 * \param visit   called once for each object that there is when this function is called;
 *                may use the pool, but not destroy it
 * \param context passed to `visit`
 * \return how many objects; 0 with errno EINVAL for NULL and a pool that does not live
 * \note MT-safe; no lock is held while `visit` runs
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool.
 */
size_t memkind_pool_for_each(struct memkind_pool *pool,
                             void (*visit)(void *context, void *object),
                             void *context);

/**
 * What a pool uses. `in_use` counts the objects that have been taken out, `limit` those that there may
 * be, both in bytes from one object to the next; `n_ranges` is the number of slabs.
 *
 * \param pool  the pool
 * \param usage where it goes
 * \param size  sizeof(struct memkind_usage): later versions may have more fields, which this one
 *              fills with 0
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, size 0 and a pool that does not live
 * \note MT-safe; in_use is a guess while other threads take and put
 * \note EXPERIMENTAL API; see memkind_pool(3)
 *
 * \warning
 * `pool` must be NULL or a pool, and `usage` NULL or `size` writable bytes.
 */
int memkind_pool_get_usage(struct memkind_pool *pool,
                           struct memkind_usage *usage,
                           size_t size);

/**
 * Creates a stream: it takes objects of a pool as buffers and cuts slices from them, one behind the
 * other.
 *
 * \param pool   the pool; it cannot be destroyed before the stream and its vectors
 * \param stream where the handle goes; untouched on failure
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a pool that does not live, and objects
 *         of 4 GiB or more; MEMKIND_ERROR_MALLOC
 * \note MT-safe; a stream is used by one thread at a time
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `pool` must be NULL or a pool, and `stream` NULL or writable.
 */
int memkind_stream_create(struct memkind_pool *pool,
                          struct memkind_stream **stream);

/**
 * Destroys a stream. Vectors that were cut from it stay.
 *
 * \param stream the stream; NULL is a no-op
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `stream` must be NULL or a live stream, which may not be used again.
 */
void memkind_stream_destroy(struct memkind_stream *stream);

/**
 * Allocates vectors for `length` bytes.
 *
 * \param stream    the stream
 * \param length    bytes of all vectors together
 * \param alignment of the address of each vector's data: a power of two up to that of the pool's
 *                  objects; 0 for any address
 * \param max       the most vectors; each is at most one object of the pool
 * \param flags     MEMKIND_IOVEC_LOCAL or MEMKIND_IOVEC_SHARED
 * \param iovecs    room for `max` vectors: what they held before is overwritten, not released
 * \return how many vectors, 1 to `max`; 0 for length 0; -1 with errno EINVAL (NULL, an alignment
 *         that is no power of two or above the objects', other flags), EMSGSIZE (`max` vectors are
 *         not enough) or ENOMEM (the pool has no object). On -1 no reference is held.
 * \note One thread at a time; some 30 instructions if the buffer has room
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `stream` must be NULL or a live stream, and `iovecs` NULL or room for `max` vectors.
 */
int memkind_iovec_alloc(struct memkind_stream *stream,
                        unsigned int length,
                        unsigned int alignment,
                        unsigned int max,
                        unsigned int flags,
                        struct memkind_iovec *iovecs);

/**
 * Reserves vectors for up to `length` bytes, LOCAL ones: fill them, set each length to what was used,
 * and memkind_iovec_commit() them, so that the stream goes on behind the last. Until then the stream must not
 * be used for other LOCAL vectors, which would be in the same place. To give up, release
 * them without committing.
 *
 * \param stream    the stream
 * \param length    bytes of all vectors together
 * \param alignment as for memkind_iovec_alloc()
 * \param max       the most vectors
 * \param iovecs    room for `max` vectors
 * \return as memkind_iovec_alloc()
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `stream` must be NULL or a live stream, and `iovecs` NULL or room for `max` vectors.
 */
int memkind_iovec_reserve(struct memkind_stream *stream,
                          unsigned int length,
                          unsigned int alignment,
                          unsigned int max,
                          struct memkind_iovec *iovecs);

/**
 * Commits vectors that memkind_iovec_reserve() gave, with their lengths made smaller. One whose length
 * is 0 is released.
 *
 * \param stream    the stream
 * \param alignment ignored
 * \param iovecs    the vectors
 * \param n         how many; 0 or less is a no-op
 * \return 0; -1 with errno EINVAL for NULL, an empty vector, one that is not from the stream's pool or
 *         not LOCAL, and one that is longer than its buffer: nothing has changed then
 * \note One thread at a time
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `stream` must be NULL or a live stream, and `iovecs` NULL or `n` vectors.
 */
int memkind_iovec_commit(struct memkind_stream *stream,
                         unsigned int alignment,
                         struct memkind_iovec *iovecs,
                         int n);

/**
 * Adds a reference through the same vector, which must then be released once more. An empty vector
 * stays empty.
 *
 * \param iovec the vector
 * \note MT-safe for SHARED vectors
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `iovec` must be a vector, empty or live.
 */
void memkind_iovec_addref(struct memkind_iovec *iovec);

/**
 * Makes another reference to the same slice.
 *
 * \param dst becomes the new one: what it held before is overwritten, not released
 * \param src the vector; an empty one makes `dst` empty
 * \note MT-safe for SHARED vectors
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `src` must be a vector, empty or live, and `dst` writable.
 */
void memkind_iovec_clone(struct memkind_iovec *dst, const struct memkind_iovec *src);

/**
 * Makes another reference to a part of a slice.
 *
 * \param dst    becomes the new one: what it held before is overwritten, not released
 * \param src    the vector
 * \param offset of the part, in bytes from the start of `src`
 * \param length of the part
 * \return 0; -1 with errno EINVAL if `src` is shorter: `dst` is empty then
 * \note MT-safe for SHARED vectors
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `src` must be a vector, empty or live, and `dst` writable.
 */
int memkind_iovec_clone_segment(struct memkind_iovec *dst,
                                const struct memkind_iovec *src,
                                unsigned int offset,
                                unsigned int length);

/**
 * Hands a reference over to another vector.
 *
 * \param dst becomes what `src` was; what it held before is overwritten, not released
 * \param src is empty afterwards
 * \note MT-safe for different vectors
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `src` must be a vector, empty or live, and `dst` writable.
 */
void memkind_iovec_move(struct memkind_iovec *dst, struct memkind_iovec *src);

/**
 * Hands a reference over, to a part of the slice.
 *
 * \param dst    becomes the part; what it held before is overwritten, not released
 * \param src    is empty afterwards
 * \param offset of the part, in bytes from the start of `src`
 * \param length of the part
 * \return 0; -1 with errno EINVAL if `src` is shorter: `dst` is empty then, and `src` as
 *         it was
 * \note MT-safe for different vectors
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `src` must be a vector, empty or live, and `dst` writable.
 */
int memkind_iovec_move_segment(struct memkind_iovec *dst,
                               struct memkind_iovec *src,
                               unsigned int offset,
                               unsigned int length);

/**
 * Gives a reference up. The last one of a buffer puts it back into its pool.
 *
 * \param iovec the vector: it is empty afterwards. An empty one is a no-op.
 * \note MT-safe for SHARED vectors, in any thread. errno is kept.
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `iovec` must be a vector, empty or live.
 */
void memkind_iovec_release(struct memkind_iovec *iovec);

/**
 * Gives the references of several vectors up.
 *
 * \param iovecs the vectors; NULL is a no-op
 * \param n      how many; 0 or less is a no-op
 * \note As memkind_iovec_release()
 * \note EXPERIMENTAL API; see memkind_iovec(3)
 *
 * \warning
 * `iovecs` must be NULL or `n` vectors, each empty or live.
 */
void memkind_iovecs_release(struct memkind_iovec *iovecs, int n);

/**
 * Turns checks on for all kinds, as MEMKIND_CHECKS does.
 *
 * A fault is described on standard error, and the process ends by abort(3): see
 * memkind_checks(3).
 *
 * \param checks MEMKIND_CHECK_* combined by |; 0 changes nothing
 * \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for unknown checks;
 *         MEMKIND_ERROR_OPERATION_FAILED when something has been allocated by this library, or
 *         MEMKIND_CHECKS is set; MEMKIND_ERROR_MALLOC without memory
 * \note not MT-safe: call it before other threads allocate
 * \note EXPERIMENTAL API
 */
int memkind_set_checks(unsigned int checks);

/**
 * Looks at all blocks that are checked, describes what is wrong, and lists what is alive by
 * kind and place of allocation: blocks, objects, vectors, and regions by the place where they were
 * made, with the number and bytes of their blocks. Writes outside of a region's blocks are found when
 * the region is rewound, reset or destroyed, not here. Does not end the process.
 *
 * \param kind     the kind, or NULL for all
 * \param write_cb is given the text line by line, each with its newline; NULL writes to standard
 *                 error. It may allocate and free.
 * \param context  passed to write_cb
 * \return the number of blocks something is wrong with, or MEMKIND_ERROR_INVALID for what is
 *         not a living kind, MEMKIND_ERROR_OPERATION_FAILED when no checks are on,
 *         MEMKIND_ERROR_MALLOC without memory for the list
 * \note MT-safe
 * \note EXPERIMENTAL API
 *
 * \warning
 * `write_cb` must accept `context`.
 */
int memkind_report(memkind_t kind,
                   void (*write_cb)(void *context, const char *text),
                   void *context);

#ifdef __cplusplus
}  /* extern "C" */
#endif  /* __cplusplus */
