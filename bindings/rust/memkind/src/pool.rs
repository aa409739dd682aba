use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use memkind_sys as sys;

use crate::{AnyKind, Error};

/// Places for values of one type, with a cache in every thread: taking and giving back one costs some 20
/// instructions. Any thread may use it.
///
/// ```
/// use memkind::{Pool, Static};
///
/// struct Packet {
///     length: usize,
///     bytes: [u8; 1500],
/// }
///
/// # fn main() -> Result<(), memkind::Error> {
/// // At most 1000 packets at a time.
/// let pool = Pool::new(Static::Regular, Some(1000))?;
/// let packet = pool.put(Packet { length: 0, bytes: [0; 1500] });
/// let Ok(mut packet) = packet else { panic!("all packets are in use") };
/// packet.bytes[..5].copy_from_slice(b"hello");
/// packet.length = 5;
/// assert_eq!(&packet.bytes[..packet.length], b"hello");
/// drop(packet); // Its place is free for the next.
/// # Ok(())
/// # }
/// ```
pub struct Pool<'kind, T> {
    pool: *mut sys::memkind_pool,
    kind: PhantomData<&'kind ()>,
    values: PhantomData<fn(T) -> T>,
}

// SAFETY: the functions on a pool are MT-safe, and it has no values of its own: each belongs to its `Pooled`.
unsafe impl<T> Send for Pool<'_, T> {}
// SAFETY: the functions on a pool are MT-safe, and it has no values of its own: each belongs to its `Pooled`.
unsafe impl<T> Sync for Pool<'_, T> {}

impl<'kind, T> Pool<'kind, T> {
    /// A pool over a kind: a [`crate::Static`] or a reference to a [`crate::Kind`]. `most` is how many values may be
    /// in use at a time; without it, as many as the kind has memory for.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_TOOMANY` when 1024 pools exist, `MEMKIND_ERROR_INVALID` for types that are aligned to more than
    /// 2 MiB.
    pub fn new(kind: impl Into<AnyKind<'kind>>, most: Option<usize>) -> Result<Self, Error> {
        if most == Some(0) {
            return Err(Error::INVALID);
        }
        let (size, align) = (size_of::<T>().max(1), align_of::<T>());
        let mut pool = ptr::null_mut();
        // SAFETY: the kind lives as long as the pool, and the place for the handle is writable.
        Error::check(unsafe {
            sys::memkind_pool_create(
                kind.into().handle(),
                size,
                align,
                most.unwrap_or(0),
                &raw mut pool,
            )
        })?;
        Ok(Self {
            pool,
            kind: PhantomData,
            values: PhantomData,
        })
    }

    /// Takes the memory for `count` values in all from the kind, now.
    ///
    /// # Errors
    /// When the kind has less, or `count` is more than there may be.
    pub fn prepare(&self, count: usize) -> Result<(), Error> {
        // SAFETY: the pool lives.
        Error::check(unsafe { sys::memkind_pool_prepare(self.pool, count) })
    }

    /// Puts a value into the pool; gives it back when as many as there may be are in use, or there is no memory.
    ///
    /// # Errors
    /// The value, when there is no place for it.
    pub fn put(&self, value: T) -> Result<Pooled<'_, T>, T> {
        // SAFETY: the pool lives.
        let place = unsafe { sys::memkind_pool_get(self.pool) };
        match NonNull::new(place.cast::<T>()) {
            Some(place) => {
                // SAFETY: a place of the size and alignment of a T, which the pool has just given to this call alone.
                unsafe { place.write(value) };
                Ok(Pooled {
                    place,
                    pool: self.pool,
                    values: PhantomData,
                })
            }
            None => Err(value),
        }
    }
}

impl<T> Drop for Pool<'_, T> {
    fn drop(&mut self) {
        // SAFETY: each `Pooled` borrows the pool, so none is left.
        unsafe { sys::memkind_pool_destroy(self.pool) };
    }
}

impl<T> fmt::Debug for Pool<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A value in a [`Pool`]; its place goes back when it is dropped, by any thread.
pub struct Pooled<'pool, T> {
    place: NonNull<T>,
    pool: *mut sys::memkind_pool,
    values: PhantomData<(&'pool (), T)>,
}

// SAFETY: it owns its value, and the functions on the pool are MT-safe.
unsafe impl<T: Send> Send for Pooled<'_, T> {}
// SAFETY: a reference to it gives references to the value only.
unsafe impl<T: Sync> Sync for Pooled<'_, T> {}

impl<T> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the place has a value until this is dropped.
        unsafe { self.place.as_ref() }
    }
}

impl<T> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the place has a value until this is dropped, and only this refers to it.
        unsafe { self.place.as_mut() }
    }
}

impl<T> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        /// Gives the place back, also when the value's own drop panics.
        struct Place(*mut sys::memkind_pool, *mut core::ffi::c_void);
        impl Drop for Place {
            fn drop(&mut self) {
                // SAFETY: the place was taken out of this pool, and its value is gone.
                unsafe { sys::memkind_pool_put(self.0, self.1) }
            }
        }
        let _place = Place(self.pool, self.place.as_ptr().cast());
        // SAFETY: the place has a value, which is not used after this.
        unsafe { self.place.drop_in_place() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
