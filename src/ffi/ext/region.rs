//! Regions: blocks that are freed together, or the last ones first.

use core::ffi::{c_int, c_void};
use core::ptr;

use super::super::answer::{block_or_errno, status};
use super::super::memkind::memkind_t;
use super::made_of;
use super::usage::{self, memkind_usage};
use crate::error::Error;
use crate::ext::region::{Place, Region, minus};
use crate::log;

/// An arena and a stack in one; see memkind_region_create().
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; Region::handle tells what a handle is"
)]
pub struct memkind_region(Region);

/// The region behind a handle; `None` for NULL.
///
/// # Safety
/// `region` is null or a live region, which no other thread uses.
unsafe fn region_of<'a>(region: *mut memkind_region) -> Option<&'a mut Region> {
    // SAFETY: null or a live region, which no other thread uses.
    unsafe { Region::of_handle(region as usize).as_mut() }
}

/// Creates a region: a place to allocate blocks that are freed together.
///
/// \param kind   where its memory comes from; it cannot be destroyed before the region
/// \param chunk  bytes taken from the kind at first, rounded up to whole pages, 0 for 64 KiB;
///               each further chunk is twice as large, up to 1 MiB or this size if that is
///               more. A larger block gets a chunk of its own.
/// \param limit  the most bytes of blocks at a time, rounded up to a multiple of 16, 0 for any
///               number. A block counts as its size rounded up to a multiple of 16, and with
///               what its alignment leaves unused.
/// \param region where the handle goes; untouched on failure
///
/// The region takes no memory from the kind before its first block.
///
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a kind that does not live or a
///         chunk larger than the address space; MEMKIND_ERROR_MALLOC
/// \note MT-safe; a region is used by one thread at a time. A forked child has a copy; but one of a
///       kind with MEMKIND_OPTION_NO_FORK or MEMKIND_OPTION_SHARED it can only destroy.
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_create(
    kind: memkind_t,
    chunk: usize,
    limit: usize,
    region: *mut *mut memkind_region,
) -> c_int {
    let Some(kind) = made_of("region", kind, region) else {
        return Error::Invalid.code();
    };
    let created = Region::create(kind, chunk, limit).map(|created| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *region = Region::handle(created) as *mut memkind_region }
    });
    status(created)
}

/// Destroys a region with all its blocks; its memory goes back to the kind. A read-only region is
/// made writable before.
///
/// \param region the region; NULL is a no-op
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region; neither it nor its blocks may be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_destroy(region: *mut memkind_region) {
    if !region.is_null() {
        let errno = log::errno();
        // SAFETY: a live region; neither it nor its blocks are used again.
        unsafe { Region::destroy(Region::of_handle(region as usize)) }
        log::set_errno(errno);
    }
}

/// Allocates `size` bytes, aligned to 16. The block is not to be passed to memkind_free(), which
/// leaves it alone, but goes with memkind_region_rewind(), _reset() or _destroy().
///
/// \param region the region
/// \param size   bytes; 0 gives NULL and leaves errno alone
/// \return the block, its contents undefined; NULL with errno ENOMEM (the limit is reached, or
///         the kind has no memory), EACCES (the region is read-only) or EINVAL (region is NULL)
/// \note One thread at a time; about ten instructions
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_alloc(
    region: *mut memkind_region,
    size: usize,
) -> *mut c_void {
    let (place, minus_size) = (Place::of_handle(region as usize), minus(size));
    // SAFETY: null or a live region, which no other thread uses.
    match unsafe { place.allocate(minus_size) } {
        Some(block) => block.cast(),
        // SAFETY: null or a live region, which no other thread uses.
        None => unsafe { allocate_slow(place, minus_size) },
    }
}

/// # Safety
/// As memkind_region_alloc(), with the place of the region.
#[cold]
#[inline(never)]
unsafe extern "C" fn allocate_slow(place: Place, minus_size: usize) -> *mut c_void {
    let region = place.handle() as *mut memkind_region;
    // SAFETY: null or a live region. 16 is what every block is aligned to.
    unsafe { memkind_region_memalign(region, 16, minus_size.wrapping_neg()) }
}

/// Allocates `size` bytes at a multiple of `alignment`.
///
/// \param region    the region
/// \param alignment a power of two
/// \param size      bytes; 0 gives NULL and leaves errno alone
/// \return as memkind_region_alloc(); EINVAL too for an alignment that is no power of two
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_memalign(
    region: *mut memkind_region,
    alignment: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: null or a live region, which no other thread uses.
    let region = unsafe { region_of(region) }.filter(|_| alignment.is_power_of_two());
    let Some(region) = region else {
        return block_or_errno(None, Err(Error::InvalidArgument));
    };
    if size == 0 {
        return ptr::null_mut();
    }
    if region.is_read_only() {
        log::set_errno(libc::EACCES);
        return ptr::null_mut();
    }
    let kind = region.kind();
    block_or_errno(Some(kind), region.allocate_aligned(alignment, size))
}

/// Where a region stands, for memkind_region_rewind(). Marks nest, and cost nothing to drop.
///
/// \param region the region
/// \return the mark, never NULL; but NULL with errno EINVAL if region is NULL
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_mark(region: *mut memkind_region) -> *mut c_void {
    // SAFETY: null or a live region, which no other thread uses.
    match unsafe { region_of(region) } {
        Some(region) => region.mark().cast(),
        None => block_or_errno(None, Err(Error::InvalidArgument)),
    }
}

/// Frees all blocks allocated since a mark. A block's address will do for a mark: the block
/// and all that were allocated after it are freed. The chunks stay, for blocks to come.
///
/// \param region the region
/// \param mark   from memkind_region_mark(), or a block of the region
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is neither, for what has been freed
///         by going back further, and for NULL; MEMKIND_ERROR_OPERATION_FAILED while the
///         region is read-only
/// \note One thread at a time; takes time for each chunk begun since the mark, not for each block
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region; the freed blocks may not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_rewind(
    region: *mut memkind_region,
    mark: *mut c_void,
) -> c_int {
    // SAFETY: null or a live region, which no other thread uses.
    match unsafe { region_of(region) } {
        Some(region) => status(region.rewind(mark.cast())),
        None => Error::Invalid.code(),
    }
}

/// Frees all blocks. Chunks stay for blocks to come, up to 16 times the first one's size; what is
/// more goes back to the kind.
///
/// \param region the region
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL; MEMKIND_ERROR_OPERATION_FAILED
///         while the region is read-only
/// \note One thread at a time; takes time for each chunk, not for each block
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region; its blocks may not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_reset(region: *mut memkind_region) -> c_int {
    let errno = log::errno();
    // SAFETY: null or a live region, which no other thread uses.
    let code = match unsafe { region_of(region) } {
        Some(region) => status(region.reset()),
        None => Error::Invalid.code(),
    };
    log::set_errno(errno);
    code
}

/// Makes all memory of a region read-only, or writable again, with mprotect(2). While it is
/// read-only, a write to a block ends in SIGSEGV, memkind_region_alloc() gives NULL and EACCES, and
/// memkind_region_rewind() and _reset() fail.
///
/// \param region    the region
/// \param read_only true: read-only; false: writable
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL; MEMKIND_ERROR_OPERATION_FAILED,
///         with errno of mprotect(2), if the kernel refuses: on huge pages (EINVAL), or when
///         the process has too many mappings (ENOMEM). Nothing has changed then.
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_protect(
    region: *mut memkind_region,
    read_only: bool,
) -> c_int {
    // SAFETY: null or a live region, which no other thread uses.
    match unsafe { region_of(region) } {
        Some(region) => status(region.protect(read_only)),
        None => Error::Invalid.code(),
    }
}

/// What a region uses. `in_use` counts its blocks, with what their alignment left unused.
///
/// \param region the region
/// \param usage  where it goes
/// \param size   sizeof(struct memkind_usage): later versions may have more fields, which
///               this one fills with 0
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL and for size 0
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_region(3)
///
/// # Safety
/// `region` must be NULL or a live region, and `usage` NULL or `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_region_get_usage(
    region: *mut memkind_region,
    usage: *mut memkind_usage,
    size: usize,
) -> c_int {
    // SAFETY: null or a live region, which no other thread uses.
    match unsafe { region_of(region) } {
        // SAFETY: `usage` is null or has `size` writable bytes.
        Some(region) => unsafe { usage::fill(region.usage(), usage, size) },
        None => Error::Invalid.code(),
    }
}
