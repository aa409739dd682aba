use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use memkind_sys as sys;

use crate::{AnyKind, Error};

/// Values that are freed together, by [`Region::reset`] or when the region is dropped. What is put there is not
/// dropped, only its memory is taken back.
///
/// ```
/// use memkind::{Region, Static};
///
/// # fn main() -> Result<(), memkind::Error> {
/// let mut region = Region::new(Static::Regular)?;
/// let numbers: &mut [u64] = region.slice(1000, |index| index as u64).expect("there is memory");
/// assert_eq!(numbers[999], 999);
/// region.reset();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Region<'kind> {
    region: *mut sys::memkind_region,
    kind: PhantomData<AnyKind<'kind>>,
}

// SAFETY: a region may go from thread to thread; only one uses it at a time, as it is not Sync.
unsafe impl Send for Region<'_> {}

impl<'kind> Region<'kind> {
    /// A region over a kind: a [`crate::Static`] or a reference to a [`crate::Kind`].
    ///
    /// # Errors
    /// Those of memkind_region_create().
    pub fn new(kind: impl Into<AnyKind<'kind>>) -> Result<Self, Error> {
        Self::with_limit(kind, 0)
    }

    /// A region of at most `limit` bytes; 0 for as many as the kind has.
    ///
    /// # Errors
    /// Those of memkind_region_create().
    pub fn with_limit(kind: impl Into<AnyKind<'kind>>, limit: usize) -> Result<Self, Error> {
        let mut region = ptr::null_mut();
        // SAFETY: the kind lives as long as the region, and the place for the handle is writable.
        Error::check(unsafe {
            sys::memkind_region_create(kind.into().handle(), 0, limit, &raw mut region)
        })?;
        Ok(Self {
            region,
            kind: PhantomData,
        })
    }

    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return NonNull::new(ptr::without_provenance_mut(layout.align()));
        }
        let align = layout.align().max(size_of::<usize>());
        // SAFETY: the region lives, and only this thread uses it.
        let block = unsafe { sys::memkind_region_memalign(self.region, align, layout.size()) };
        NonNull::new(block.cast())
    }

    /// Puts a value into the region; gives it back when there is no memory.
    ///
    /// # Errors
    /// The value, when there is no memory.
    #[allow(clippy::mut_from_ref, reason = "each call gives another place")]
    pub fn put<T>(&self, value: T) -> Result<&mut T, T> {
        match self.take(Layout::new::<T>()) {
            // SAFETY: a place of its own for a T, which lives until the region is reset or dropped;
            // both need the region mutably.
            Some(place) => unsafe {
                let place = place.cast::<T>();
                place.write(value);
                Ok(&mut *place.as_ptr())
            },
            None => Err(value),
        }
    }

    /// A slice of `length` values, each made by `make` from its index; `None` when there is no memory.
    #[allow(clippy::mut_from_ref, reason = "each call gives another place")]
    pub fn slice<T>(&self, length: usize, mut make: impl FnMut(usize) -> T) -> Option<&mut [T]> {
        let place = self.take(Layout::array::<T>(length).ok()?)?.cast::<T>();
        // SAFETY: a place of its own for `length` values, all of which are written; it lives until the
        // region is reset or dropped, and both need the region mutably.
        unsafe {
            for index in 0..length {
                place.add(index).write(make(index));
            }
            Some(core::slice::from_raw_parts_mut(place.as_ptr(), length))
        }
    }

    /// Takes all memory back, for the next values.
    pub fn reset(&mut self) {
        // SAFETY: nothing of the region is borrowed.
        unsafe { sys::memkind_region_reset(self.region) };
    }
}

impl Drop for Region<'_> {
    fn drop(&mut self) {
        // SAFETY: nothing of the region is borrowed.
        unsafe { sys::memkind_region_destroy(self.region) }
    }
}
