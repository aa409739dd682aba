//! Memory for devices: kinds for I/O buffers, memory in advance, what a kind has and where.

use core::ffi::{c_int, c_uint, c_ulong, c_void};
use core::ptr;

use super::super::answer::{kind_of, status};
use super::super::memkind::{hand_out, memkind_t};
use super::config::memkind_option_t;
use super::null_argument;
use super::usage::{self, memkind_usage};
use crate::error::Error;
use crate::ext::{Usage, physical};
use crate::kind::{self, Kind, dma};
use crate::log::{self, refused};
use crate::topology;

/// The process's kind for I/O buffers on a node: huge pages of 2 MiB if there are any, pinned,
/// populated, not inherited by forked children, each block aligned to 64 bytes. It takes memory
/// from the node as long as there is any, then from others. The kind is made at the first
/// call for its node, and belongs to the whole process: it cannot be destroyed.
///
/// \param node    a node; -1, or one that does not exist or has no memory for the process: the
///                node nearest to the calling thread's CPU
/// \param options 0, or MEMKIND_OPTION_SHARED for memory that other processes can map
/// \param kind    where the handle goes; untouched on failure
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and other options;
///         MEMKIND_ERROR_TOOMANY, MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ENVIRON,
///         MEMKIND_ERROR_OPERATION_FAILED as for memkind_create_with_config()
/// \note MT-safe; some ten instructions after the first call for a node that exists. A forked
///       child gets kinds of its own.
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
///
/// # Safety
/// `kind` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_dma_kind(
    node: c_int,
    options: c_uint,
    kind: *mut memkind_t,
) -> c_int {
    const SHARED: c_uint = memkind_option_t::MEMKIND_OPTION_SHARED as c_uint;
    if kind.is_null() {
        return null_argument("kind");
    }
    if options & !SHARED != 0 {
        return refused!(
            Error::Invalid.code(),
            "Cannot create kind: options {options:#x}; it takes MEMKIND_OPTION_SHARED alone."
        );
    }
    match dma::of_node(node, options != 0) {
        Err(error) => error.code(),
        // SAFETY: not null, and writable by the caller's promise.
        made => unsafe { hand_out(made, kind) },
    }
}

/// Takes memory for a kind now, so that its next `size` bytes cost no system call for memory and
/// no call of a map. Half of `size` is taken besides: blocks are rounded up to sizes that the
/// heap has. Addresses for the records that the heap keeps of blocks are mapped, too: a tenth of
/// `size`, and 32 MiB; few of them are written to, unless blocks are small. Where the process may
/// not have so many addresses, they are mapped as they are needed, and no more than `size` is taken.
/// Blocks of more than a sixth of a slab may need more memory, since they do not fill slabs.
///
/// \param kind a kind that grows by slabs: one of memkind_dma_kind(), or of
///             memkind_create_with_config() with a limit, an option but MEMKIND_OPTION_WIPE, a page or a slab size
/// \param size bytes
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for other kinds; MEMKIND_ERROR_MALLOC if there
///         is less memory than `size`. Nothing is taken then, unless it was there at first.
/// \note MT-safe; one thread at a time prepares memory of a kind, others wait for it
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
#[unsafe(no_mangle)]
pub extern "C" fn memkind_prepare(kind: memkind_t, size: usize) -> c_int {
    let errno = log::errno();
    let Some(kind) = kind_of(kind) else {
        return refused!(
            Error::Invalid.code(),
            "Cannot prepare memory: the kind is NULL, was destroyed or never existed."
        );
    };
    let prepared = kind.take_in_advance(size).map_err(|error| match error {
        Error::NoMemory => refused!(
            Error::Malloc,
            "Cannot prepare {size} bytes of kind {}: it has less memory.",
            kind.head.name()
        ),
        Error::Invalid => refused!(
            error,
            "Cannot prepare memory of kind {}: it does not grow by slabs.",
            kind.head.name()
        ),
        error => error,
    });
    log::set_errno(errno);
    status(prepared)
}

/// Gives back what a kind does not use: what threads have cached goes to its arenas, and unused
/// pages to the system. Pages of a pinned kind stay.
///
/// \param kind the kind
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is not a living kind
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
#[unsafe(no_mangle)]
pub extern "C" fn memkind_trim(kind: memkind_t) -> c_int {
    let errno = log::errno();
    let Some(kind) = kind_of(kind) else {
        return refused!(
            Error::Invalid.code(),
            "Cannot trim kind: it is NULL, was destroyed or never existed."
        );
    };
    kind.trim();
    log::set_errno(errno);
    0
}

/// What a kind uses. `in_use` is the sum of the usable sizes of its blocks; it is found out at each
/// call, as by memkind_update_cached_stats(). `limit` is also that of a kind on a file and the size of
/// a fixed kind's area. `peak` and `n_ranges` are 0 for kinds that do not grow by slabs, and `n_refused` for
/// kinds that neither memkind_create_with_config() nor memkind_dma_kind() has made: these are not counted.
///
/// \param kind  the kind
/// \param usage where it goes
/// \param size  sizeof(struct memkind_usage): later versions may have more fields, which
///              this one fills with 0
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is not a living kind, NULL and size 0
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
///
/// # Safety
/// `usage` must be NULL or have `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_usage(
    kind: memkind_t,
    usage: *mut memkind_usage,
    size: usize,
) -> c_int {
    let Some(kind) = kind_of(kind) else {
        return Error::Invalid.code();
    };
    // SAFETY: `usage` is null or has `size` writable bytes.
    unsafe { usage::fill(Usage::of_kind(kind), usage, size) }
}

/// The node of the page at any address of the process, not only in memory of this library.
///
/// \param ptr the address; NULL asks for the node of the CPU that the calling thread runs on
/// \return the node; -1 for an address without a page
/// \note MT-safe; a system call
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
#[unsafe(no_mangle)]
pub extern "C" fn memkind_get_node(ptr: *const c_void) -> c_int {
    if ptr.is_null() {
        return topology::current_node().into();
    }
    let mut node = [-1];
    match topology::node_of_pages(&[ptr.cast()], &mut node) {
        Ok(()) if node[0] >= 0 => node[0],
        _ => -1,
    }
}

/// The physical address of memory, for a device without an IOMMU, and how many bytes from there on
/// are physically contiguous.
///
/// \param ptr     an address in a pinned kind on huge pages: the kernel may move others
/// \param address where the physical address goes
/// \param length  where the number of contiguous bytes goes; NULL if it is not wanted
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and any other address;
///         MEMKIND_ERROR_UNAVAILABLE if the kernel does not tell this process (it takes
///         CAP_SYS_ADMIN)
/// \note MT-safe; reads a file
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
///
/// # Safety
/// `address` and `length` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_physical(
    ptr: *const c_void,
    address: *mut c_ulong,
    length: *mut usize,
) -> c_int {
    if address.is_null() {
        return Error::Invalid.code();
    }
    let errno = log::errno();
    let found = physical::of(ptr as usize);
    log::set_errno(errno);
    status(found.map(|(found, rest)| {
        // SAFETY: writable, by the caller's promise.
        unsafe {
            *address = found as c_ulong;
            if let Some(length) = length.as_mut() {
                *length = rest;
            }
        }
    }))
}

/// The file behind memory of a kind with MEMKIND_OPTION_SHARED, and where in it an address is.
/// Another process that is given the descriptor (over a Unix socket, or by fork) maps the file
/// with mmap(2) and MAP_SHARED, and finds the same bytes at the same offset. It may also put a
/// kind over its mapping with memkind_create_fixed(). The file has the size of a slab and is sealed: no process
/// can shrink it.
///
/// \param ptr    an address in memory of such a kind
/// \param fd     where the descriptor goes. It stays the library's: duplicate it to keep it.
/// \param offset where the offset in the file goes, in bytes
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and any other address
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_dma_kind(3)
///
/// # Safety
/// `fd` and `offset` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_fd(
    ptr: *const c_void,
    fd: *mut c_int,
    offset: *mut usize,
) -> c_int {
    let slabs = kind::detect(ptr.cast()).and_then(Kind::slabs);
    let found = slabs.and_then(|slabs| slabs.look_up(ptr as usize));
    match found {
        Some((_, file, place)) if file >= 0 && !fd.is_null() && !offset.is_null() => {
            // SAFETY: writable, by the caller's promise.
            unsafe {
                ptr::write(fd, file);
                ptr::write(offset, place);
            }
            0
        }
        _ => Error::Invalid.code(),
    }
}
