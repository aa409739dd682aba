//! jemalloc's functions with the prefix jemk_, for programs that link them from libmemkind.a,
//! as memKeyDB does: the original's archive contains its jemalloc. Neither the shared library nor
//! a header has them.
//!
//! Blocks come from MEMKIND_DEFAULT, and may be freed by memkind_free() too. Where a program
//! names an arena or a cache of jemalloc's, jemalloc itself allocates. Size 0 gives a block.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr;

use super::answer::{block_or_errno, handle_at, kind_of, valid_alignment};
use crate::error::Error;
use crate::heap::je::{self, Stat, Writer, raw};
use crate::heap::{self, fast, stats};
use crate::kind::{self, Kind, defrag};
use crate::log;
use crate::sys::page_size;

// The names that C knows: scripts/static-archive.sh keeps them, and the shared library does not export
// them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
crate::sys::hidden::hidden_names! {
    ".text.";
    "jemk_malloc" => malloc;
    "jemk_calloc" => calloc;
    "jemk_realloc" => realloc;
    "jemk_free" => free;
    "jemk_posix_memalign" => posix_memalign;
    "jemk_aligned_alloc" => aligned_alloc;
    "jemk_memalign" => memalign;
    "jemk_valloc" => valloc;
    "jemk_malloc_usable_size" => malloc_usable_size;
    "jemk_mallocx" => mallocx;
    "jemk_rallocx" => rallocx;
    "jemk_xallocx" => xallocx;
    "jemk_sallocx" => sallocx;
    "jemk_dallocx" => dallocx;
    "jemk_sdallocx" => sdallocx;
    "jemk_nallocx" => nallocx;
    "jemk_mallctl" => mallctl;
    "jemk_mallctlnametomib" => mallctlnametomib;
    "jemk_mallctlbymib" => mallctlbymib;
    "jemk_malloc_stats_print" => malloc_stats_print;
    "jemk_arenalookupx" => arenalookupx;
    "jemk_check_reallocatex" => check_reallocatex;
}

fn default_kind() -> Option<&'static Kind> {
    kind_of(handle_at(0))
}

/// Whether a block belongs to a heap of the library; otherwise it is jemalloc's own.
fn is_of_a_heap(block: *const c_void) -> bool {
    kind::heap_id(block.cast()) != 0
}

fn allocate(result: impl FnOnce(&'static Kind) -> Result<*mut u8, Error>) -> *mut c_void {
    let kind = default_kind();
    block_or_errno(kind, kind.ok_or(Error::NoMemory).and_then(result))
}

extern "C" fn malloc(size: usize) -> *mut c_void {
    match fast::allocate(handle_at(0) as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => allocate(|kind| kind.malloc(size.max(1))),
    }
}

extern "C" fn calloc(num: usize, size: usize) -> *mut c_void {
    let bytes = num.checked_mul(size);
    allocate(|kind| kind.calloc(1, bytes.ok_or(Error::NoMemory)?.max(1)))
}

/// # Safety
/// `block` is NULL or live.
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the block is NULL or live, of a heap or of jemalloc itself.
    unsafe {
        if block.is_null() {
            return malloc(size);
        }
        if size == 0 {
            free(block);
            return ptr::null_mut();
        }
        if !is_of_a_heap(block) {
            return raw::realloc(block, size);
        }
        allocate(|kind| kind.realloc(block.cast(), size))
    }
}

/// # Safety
/// `block` is NULL or live, and is not used again.
unsafe extern "C" fn free(block: *mut c_void) {
    // SAFETY: null or a live block, which is not used again.
    if unsafe { fast::free(block.cast()) } {
        return;
    }
    // SAFETY: the block is NULL or live, of a heap or of jemalloc itself, and is not used again.
    unsafe {
        if is_of_a_heap(block) {
            kind::free(block.cast());
        } else {
            raw::free(block);
        }
    }
}

fn aligned(alignment: usize, size: usize) -> Result<*mut u8, Error> {
    if !alignment.is_power_of_two() {
        return Err(Error::InvalidArgument);
    }
    let kind = default_kind().ok_or(Error::NoMemory)?;
    kind.memalign(alignment, size.max(1))
}

/// # Safety
/// `place` is writable.
unsafe extern "C" fn posix_memalign(
    place: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if !valid_alignment(alignment) {
        return libc::EINVAL;
    }
    let errno = log::errno();
    let result = aligned(alignment, size);
    log::set_errno(errno);
    match result {
        Ok(block) => {
            // SAFETY: the program's place for the block is writable.
            unsafe { *place = block.cast() };
            0
        }
        Err(_) => libc::ENOMEM,
    }
}

extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    block_or_errno(default_kind(), aligned(alignment, size))
}

extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    aligned_alloc(alignment, size)
}

extern "C" fn valloc(size: usize) -> *mut c_void {
    aligned_alloc(je::PAGE, size)
}

/// # Safety
/// `block` is NULL or live.
unsafe extern "C" fn malloc_usable_size(block: *const c_void) -> usize {
    // SAFETY: the caller's block is NULL or live.
    unsafe { sallocx(block, 0) }
}

/// The flags of jemalloc's functions with an x in their names.
struct Flags {
    alignment: usize,
    zero: bool,
    /// Whether the flags name a cache or an arena of jemalloc's.
    names_place: bool,
}

impl Flags {
    fn of(flags: c_int) -> Self {
        /// The bits for the alignment; those above are for a cache and an arena.
        const ALIGNMENT: c_int = 0x3f;
        Self {
            alignment: 1 << (flags & ALIGNMENT),
            zero: flags & je::ZERO != 0,
            names_place: flags & !(ALIGNMENT | je::ZERO) & !je::TCACHE_NONE != 0,
        }
    }
}

/// A block of `size` bytes as `flags` ask; null without memory. Keeps `errno`.
fn block_by(size: usize, flags: c_int) -> *mut c_void {
    let wanted = Flags::of(flags);
    if wanted.names_place {
        let block = if je::initialise() {
            je::mallocx(size, flags)
        } else {
            ptr::null_mut()
        };
        if !block.is_null() {
            // SAFETY: a live block that jemalloc has just given.
            unsafe { heap::blocks::adopt(block) };
        }
        return block.cast();
    }
    // The whole block is zeroed, on which rallocx relies.
    let usable = nallocx(size.max(1), flags);
    let Some(kind) = default_kind().filter(|_| usable != 0) else {
        return ptr::null_mut();
    };
    let errno = log::errno();
    let block = match (wanted.alignment, wanted.zero) {
        (1, false) => kind.malloc(size.max(1)),
        (1, true) => kind.calloc(1, usable),
        (alignment, _) => kind.memalign(alignment, size.max(1)),
    };
    log::set_errno(errno);
    let block = block.unwrap_or(ptr::null_mut());
    if wanted.zero && wanted.alignment > 1 && !block.is_null() {
        // SAFETY: a live block with this usable size, which no other thread has seen.
        unsafe { ptr::write_bytes(block, 0, kind::usable_size(block)) };
    }
    block.cast()
}

extern "C" fn mallocx(size: usize, flags: c_int) -> *mut c_void {
    block_by(size, flags)
}

/// # Safety
/// `block` is live, and not used again if there is another.
unsafe extern "C" fn rallocx(block: *mut c_void, size: usize, flags: c_int) -> *mut c_void {
    let wanted = Flags::of(flags);
    // SAFETY: the caller's block is live; a fresh one has room for what is copied, and the old
    // one is freed when its contents are safe.
    unsafe {
        if !is_of_a_heap(block) {
            return raw::rallocx(block, size.max(1), flags);
        }
        let old = kind::usable_size(block.cast());
        let plain = wanted.alignment == 1 && !wanted.names_place;
        if plain {
            let errno = log::errno();
            let kind = default_kind().ok_or(Error::NoMemory);
            let moved = kind.and_then(|kind| kind.realloc(block.cast(), size.max(1)));
            log::set_errno(errno);
            let moved = moved.unwrap_or(ptr::null_mut());
            if wanted.zero && !moved.is_null() {
                zero_from(moved, old);
            }
            return moved.cast();
        }
        let fresh = block_by(size, flags);
        if !fresh.is_null() {
            // The shorter of both is copied; only bytes after the old size have to be zeroes.
            let length = old.min(sallocx(fresh, flags));
            ptr::copy_nonoverlapping(block.cast::<u8>(), fresh.cast(), length);
            free(block);
        }
        fresh
    }
}

/// Zeroes a block from its old size on, in bytes.
///
/// # Safety
/// The block is live and of a heap.
unsafe fn zero_from(block: *mut u8, old: usize) {
    // SAFETY: the block is live, and all bytes below its usable size belong to it.
    unsafe {
        let usable = kind::usable_size(block);
        ptr::write_bytes(block.add(old.min(usable)), 0, usable.saturating_sub(old));
    }
}

/// # Safety
/// `block` is live.
unsafe extern "C" fn xallocx(block: *mut c_void, size: usize, extra: usize, flags: c_int) -> usize {
    // SAFETY: the caller's block is live.
    unsafe {
        if !is_of_a_heap(block) {
            return raw::xallocx(block, size, extra, flags);
        }
        let block = block.cast::<u8>();
        let old = kind::usable_size(block);
        let (least, most) = (size.max(1), size.saturating_add(extra));
        let resize = |to: usize| kind::resize_in_place(block, to);
        if nallocx(most, 0) > old {
            let _ = resize(most) || (nallocx(least, 0) > old && resize(least));
        } else if nallocx(most, 0) < old {
            let _ = resize(most);
        }
        if flags & je::ZERO != 0 {
            zero_from(block, old);
        }
        kind::usable_size(block)
    }
}

/// # Safety
/// `block` is NULL or live.
unsafe extern "C" fn sallocx(block: *const c_void, flags: c_int) -> usize {
    // SAFETY: the caller's block is live, of a heap or of jemalloc itself.
    unsafe {
        if block.is_null() {
            0
        } else if is_of_a_heap(block) {
            kind::usable_size(block.cast())
        } else {
            raw::sallocx(block, flags)
        }
    }
}

/// # Safety
/// `block` is live, and is not used again.
unsafe extern "C" fn dallocx(block: *mut c_void, flags: c_int) {
    // SAFETY: the caller's block is live, of a heap or of jemalloc itself.
    unsafe {
        if is_of_a_heap(block) {
            free(block);
        } else {
            raw::dallocx(block, flags);
        }
    }
}

/// # Safety
/// `block` is live, and is not used again.
unsafe extern "C" fn sdallocx(block: *mut c_void, size: usize, flags: c_int) {
    let _ = size;
    // SAFETY: the block is live, and not used again.
    unsafe { dallocx(block, flags) }
}

extern "C" fn nallocx(size: usize, flags: c_int) -> usize {
    if !je::initialise() {
        return 0;
    }
    // SAFETY: the size is not 0.
    let class = unsafe { raw::nallocx(size.max(1), flags) };
    // Large blocks of the kind are whole pages.
    if class != 0 && size > heap::LARGE_MAX && !Flags::of(flags).names_place {
        size.next_multiple_of(page_size())
    } else {
        class
    }
}

/// The controls whose values concern the library's caches, which jemalloc does not know.
const OURS: [(&CStr, Option<Stat>); 4] = [
    (c"epoch", None),
    (c"stats.allocated", Some(Stat::Allocated)),
    (c"stats.active", Some(Stat::Active)),
    (c"stats.resident", Some(Stat::Resident)),
];

/// Completes a control that jemalloc has obeyed: takes the library's part of a snapshot, or
/// corrects the figure at `old` for blocks in caches.
///
/// # Safety
/// `old` is NULL or holds the value of the control.
unsafe fn correct(stat: Option<Stat>, old: *mut c_void, new: *mut c_void) {
    match stat {
        None if !new.is_null() => {
            stats::refresh();
        }
        Some(stat) if !old.is_null() => {
            if let Ok(bytes) = kind::stat_of_all(stat) {
                // SAFETY: these controls give a size_t, and jemalloc has written one.
                unsafe { old.cast::<usize>().write(bytes) };
            }
        }
        _ => {}
    }
}

/// # Safety
/// As mallctl(3) of jemalloc.
unsafe extern "C" fn mallctl(
    name: *const c_char,
    old: *mut c_void,
    old_len: *mut usize,
    new: *mut c_void,
    new_len: usize,
) -> c_int {
    if !je::initialise() {
        return libc::EAGAIN;
    }
    // SAFETY: jemalloc's mallctl asks of its arguments no more than this function.
    unsafe {
        let status = raw::mallctl(name, old, old_len, new, new_len);
        let name = CStr::from_ptr(name);
        let ours = OURS.iter().find(|(ours, _)| *ours == name);
        if let Some((_, stat)) = ours.filter(|_| status == 0) {
            correct(*stat, old, new);
        }
        status
    }
}

/// # Safety
/// As mallctlnametomib(3) of jemalloc.
unsafe extern "C" fn mallctlnametomib(
    name: *const c_char,
    mib: *mut usize,
    len: *mut usize,
) -> c_int {
    if !je::initialise() {
        return libc::EAGAIN;
    }
    // SAFETY: jemalloc's mallctlnametomib asks of its arguments no more than this function.
    unsafe { raw::mallctlnametomib(name, mib, len) }
}

/// # Safety
/// As mallctlbymib(3) of jemalloc.
unsafe extern "C" fn mallctlbymib(
    mib: *const usize,
    len: usize,
    old: *mut c_void,
    old_len: *mut usize,
    new: *mut c_void,
    new_len: usize,
) -> c_int {
    if !je::initialise() {
        return libc::EAGAIN;
    }
    // SAFETY: jemalloc's mallctlbymib asks of its arguments no more; names in `OURS` have at most
    // two parts.
    unsafe {
        let status = raw::mallctlbymib(mib, len, old, old_len, new, new_len);
        if status != 0 || len > 2 {
            return status;
        }
        let asked = core::slice::from_raw_parts(mib, len);
        for (name, stat) in OURS {
            let (mut own, mut own_len) = ([0; 2], 2);
            raw::mallctlnametomib(name.as_ptr(), own.as_mut_ptr(), &raw mut own_len);
            if own[..own_len] == *asked {
                correct(stat, old, new);
            }
        }
        status
    }
}

/// # Safety
/// `writer` is NULL or takes `opaque`; `options` is NULL or a string.
unsafe extern "C" fn malloc_stats_print(
    writer: Option<Writer>,
    opaque: *mut c_void,
    options: *const c_char,
) {
    // SAFETY: jemalloc's malloc_stats_print asks of its arguments no more; NULL stands for no
    // options.
    unsafe {
        let options = if options.is_null() {
            c""
        } else {
            CStr::from_ptr(options)
        };
        je::print_stats(writer, opaque, options);
    }
    // jemalloc has taken a snapshot, to which the library adds its own figures.
    stats::refresh();
}

/// The number of the arena of a block; 0 for a block that is not jemalloc's.
extern "C" fn arenalookupx(block: *const c_void) -> c_uint {
    je::arena_of(block.cast()).unwrap_or(0)
}

/// Whether moving a block would help to empty its pages.
///
/// # Safety
/// `block` is live.
unsafe extern "C" fn check_reallocatex(block: *const c_void) -> c_int {
    // SAFETY: the caller's block is live.
    c_int::from(unsafe { defrag::is_worthwhile(block.cast()) })
}
