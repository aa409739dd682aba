//! Counted references to slices of a pool's objects.

use core::ffi::{c_int, c_uint, c_ulong, c_void};

use super::super::answer::{failure, status};
use super::null_argument;
use super::pool::{memkind_pool, pool_of};
use crate::ext::stream::{Refused, Request, Stream};
use crate::ext::vector::Vector;
use crate::log;

/// A reference to a slice of a buffer; empty if all is 0. It may be moved in memory, but not
/// copied: memkind_iovec_clone() makes another reference.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_iovec {
    /// The first byte of the slice.
    pub data: *mut c_void,
    /// The slice's length in bytes; the program may make it smaller.
    pub length: c_uint,
    /// The library's own: not for programs.
    pub private1: c_uint,
    /// The library's own: not for programs.
    pub private2: c_ulong,
}

const _: () = assert!(size_of::<memkind_iovec>() == size_of::<Vector>());

/// Who may use vectors; see memkind_iovec_alloc().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_iovec_flags_t {
    /// One thread at a time: the references of a buffer are counted without atomic instructions.
    MEMKIND_IOVEC_LOCAL = 0,
    /// Any thread: the references of a buffer are counted with atomic instructions.
    MEMKIND_IOVEC_SHARED = 1,
}

/// A place to cut vectors from; see memkind_stream_create().
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; the handle is the field's address"
)]
pub struct memkind_stream(Stream);

/// Creates a stream: it takes objects of a pool as buffers and cuts slices from them, one behind the
/// other.
///
/// \param pool   the pool; it cannot be destroyed before the stream and its vectors
/// \param stream where the handle goes; untouched on failure
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a pool that does not live, and objects
///         of 4 GiB or more; MEMKIND_ERROR_MALLOC
/// \note MT-safe; a stream is used by one thread at a time
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `pool` must be NULL or a pool, and `stream` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_stream_create(
    pool: *mut memkind_pool,
    stream: *mut *mut memkind_stream,
) -> c_int {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    let Some(pool) = unsafe { pool_of(pool) }.filter(|_| !stream.is_null()) else {
        return null_argument("stream");
    };
    let created = Stream::create(pool).map(|created| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *stream = created.cast() }
    });
    status(created)
}

/// Destroys a stream. Vectors that were cut from it stay.
///
/// \param stream the stream; NULL is a no-op
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `stream` must be NULL or a live stream, which may not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_stream_destroy(stream: *mut memkind_stream) {
    if !stream.is_null() {
        // SAFETY: a live stream, which is not used again; the handle is its address.
        unsafe { Stream::destroy(stream.cast()) }
    }
}

/// Allocates vectors for `length` bytes.
///
/// \param stream    the stream
/// \param length    bytes of all vectors together
/// \param alignment of the address of each vector's data: a power of two up to that of the pool's
///                  objects; 0 for any address
/// \param max       the most vectors; each is at most one object of the pool
/// \param flags     MEMKIND_IOVEC_LOCAL or MEMKIND_IOVEC_SHARED
/// \param iovecs    room for `max` vectors: what they held before is overwritten, not released
/// \return how many vectors, 1 to `max`; 0 for length 0; -1 with errno EINVAL (NULL, an alignment
///         that is no power of two or above the objects', other flags), EMSGSIZE (`max` vectors are
///         not enough) or ENOMEM (the pool has no object). On -1 no reference is held.
/// \note One thread at a time; some 30 instructions if the buffer has room
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `stream` must be NULL or a live stream, and `iovecs` NULL or room for `max` vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_alloc(
    stream: *mut memkind_stream,
    length: c_uint,
    alignment: c_uint,
    max: c_uint,
    flags: c_uint,
    iovecs: *mut memkind_iovec,
) -> c_int {
    const SHARED: c_uint = memkind_iovec_flags_t::MEMKIND_IOVEC_SHARED as c_uint;
    if flags <= SHARED {
        let which = flags as usize;
        // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
        if unsafe { cut_fast(stream, length, alignment, max, iovecs, which, true) } {
            return 1;
        }
    }
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    unsafe { alloc_slow(stream, length, alignment, max, flags, iovecs) }
}

/// Cuts a single vector on the fast path; `false`, and nothing has changed, if that is not enough.
///
/// # Safety
/// As memkind_iovec_alloc().
#[inline(always)]
unsafe fn cut_fast(
    stream: *mut memkind_stream,
    length: c_uint,
    align: c_uint,
    max: c_uint,
    iovecs: *mut memkind_iovec,
    which: usize,
    move_on: bool,
) -> bool {
    let request = Request {
        length,
        align,
        max,
        shared: which != 0,
    };
    // SAFETY: null or a live stream, which no other thread uses; the handle is its address.
    let stream = unsafe { stream.cast::<Stream>().as_mut() }.filter(|_| !iovecs.is_null());
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    stream.is_some_and(|stream| unsafe { stream.cut_fast(request, which, move_on, iovecs.cast()) })
}

/// # Safety
/// As memkind_iovec_alloc().
#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(
    stream: *mut memkind_stream,
    length: c_uint,
    align: c_uint,
    max: c_uint,
    flags: c_uint,
    iovecs: *mut memkind_iovec,
) -> c_int {
    if flags > 1 {
        log::set_errno(libc::EINVAL);
        return -1;
    }
    let request = Request {
        length,
        align,
        max,
        shared: flags == 1,
    };
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    unsafe { cut(stream, request, true, iovecs) }
}

/// # Safety
/// As memkind_iovec_reserve().
#[cold]
#[inline(never)]
unsafe extern "C" fn reserve_slow(
    stream: *mut memkind_stream,
    length: c_uint,
    align: c_uint,
    max: c_uint,
    iovecs: *mut memkind_iovec,
) -> c_int {
    let request = Request {
        length,
        align,
        max,
        shared: false,
    };
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    unsafe { cut(stream, request, false, iovecs) }
}

/// # Safety
/// As memkind_iovec_alloc().
unsafe fn cut(
    stream: *mut memkind_stream,
    request: Request,
    move_on: bool,
    iovecs: *mut memkind_iovec,
) -> c_int {
    // SAFETY: null or a live stream, which no other thread uses; the handle is its address.
    let stream = unsafe { stream.cast::<Stream>().as_mut() };
    let Some(stream) = stream.filter(|_| !iovecs.is_null()) else {
        log::set_errno(libc::EINVAL);
        return -1;
    };
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    match unsafe { stream.cut(request, move_on, iovecs.cast()) } {
        Ok(n) => n as c_int,
        Err(refused) => {
            log::set_errno(match refused {
                Refused::Invalid => libc::EINVAL,
                Refused::TooLong => libc::EMSGSIZE,
                Refused::Pool(error) => failure(Some(stream.kind()), error),
            });
            -1
        }
    }
}

/// Reserves vectors for up to `length` bytes, LOCAL ones: fill them, set each length to what was used,
/// and memkind_iovec_commit() them, so that the stream goes on behind the last. Until then the stream must not
/// be used for other LOCAL vectors, which would be in the same place. To give up, release
/// them without committing.
///
/// \param stream    the stream
/// \param length    bytes of all vectors together
/// \param alignment as for memkind_iovec_alloc()
/// \param max       the most vectors
/// \param iovecs    room for `max` vectors
/// \return as memkind_iovec_alloc()
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `stream` must be NULL or a live stream, and `iovecs` NULL or room for `max` vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_reserve(
    stream: *mut memkind_stream,
    length: c_uint,
    alignment: c_uint,
    max: c_uint,
    iovecs: *mut memkind_iovec,
) -> c_int {
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    if unsafe { cut_fast(stream, length, alignment, max, iovecs, 0, false) } {
        return 1;
    }
    // SAFETY: `stream` is null or live, and `iovecs` null or room for `max` vectors.
    unsafe { reserve_slow(stream, length, alignment, max, iovecs) }
}

/// Commits vectors that memkind_iovec_reserve() gave, with their lengths made smaller. One whose length
/// is 0 is released.
///
/// \param stream    the stream
/// \param alignment ignored
/// \param iovecs    the vectors
/// \param n         how many; 0 or less is a no-op
/// \return 0; -1 with errno EINVAL for NULL, an empty vector, one that is not from the stream's pool or
///         not LOCAL, and one that is longer than its buffer: nothing has changed then
/// \note One thread at a time
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `stream` must be NULL or a live stream, and `iovecs` NULL or `n` vectors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_commit(
    stream: *mut memkind_stream,
    alignment: c_uint,
    iovecs: *mut memkind_iovec,
    n: c_int,
) -> c_int {
    // SAFETY: null or a live stream, which no other thread uses; the handle is its address.
    let place = unsafe { stream.cast::<Stream>().as_mut() }.filter(|_| !iovecs.is_null() && n == 1);
    // SAFETY: `iovecs` is null or holds `n` vectors; the stream is live.
    if place.is_some_and(|stream| stream.commit_fast(unsafe { *iovecs.cast() })) {
        return 0;
    }
    // SAFETY: `iovecs` is null or holds `n` vectors; the stream is live.
    unsafe { commit_slow(stream, alignment, iovecs, n) }
}

/// # Safety
/// As memkind_iovec_commit().
#[cold]
#[inline(never)]
unsafe extern "C" fn commit_slow(
    stream: *mut memkind_stream,
    _alignment: c_uint,
    iovecs: *mut memkind_iovec,
    n: c_int,
) -> c_int {
    let n = usize::try_from(n).unwrap_or(0);
    // SAFETY: null or a live stream, which no other thread uses; the handle is its address.
    let stream = unsafe { stream.cast::<Stream>().as_mut() }.filter(|_| !iovecs.is_null());
    // SAFETY: `iovecs` is null or holds `n` vectors; the stream is live.
    let done = stream.is_some_and(|stream| unsafe { stream.commit(iovecs.cast(), n) }.is_ok());
    if done {
        return 0;
    }
    log::set_errno(libc::EINVAL);
    -1
}

/// Adds a reference through the same vector, which must then be released once more. An empty vector
/// stays empty.
///
/// \param iovec the vector
/// \note MT-safe for SHARED vectors
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `iovec` must be a vector, empty or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_addref(iovec: *mut memkind_iovec) {
    // SAFETY: a vector, empty or live.
    unsafe { Vector::add_ref(iovec.cast()) }
}

/// Makes another reference to the same slice.
///
/// \param dst becomes the new one: what it held before is overwritten, not released
/// \param src the vector; an empty one makes `dst` empty
/// \note MT-safe for SHARED vectors
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `src` must be a vector, empty or live, and `dst` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_clone(dst: *mut memkind_iovec, src: *const memkind_iovec) {
    // SAFETY: `src` is a vector, empty or live, and `dst` writable.
    unsafe { Vector::clone_to(dst.cast(), src.cast()) }
}

/// Makes another reference to a part of a slice.
///
/// \param dst    becomes the new one: what it held before is overwritten, not released
/// \param src    the vector
/// \param offset of the part, in bytes from the start of `src`
/// \param length of the part
/// \return 0; -1 with errno EINVAL if `src` is shorter: `dst` is empty then
/// \note MT-safe for SHARED vectors
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `src` must be a vector, empty or live, and `dst` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_clone_segment(
    dst: *mut memkind_iovec,
    src: *const memkind_iovec,
    offset: c_uint,
    length: c_uint,
) -> c_int {
    // SAFETY: `src` is a vector, empty or live, and `dst` writable.
    part_status(unsafe { Vector::clone_part(dst.cast(), src.cast(), offset, length) })
}

fn part_status(done: bool) -> c_int {
    if done {
        return 0;
    }
    log::set_errno(libc::EINVAL);
    -1
}

/// Hands a reference over to another vector.
///
/// \param dst becomes what `src` was; what it held before is overwritten, not released
/// \param src is empty afterwards
/// \note MT-safe for different vectors
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `src` must be a vector, empty or live, and `dst` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_move(dst: *mut memkind_iovec, src: *mut memkind_iovec) {
    // SAFETY: `src` is a vector, empty or live, and `dst` writable.
    unsafe { Vector::move_to(dst.cast(), src.cast()) }
}

/// Hands a reference over, to a part of the slice.
///
/// \param dst    becomes the part; what it held before is overwritten, not released
/// \param src    is empty afterwards
/// \param offset of the part, in bytes from the start of `src`
/// \param length of the part
/// \return 0; -1 with errno EINVAL if `src` is shorter: `dst` is empty then, and `src` as
///         it was
/// \note MT-safe for different vectors
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `src` must be a vector, empty or live, and `dst` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_move_segment(
    dst: *mut memkind_iovec,
    src: *mut memkind_iovec,
    offset: c_uint,
    length: c_uint,
) -> c_int {
    // SAFETY: `src` is a vector, empty or live, and `dst` writable.
    part_status(unsafe { Vector::move_part(dst.cast(), src.cast(), offset, length) })
}

/// Gives a reference up. The last one of a buffer puts it back into its pool.
///
/// \param iovec the vector: it is empty afterwards. An empty one is a no-op.
/// \note MT-safe for SHARED vectors, in any thread. errno is kept.
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `iovec` must be a vector, empty or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovec_release(iovec: *mut memkind_iovec) {
    // SAFETY: a vector, empty or live.
    unsafe { Vector::release(iovec.cast()) }
}

/// Gives the references of several vectors up.
///
/// \param iovecs the vectors; NULL is a no-op
/// \param n      how many; 0 or less is a no-op
/// \note As memkind_iovec_release()
/// \note EXPERIMENTAL API; see memkind_iovec(3)
///
/// # Safety
/// `iovecs` must be NULL or `n` vectors, each empty or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_iovecs_release(iovecs: *mut memkind_iovec, n: c_int) {
    if iovecs.is_null() {
        return;
    }
    for index in 0..usize::try_from(n).unwrap_or(0) {
        // SAFETY: a vector, empty or live.
        unsafe { Vector::release(iovecs.add(index).cast()) }
    }
}
