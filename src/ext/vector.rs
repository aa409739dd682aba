//! Vectors: counted references to slices of a pool's objects, which are buffers then. Each buffer has a
//! record beside it with the count.

use core::ptr::{self, NonNull};
use core::sync::atomic::{Ordering, fence};

use super::buffer::{Buffer, LOCAL, add_ref};
use super::pool::Pool;
pub use super::slice::Vector;
use super::vector_watch;
use crate::log;

/// Gives up a reference to the LOCAL buffer of `owner`; the last one puts the buffer back.
///
/// # Safety
/// `owner` has [`LOCAL`], and the caller holds a reference to its buffer, which is gone afterwards.
#[inline(always)]
unsafe fn drop_local(owner: usize) {
    // SAFETY: a LOCAL owner is its buffer's address plus LOCAL; one thread at a time counts there,
    // and the reference keeps the record alive.
    unsafe {
        let buffer = (owner - LOCAL) as *const Buffer;
        let refs = (*buffer).plain();
        *refs -= 1;
        if *refs == 0 {
            recycle(buffer);
        }
    }
}

/// Gives up a reference to the SHARED buffer of `owner`; the last one puts the buffer back.
///
/// # Safety
/// `owner` is without [`LOCAL`], and the caller holds a reference to its buffer, which is gone
/// afterwards.
#[inline(always)]
unsafe fn drop_shared(owner: usize) {
    let buffer = owner as *const Buffer;
    // SAFETY: the owner is its buffer's address, and the reference keeps the record alive.
    unsafe {
        if (*buffer).atomic().fetch_sub(1, Ordering::Release) == 1 {
            recycle(buffer);
        }
    }
}

/// Gives up a reference to the buffer of `owner`, LOCAL or SHARED; does nothing for 0.
///
/// # Safety
/// `owner` is 0, or the caller holds a reference to its buffer, which is gone afterwards.
pub(super) unsafe fn drop_ref(owner: usize) {
    // SAFETY: an owner that is not 0 has a buffer to which there is a reference, given up here.
    unsafe {
        if owner & LOCAL != 0 {
            drop_local(owner);
        } else if owner != 0 {
            drop_shared(owner);
        }
    }
}

/// Puts a buffer back into its pool. `extern "C"`: it does not unwind, so its callers can end with
/// a jump to it.
///
/// # Safety
/// A live record of which the last reference is gone.
#[cold]
#[inline(never)]
unsafe extern "C" fn recycle(buffer: *const Buffer) {
    fence(Ordering::Acquire);
    // SAFETY: a live record, whose pool cannot be destroyed before.
    unsafe {
        let data = NonNull::new_unchecked((*buffer).data);
        if !Pool::put_fast((*buffer).pool, data) {
            if let Some(pool) = Pool::of_handle((*buffer).pool) {
                let errno = log::errno();
                pool.take_from(data, true);
                log::set_errno(errno);
            }
        }
    }
}

impl Vector {
    /// Adds a reference through the same vector.
    ///
    /// # Safety
    /// The vector is empty or live; a LOCAL one is the calling thread's.
    #[inline(always)]
    pub unsafe fn add_ref(vector: *const Vector) {
        // SAFETY: the vector can be read; what it refers to has a reference, so its record is live.
        unsafe {
            if !add_ref((*vector).owner) && (*vector).number != 0 {
                vector_watch::add_ref(vector);
            }
        }
    }

    /// Makes `to` refer to what `from` refers to.
    ///
    /// # Safety
    /// `to` is writable, and `from` a vector, empty or live; a LOCAL one is the calling thread's.
    #[inline(always)]
    pub unsafe fn clone_to(to: *mut Vector, from: *const Vector) {
        // SAFETY: `from` can be read and `to` written; what `from` refers to has a live record.
        unsafe {
            let owner = (*from).owner;
            if add_ref(owner) {
                // The rest in one piece.
                ptr::copy(from.cast::<[u64; 2]>(), to.cast::<[u64; 2]>(), 1);
                (*to).owner = owner;
            } else {
                clone_other(to, from);
            }
        }
    }

    /// Makes `to` refer to a part of what `from` refers to; otherwise `to` is empty.
    ///
    /// # Safety
    /// `to` is writable, and `from` a vector, empty or live; a LOCAL one is the calling thread's.
    pub unsafe fn clone_part(
        to: *mut Vector,
        from: *const Vector,
        offset: u32,
        length: u32,
    ) -> bool {
        // SAFETY: `from` can be read and `to` written; what `from` refers to has a live record.
        unsafe {
            match (*from).part(offset, length) {
                Some(part) => {
                    if !add_ref(part.owner) && part.number != 0 {
                        return vector_watch::clone_part(to, from, offset, length);
                    }
                    *to = part;
                    true
                }
                None => {
                    if !ptr::eq(to, from) {
                        *to = Vector::EMPTY;
                    }
                    false
                }
            }
        }
    }

    /// Makes `to` what `from` was, and `from` empty.
    ///
    /// # Safety
    /// Both are writable.
    #[inline(always)]
    pub unsafe fn move_to(to: *mut Vector, from: *mut Vector) {
        // SAFETY: both are writable. In this order they may be the same.
        unsafe {
            let moved = if (*from).number == 0 {
                *from
            } else {
                vector_watch::moved(from, 0, (*from).length)
            };
            *from = Vector::EMPTY;
            *to = moved;
        }
    }

    /// Makes `to` a part of what `from` was, and `from` empty; otherwise `to` is empty and `from` as it
    /// was.
    ///
    /// # Safety
    /// Both are writable, and `from` is a vector, empty or live; a LOCAL one is the calling thread's.
    pub unsafe fn move_part(to: *mut Vector, from: *mut Vector, offset: u32, length: u32) -> bool {
        // SAFETY: both are writable, and what `from` refers to has a live record.
        unsafe {
            match (*from).part(offset, length) {
                Some(mut part) => {
                    if part.number != 0 {
                        part = vector_watch::moved(from, offset, length);
                    }
                    *from = Vector::EMPTY;
                    *to = part;
                    true
                }
                None => {
                    if !ptr::eq(to, from) {
                        *to = Vector::EMPTY;
                    }
                    false
                }
            }
        }
    }

    /// Gives the reference of a vector up: it is empty then.
    ///
    /// # Safety
    /// The vector is writable, and empty or live; a LOCAL one is the calling thread's.
    #[inline(always)]
    pub unsafe fn release(vector: *mut Vector) {
        // SAFETY: the vector is writable, and the reference that it holds is given up once: it is
        // empty before.
        unsafe {
            let owner = (*vector).owner;
            if owner & LOCAL != 0 {
                *vector = Vector::EMPTY;
                drop_local(owner);
            } else if owner != 0 {
                *vector = Vector::EMPTY;
                drop_shared(owner);
            } else {
                release_other(vector);
            }
        }
    }
}

/// Makes `to` refer to what `from` refers to, a vector that is empty, or checked.
///
/// # Safety
/// `to` is writable, and `from` a vector; a LOCAL one is the calling thread's.
#[cold]
#[inline(never)]
unsafe extern "C" fn clone_other(to: *mut Vector, from: *const Vector) {
    // SAFETY: both places are valid, and the table of checks knows a vector with a number.
    unsafe {
        match (*from).number {
            0 => ptr::copy(from, to, 1),
            _ => {
                vector_watch::clone_part(to, from, 0, (*from).length);
            }
        }
    }
}

/// Releases a vector that is empty, or checked.
///
/// # Safety
/// `vector` is writable, and a vector: empty, checked or with a reference.
#[cold]
#[inline(never)]
unsafe extern "C" fn release_other(vector: *mut Vector) {
    // SAFETY: the vector is writable; the owner's reference is the vector's, which is empty before
    // it is given up.
    unsafe {
        let owner = match (*vector).number {
            0 => 0,
            _ => vector_watch::release(vector),
        };
        *vector = Vector::EMPTY;
        drop_ref(owner);
    }
}
