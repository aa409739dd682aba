//! Pools: objects of one size.

use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use super::super::answer::{block_or_errno, failure, status};
use super::super::memkind::memkind_t;
use super::made_of;
use super::usage::{self, memkind_usage};
use crate::error::Error;
use crate::ext::Pool;
use crate::log;

/// Objects of one size and alignment; see memkind_pool_create().
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; Pool::handle tells what a handle is"
)]
pub struct memkind_pool(Pool);

/// The pool behind a handle; `None` for NULL.
///
/// # Safety
/// `pool` is null or comes from memkind_pool_create().
#[inline(always)]
pub(super) unsafe fn pool_of(pool: *mut memkind_pool) -> Option<&'static Pool> {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    unsafe { Pool::of_handle(pool as usize) }
}

/// Creates a pool: objects of one size, with a cache in every thread that uses it.
///
/// \param kind      where its memory comes from; it cannot be destroyed before the pool
/// \param size      bytes of an object, more than 0
/// \param alignment of an object: a power of two up to 2 MiB; 0 for 16
/// \param count     the most objects that there may be; 0 for as many as the kind has memory for
/// \param pool      where the handle goes; untouched on failure
///
/// Objects lie one behind the other, at multiples of the size rounded up to the alignment (at least
/// 8), in slabs of 2 MiB or more, or of what all `count` objects take if that is less. What a pool has
/// taken from its kind it keeps.
///
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a kind that does not live, size 0,
///         another alignment, and more bytes in all than there are addresses;
///         MEMKIND_ERROR_TOOMANY when 1024 pools exist; MEMKIND_ERROR_MALLOC
/// \note MT-safe. A forked child has a copy.
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_create(
    kind: memkind_t,
    size: usize,
    alignment: usize,
    count: usize,
    pool: *mut *mut memkind_pool,
) -> c_int {
    let Some(kind) = made_of("pool", kind, pool) else {
        return Error::Invalid.code();
    };
    let created = Pool::create(kind, size, alignment, count).map(|created| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *pool = created.handle() as *mut memkind_pool }
    });
    status(created)
}

/// Destroys a pool with all its objects, in use or not; its memory goes back to the kind.
///
/// \param pool the pool; NULL is a no-op
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_OPERATION_FAILED, and nothing changes, while streams of
///         the pool exist or vectors refer to its objects; MEMKIND_ERROR_INVALID for one that
///         has been destroyed, if there is no new one in its place
/// \note No other thread may use the pool
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool; on success neither it nor its objects may be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_destroy(pool: *mut memkind_pool) -> c_int {
    let errno = log::errno();
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    let result = match unsafe { pool_of(pool) } {
        // SAFETY: no thread uses the pool, and none of its objects.
        Some(pool) => unsafe { pool.destroy() },
        None => Ok(()),
    };
    log::set_errno(errno);
    status(result)
}

/// Sees to it that a pool has `count` objects, in use or not: takes their memory from the kind now.
/// The memory is not touched.
///
/// \param pool  the pool
/// \param count objects in all
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, a pool that does not live and more
///         objects than it may have; ENOMEM (12) if the kind has no memory: the pool keeps what
///         it got
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_prepare(pool: *mut memkind_pool, count: usize) -> c_int {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    match unsafe { pool_of(pool) } {
        Some(pool) => status(pool.prepare(count)),
        None => Error::Invalid.code(),
    }
}

/// Takes an object out of a pool, its contents undefined.
///
/// \param pool the pool
/// \return the object, for memkind_pool_put() by any thread, not for memkind_free(); NULL with
///         errno ENOMEM, when as many as there may be are in use or the kind has no memory, after
///         the caches of other threads have been searched; EINVAL for NULL and a pool that
///         does not live
/// \note MT-safe; some 20 instructions when the thread's cache has one
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_get(pool: *mut memkind_pool) -> *mut c_void {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    match unsafe { Pool::get_fast(pool as usize) } {
        Some(object) => object.as_ptr().cast(),
        // SAFETY: null, or from memkind_pool_create() and not destroyed.
        None => unsafe { get_slow(pool) },
    }
}

/// # Safety
/// As memkind_pool_get().
#[cold]
#[inline(never)]
unsafe extern "C" fn get_slow(pool: *mut memkind_pool) -> *mut c_void {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    match unsafe { pool_of(pool) } {
        Some(pool) => block_or_errno(Some(pool.kind()), pool.get().map(NonNull::as_ptr)),
        None => block_or_errno(None, Err(Error::InvalidArgument)),
    }
}

/// Puts an object back into its pool.
///
/// \param pool   the pool; NULL is a no-op
/// \param object the object; NULL is a no-op
/// \note MT-safe; some 20 instructions when the thread's cache has room. errno is kept.
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool, and `object` NULL or an object taken out of it, which may not be
/// used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_put(pool: *mut memkind_pool, object: *mut c_void) {
    let Some(place) = NonNull::new(object.cast::<u8>()) else {
        return;
    };
    // SAFETY: a pool or null; `object` is from it, and not used again.
    if !unsafe { Pool::put_fast(pool as usize, place) } {
        // SAFETY: a pool or null; `object` is from it, and not used again.
        unsafe { put_slow(pool, object) }
    }
}

/// # Safety
/// As memkind_pool_put().
#[cold]
#[inline(never)]
unsafe extern "C" fn put_slow(pool: *mut memkind_pool, object: *mut c_void) {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    if let (Some(pool), Some(object)) = (unsafe { pool_of(pool) }, NonNull::new(object.cast())) {
        let errno = log::errno();
        pool.put(object);
        log::set_errno(errno);
    }
}

/// Takes `n` objects out of a pool, or none.
///
/// \param pool    the pool
/// \param objects where their addresses go; undefined if there are none
/// \param n       how many
/// \return `n`; 0 with errno as memkind_pool_get(), EINVAL too for NULL
/// \note MT-safe. Two threads that both want what is left for one may both get none.
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool, and `objects` NULL or room for `n` pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_get_many(
    pool: *mut memkind_pool,
    objects: *mut *mut c_void,
    n: usize,
) -> usize {
    // SAFETY: a pool or null; `objects` has room for `n` pointers.
    if !objects.is_null() && unsafe { Pool::get_many_fast(pool as usize, objects.cast(), n) } {
        return n;
    }
    // SAFETY: a pool or null; `objects` has room for `n` pointers.
    unsafe { get_many_slow(pool, objects, n) }
}

/// # Safety
/// As memkind_pool_get_many().
#[cold]
#[inline(never)]
unsafe extern "C" fn get_many_slow(
    pool: *mut memkind_pool,
    objects: *mut *mut c_void,
    n: usize,
) -> usize {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    let Some(pool) = unsafe { pool_of(pool) }.filter(|_| !objects.is_null()) else {
        log::set_errno(libc::EINVAL);
        return 0;
    };
    // SAFETY: a pool or null; `objects` has room for `n` pointers.
    match unsafe { pool.get_many(objects.cast(), n) } {
        Ok(()) => n,
        Err(error) => {
            log::set_errno(failure(Some(pool.kind()), error));
            0
        }
    }
}

/// Puts `n` objects back into their pool. errno is kept.
///
/// \param pool    the pool; NULL is a no-op
/// \param objects their addresses, of which any may be NULL; NULL is a no-op
/// \param n       how many
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool, and `objects` NULL or the addresses of `n` objects taken out of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_put_many(
    pool: *mut memkind_pool,
    objects: *mut *mut c_void,
    n: usize,
) {
    // SAFETY: a pool or null; `objects` holds `n` objects of it, which are not used again.
    if objects.is_null() || unsafe { Pool::put_many_fast(pool as usize, objects.cast(), n) } {
        return;
    }
    // SAFETY: a pool or null; `objects` holds `n` objects of it, which are not used again.
    unsafe { put_many_slow(pool, objects, n) }
}

/// # Safety
/// As memkind_pool_put_many(); `objects` is not NULL.
#[cold]
#[inline(never)]
unsafe extern "C" fn put_many_slow(pool: *mut memkind_pool, objects: *mut *mut c_void, n: usize) {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    if let Some(pool) = unsafe { pool_of(pool) } {
        let errno = log::errno();
        // SAFETY: a pool or null; `objects` holds `n` objects of it, which are not used again.
        unsafe { pool.put_many(objects.cast(), n) }
        log::set_errno(errno);
    }
}

/// Calls a function with every object of a pool, in use or not.
///
/// \param pool    the pool
/// \param visit   called once for each object that there is when this function is called;
///                may use the pool, but not destroy it
/// \param context passed to `visit`
/// \return how many objects; 0 with errno EINVAL for NULL and a pool that does not live
/// \note MT-safe; no lock is held while `visit` runs
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_for_each(
    pool: *mut memkind_pool,
    visit: Option<unsafe extern "C" fn(context: *mut c_void, object: *mut c_void)>,
    context: *mut c_void,
) -> usize {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    let pool = unsafe { pool_of(pool) }.filter(|pool| pool.is_live());
    let (Some(pool), Some(visit)) = (pool, visit) else {
        log::set_errno(libc::EINVAL);
        return 0;
    };
    pool.for_each(|object| {
        // SAFETY: the caller's function, with what it takes.
        unsafe { visit(context, object.cast()) }
    })
}

/// What a pool uses. `in_use` counts the objects that have been taken out, `limit` those that there may
/// be, both in bytes from one object to the next; `n_ranges` is the number of slabs.
///
/// \param pool  the pool
/// \param usage where it goes
/// \param size  sizeof(struct memkind_usage): later versions may have more fields, which this one
///              fills with 0
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, size 0 and a pool that does not live
/// \note MT-safe; in_use is a guess while other threads take and put
/// \note EXPERIMENTAL API; see memkind_pool(3)
///
/// # Safety
/// `pool` must be NULL or a pool, and `usage` NULL or `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_pool_get_usage(
    pool: *mut memkind_pool,
    usage: *mut memkind_usage,
    size: usize,
) -> c_int {
    // SAFETY: null, or from memkind_pool_create() and not destroyed.
    match unsafe { pool_of(pool) }.filter(|pool| pool.is_live()) {
        // SAFETY: `usage` is null or has `size` writable bytes.
        Some(pool) => unsafe { usage::fill(pool.usage(), usage, size) },
        None => Error::Invalid.code(),
    }
}
