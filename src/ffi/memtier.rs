//! The functions of memkind_memtier.h (libmemtier(3)); this file becomes that header.
//!
//! Handles are boxes of the core's types. A null handle is an error, never a crash.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};

use super::answer::{block_or_errno, failure, kind_of, valid_alignment};
use super::decorate::tier_hooks;
use super::memkind::{memkind_detect_kind, memkind_t};
use crate::boxed::boxed;
use crate::error::Error;
use crate::log;
use crate::tier::{self, Builder, Memory, Value, ValueType};

/// Collects the tiers and settings of a memtier memory.
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct memtier_builder(Builder);

/// Memory tiers with a policy that chooses among them.
#[allow(non_camel_case_types, reason = "the name in C")]
pub struct memtier_memory(Memory);

// A `memtier_memory` and the `Memory` in it have the same address.
const _: () = assert!(core::mem::offset_of!(memtier_memory, 0) == 0);

/// How a memtier memory spreads its blocks over the tiers; see libmemtier(7), POLICIES.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum memtier_policy_t {
    /// Keeps the ratio between the bytes allocated in each tier.
    MEMTIER_POLICY_STATIC_RATIO = 0,
    /// Sends small blocks to the first tiers and large ones to the later, moving
    /// the size at which they part so as to keep the ratio.
    MEMTIER_POLICY_DYNAMIC_THRESHOLD = 1,
    /// Number of policies.
    MEMTIER_POLICY_MAX_VALUE,
}

/// cbindgen:ignore
/// A `memtier_policy_t` as C passes it: any integer.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawMemtierPolicy(c_uint);

/// The block of a result, as C functions return it: on an error NULL and `errno`.
fn block(result: Result<*mut u8, Error>) -> *mut c_void {
    block_or_errno(None, result)
}

fn after_malloc(kind: memkind_t, size: usize, result: &mut *mut c_void) {
    if let Some(post) = tier_hooks().and_then(|hooks| hooks.tier_malloc_post) {
        // SAFETY: hooks are the program's own functions and take these pointers.
        unsafe { post(kind, size, result) };
    }
}

fn after_calloc(kind: memkind_t, num: usize, size: usize, result: &mut *mut c_void) {
    if let Some(post) = tier_hooks().and_then(|hooks| hooks.tier_calloc_post) {
        // SAFETY: hooks are the program's own functions and take these pointers.
        unsafe { post(kind, num, size, result) };
    }
}

fn after_realloc(mut kind: memkind_t, ptr: *mut c_void, size: usize, result: &mut *mut c_void) {
    if let Some(post) = tier_hooks().and_then(|hooks| hooks.tier_realloc_post) {
        // SAFETY: hooks are the program's own functions and take these pointers.
        unsafe { post(&raw mut kind, ptr, size, result) };
    }
}

fn after_memalign(
    kind: memkind_t,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
    code: &mut c_int,
) {
    if let Some(post) = tier_hooks().and_then(|hooks| hooks.tier_posix_memalign_post) {
        // SAFETY: hooks are the program's own functions and take these pointers.
        unsafe { post(kind, memptr, alignment, size, code) };
    }
}

/// Writes the block of a result to `memptr` and returns the code of posix_memalign(3); keeps `errno`.
///
/// # Safety
/// `memptr` is null or writable.
unsafe fn aligned(
    memptr: *mut *mut c_void,
    alignment: usize,
    allocate: impl FnOnce() -> Result<*mut u8, Error>,
) -> c_int {
    if memptr.is_null() || !valid_alignment(alignment) {
        return libc::EINVAL;
    }
    let errno = log::errno();
    let result = allocate();
    let code = match result {
        Ok(block) => {
            // SAFETY: not null, and the caller promises that it is writable.
            unsafe { *memptr = block.cast() };
            0
        }
        Err(error) => failure(None, error),
    };
    log::set_errno(errno);
    code
}

/// Creates a builder of memtier memories.
///
/// \param policy how the memory will spread its blocks over the tiers
/// \return the builder, to be deleted with memtier_builder_delete(); NULL if the
///         policy is unknown or memory runs out; errno is not set
/// \note MT-safe; allocates
/// \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
#[unsafe(no_mangle)]
pub extern "C" fn memtier_builder_new(policy: RawMemtierPolicy) -> *mut memtier_builder {
    Builder::new(policy.0)
        .and_then(|builder| boxed(memtier_builder(builder)))
        .map_or(core::ptr::null_mut(), Box::into_raw)
}

/// Deletes a builder; the memories made with it stay.
///
/// \param builder the builder; NULL is a no-op
/// \note MT-safe for different builders
/// \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
///
/// # Safety
/// The builder must come from memtier_builder_new() and must not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_builder_delete(builder: *mut memtier_builder) {
    if !builder.is_null() {
        // SAFETY: it is a box from memtier_builder_new that the caller gives up.
        drop(unsafe { Box::from_raw(builder) });
    }
}

/// Adds a kind as the next tier.
///
/// \param builder    the builder
/// \param kind       the kind of the tier, not yet a tier of this builder
/// \param kind_ratio the tier's share of the allocated bytes, relative to the
///                   ratios of the other tiers
/// \return 0; -1 if an argument is NULL, if the kind is a tier already or does not live,
///         or memory runs out: then the builder stays as it was; errno is not set
/// \note MT-safe for different builders
/// \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
///
/// # Safety
/// The builder must be live and not in use by another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_builder_add_tier(
    builder: *mut memtier_builder,
    kind: memkind_t,
    kind_ratio: c_uint,
) -> c_int {
    // SAFETY: the caller promises that a builder is live and not shared.
    let Some(builder) = (unsafe { builder.as_mut() }) else {
        return -1;
    };
    match builder.0.add_tier(kind_of(kind), kind_ratio) {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

/// Makes a memtier memory of the builder's tiers and settings.
///
/// The builder can be used for another memory or be deleted.
///
/// \param builder the builder
/// \return the memory, to be deleted with memtier_delete_memtier_memory(); NULL if
///         the builder is NULL or has no tier, if MEMTIER_POLICY_DYNAMIC_THRESHOLD
///         has fewer than two, if the settings contradict each other or memory
///         runs out; errno is not set
/// \note MT-safe for different builders
/// \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
///
/// # Safety
/// The builder must be live and not in use by another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_builder_construct_memtier_memory(
    builder: *mut memtier_builder,
) -> *mut memtier_memory {
    // SAFETY: the caller promises that a builder is live and not shared.
    let Some(builder) = (unsafe { builder.as_ref() }) else {
        return core::ptr::null_mut();
    };
    builder
        .0
        .construct()
        .and_then(|memory| boxed(memtier_memory(memory)))
        .map_or(core::ptr::null_mut(), Box::into_raw)
}

/// Deletes a memtier memory; the blocks allocated from it stay valid.
///
/// \param memory the memory; NULL is a no-op
/// \note MT-safe for different memories
/// \note STANDARD API; see libmemtier(3), TIER MANAGEMENT
///
/// # Safety
/// The memory must come from memtier_builder_construct_memtier_memory() and must
/// not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_delete_memtier_memory(memory: *mut memtier_memory) {
    if !memory.is_null() {
        // SAFETY: it is a box from the construct function that the caller gives up.
        drop(unsafe { Box::from_raw(memory) });
    }
}

/// Allocates uninitialised memory from a tier that the policy chooses.
///
/// \param memory the memtier memory
/// \param size   bytes to allocate
/// \return the block, to be freed with memtier_free(); NULL for size 0, with errno
///         unchanged; NULL on error
/// \exception ENOMEM the chosen tier has no such memory left
/// \exception EINVAL memory is NULL
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The memory must be live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_malloc(memory: *mut memtier_memory, size: usize) -> *mut c_void {
    match Memory::malloc_fast(memory.cast(), size) {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: `memory` is null or live.
        None => unsafe { malloc_slow(memory, size) },
    }
}

/// memtier_malloc() where no decision of the static ratio holds.
///
/// # Safety
/// `memory` is NULL or live.
#[cold]
#[inline(never)]
pub(super) unsafe extern "C" fn malloc_slow(
    memory: *mut memtier_memory,
    size: usize,
) -> *mut c_void {
    // SAFETY: `memory` is null or live.
    let block = unsafe { memory.as_ref() }.and_then(|memory| memory.0.malloc_by_size(size));
    match block {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: `memory` is null or live.
        None => unsafe { malloc_slower(memory, size) },
    }
}

/// memtier_malloc() where the fast paths have no block.
///
/// # Safety
/// `memory` is NULL or live.
#[cold]
#[inline(never)]
unsafe extern "C" fn malloc_slower(memory: *mut memtier_memory, size: usize) -> *mut c_void {
    // SAFETY: the caller promises that a memory is live.
    let memory = unsafe { memory.as_ref() };
    let mut result = block(
        memory
            .ok_or(Error::InvalidArgument)
            .and_then(|memory| memory.0.malloc(size)),
    );
    if tier_hooks().is_some() {
        after_malloc(memkind_detect_kind(result), size, &mut result);
    }
    result
}

/// Allocates uninitialised memory of a kind.
///
/// \param kind the kind
/// \param size bytes to allocate
/// \return the block, to be freed with memtier_free(); NULL for size 0, with errno
///         unchanged; NULL on error
/// \exception ENOMEM the kind has no such memory left
/// \exception EINVAL the kind is NULL or has been destroyed
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
#[unsafe(no_mangle)]
pub extern "C" fn memtier_kind_malloc(kind: memkind_t, size: usize) -> *mut c_void {
    let found = kind_of(kind).ok_or(Error::InvalidArgument);
    let mut result = block(found.and_then(|kind| tier::kind_malloc(kind, size)));
    after_malloc(kind, size, &mut result);
    result
}

/// Allocates a zeroed array from a tier that the policy chooses for its whole size.
///
/// \param memory the memtier memory
/// \param num    number of elements
/// \param size   bytes per element
/// \return the block, to be freed with memtier_free(); NULL if num or size is 0,
///         with errno unchanged; NULL on error
/// \exception ENOMEM the chosen tier has no such memory left, or num * size overflows
/// \exception EINVAL memory is NULL
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The memory must be live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_calloc(
    memory: *mut memtier_memory,
    num: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller promises that a memory is live.
    let memory = unsafe { memory.as_ref() };
    let mut result = block(
        memory
            .ok_or(Error::InvalidArgument)
            .and_then(|memory| memory.0.calloc(num, size)),
    );
    if tier_hooks().is_some() {
        after_calloc(memkind_detect_kind(result), num, size, &mut result);
    }
    result
}

/// Allocates a zeroed array of a kind.
///
/// \param kind the kind
/// \param num  number of elements
/// \param size bytes per element
/// \return the block, to be freed with memtier_free(); NULL if num or size is 0,
///         with errno unchanged; NULL on error
/// \exception ENOMEM the kind has no such memory left, or num * size overflows
/// \exception EINVAL the kind is NULL or has been destroyed
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
#[unsafe(no_mangle)]
pub extern "C" fn memtier_kind_calloc(kind: memkind_t, num: usize, size: usize) -> *mut c_void {
    let found = kind_of(kind).ok_or(Error::InvalidArgument);
    let mut result = block(found.and_then(|kind| tier::kind_calloc(kind, num, size)));
    after_calloc(kind, num, size, &mut result);
    result
}

/// Resizes a block within its own kind.
///
/// \param memory the memtier memory
/// \param ptr    the block, which is gone after success; NULL allocates as
///               memtier_malloc() does
/// \param size   new size in bytes; 0 frees the block
/// \return the new block; NULL if size is 0, with errno unchanged; NULL on error:
///         then the old block is valid and memtier_kind_allocated_size() unchanged
/// \exception ENOMEM the kind has no such memory left
/// \exception EINVAL memory is NULL, or the block is not of this library
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The memory must be live, and the block NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_realloc(
    memory: *mut memtier_memory,
    ptr: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller promises that a memory is live.
    let Some(memory) = (unsafe { memory.as_ref() }) else {
        return block(Err(Error::InvalidArgument));
    };
    // SAFETY: the caller promises that the block is null or live.
    let mut result = block(unsafe { memory.0.realloc(ptr.cast(), size) });
    if tier_hooks().is_some() {
        after_realloc(memkind_detect_kind(result), ptr, size, &mut result);
    }
    result
}

/// Resizes a block using memory of a kind.
///
/// \param kind the kind; NULL keeps the kind of the block
/// \param ptr  the block, which is gone after success; NULL allocates as
///             memtier_kind_malloc() does
/// \param size new size in bytes; 0 frees the block
/// \return the new block; NULL if size is 0, with errno unchanged; NULL on error:
///         then the old block is valid and memtier_kind_allocated_size() unchanged
/// \exception ENOMEM the kind has no such memory left
/// \exception EINVAL kind and ptr are NULL, or the kind has been destroyed
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The block must be NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_kind_realloc(
    kind: memkind_t,
    ptr: *mut c_void,
    size: usize,
) -> *mut c_void {
    let live = kind_of(kind);
    if live.is_none() && !kind.is_null() && size != 0 {
        return block(Err(Error::InvalidArgument));
    }
    // SAFETY: the caller promises that the block is null or live.
    let mut result = block(unsafe { tier::kind_realloc(live, ptr.cast(), size) });
    after_realloc(kind, ptr, size, &mut result);
    result
}

/// Allocates aligned memory from a tier that the policy chooses.
///
/// \param memory    the memtier memory
/// \param memptr    receives the block, to be freed with memtier_free(); NULL for
///                  size 0; left alone on error
/// \param alignment bytes; a power of two and a multiple of sizeof(void *)
/// \param size      bytes to allocate
/// \return 0, EINVAL for an invalid alignment or a NULL memory or memptr, ENOMEM if
///         the chosen tier has no such memory left; errno is never changed
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The memory must be live and memptr writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_posix_memalign(
    memory: *mut memtier_memory,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    // SAFETY: the caller promises that a memory is live.
    let Some(memory) = (unsafe { memory.as_ref() }) else {
        return libc::EINVAL;
    };
    // SAFETY: the caller promises that memptr is writable.
    unsafe {
        let mut code = aligned(memptr, alignment, || memory.0.memalign(alignment, size));
        if tier_hooks().is_some() && !memptr.is_null() {
            after_memalign(
                memkind_detect_kind(*memptr),
                memptr,
                alignment,
                size,
                &mut code,
            );
        }
        code
    }
}

/// Allocates aligned memory of a kind.
///
/// \param kind      the kind
/// \param memptr    receives the block, to be freed with memtier_free(); NULL for
///                  size 0; left alone on error
/// \param alignment bytes; a power of two and a multiple of sizeof(void *)
/// \param size      bytes to allocate
/// \return 0, EINVAL for an invalid alignment, a NULL memptr or a kind that is NULL
///         or destroyed, ENOMEM if the kind has no such memory left; errno is never
///         changed
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The memptr must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_kind_posix_memalign(
    kind: memkind_t,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    let Some(found) = kind_of(kind) else {
        return libc::EINVAL;
    };
    // SAFETY: the caller promises that memptr is writable.
    let mut code = unsafe {
        aligned(memptr, alignment, || {
            tier::kind_memalign(found, alignment, size)
        })
    };
    after_memalign(kind, memptr, alignment, size, &mut code);
    code
}

/// Gives the usable size of a block.
///
/// \param ptr a block of this library; may be NULL
/// \return its usable bytes; 0 for NULL
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The block must be NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_usable_size(mut ptr: *mut c_void) -> usize {
    // SAFETY: the caller promises that the block is null or live.
    let size = unsafe { crate::kind::usable_size(ptr.cast_const().cast()) };
    if let Some(post) = tier_hooks().and_then(|hooks| hooks.tier_usable_size_post) {
        // SAFETY: hooks are the program's own functions and take these pointers.
        unsafe { post(&raw mut ptr, size) };
    }
    size
}

/// Frees a block.
///
/// \param kind the kind of the block; NULL finds it out
/// \param ptr  the block; NULL is a no-op
/// \note MT-safe; any thread may free a block
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
///
/// # Safety
/// The block must be NULL or live, and must not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_kind_free(kind: memkind_t, ptr: *mut c_void) {
    // SAFETY: `ptr` is null or a live block.
    if !unsafe { tier::free_fast(ptr.cast()) } {
        // SAFETY: null or a live block, which is not used again.
        unsafe { kind_free_slow(kind, ptr) }
    }
}

/// # Safety
/// As memtier_kind_free().
#[cold]
#[inline(never)]
unsafe extern "C" fn kind_free_slow(kind: memkind_t, mut ptr: *mut c_void) {
    if let Some(pre) = tier_hooks().and_then(|hooks| hooks.tier_free_pre) {
        // SAFETY: hooks are the program's own functions and take this pointer.
        unsafe { pre(&raw mut ptr) };
    }
    // SAFETY: the block is null or live, and not used again.
    unsafe { tier::kind_free(kind_of(kind), ptr.cast()) };
}

/// Gives the bytes in blocks of a kind that were allocated with memtier functions.
///
/// \param kind the kind
/// \return the sum of the usable bytes of its live memtier blocks, exact when no
///         other thread is inside a memtier function; 0 for NULL and for a
///         destroyed kind
/// \note MT-safe
/// \note STANDARD API; see libmemtier(3), HEAP MANAGEMENT
#[unsafe(no_mangle)]
pub extern "C" fn memtier_kind_allocated_size(kind: memkind_t) -> usize {
    kind_of(kind).map_or(0, tier::allocated_size)
}

/// Changes a setting of MEMTIER_POLICY_DYNAMIC_THRESHOLD.
///
/// The names, the types of their values and the defaults are listed in
/// libmemtier(3), MEMTIER PROPERTY MANAGEMENT. The values are checked together
/// when the memory is made.
///
/// \param builder the builder
/// \param name    name of the setting
/// \param val     address of the value
/// \return 0; -1 if an argument is NULL, if the name is unknown, belongs to tiers
///         not yet added, or the builder has another policy; errno is not set
/// \note MT-safe for different builders
/// \note STANDARD API; see libmemtier(3), MEMTIER PROPERTY MANAGEMENT
///
/// # Safety
/// The builder must be live and not in use by another thread, the name a string,
/// and the value of the type that the setting has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_ctl_set(
    builder: *mut memtier_builder,
    name: *const c_char,
    val: *const c_void,
) -> c_int {
    // SAFETY: the caller promises that a builder is live and not shared.
    let Some(builder) = (unsafe { builder.as_mut() }) else {
        return -1;
    };
    if name.is_null() || val.is_null() {
        return -1;
    }
    // SAFETY: not null, and the caller promises that it is a string.
    let name = unsafe { CStr::from_ptr(name) };
    let Ok(setting) = builder.0.setting(name.to_bytes()) else {
        return -1;
    };
    let value = match setting.value_type() {
        // SAFETY: `val` points to a value of the setting's type.
        ValueType::Count => Value::Count(unsafe { val.cast::<c_uint>().read_unaligned() }),
        // SAFETY: `val` points to a value of the setting's type.
        ValueType::Real => Value::Real(unsafe { val.cast::<f32>().read_unaligned() }),
        // SAFETY: `val` points to a value of the setting's type.
        ValueType::Bytes => Value::Bytes(unsafe { val.cast::<usize>().read_unaligned() }),
    };
    match builder.0.set(setting, value) {
        Ok(()) => 0,
        Err(_) => -1,
    }
}
