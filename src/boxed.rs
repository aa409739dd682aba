//! Boxes for when memory may be out: `Box::new` would end the process.

use std::alloc::{Layout, alloc, dealloc};

use crate::error::Error;
use crate::reserve;

/// Moves a value to the heap.
///
/// # Errors
/// `Malloc`; the value is dropped.
pub fn boxed<T>(value: T) -> Result<Box<T>, Error> {
    let place = room::<T>().ok_or(Error::Malloc)?;
    // SAFETY: the block is fresh, large enough and aligned for `T`.
    unsafe { place.write(value) };
    // SAFETY: the block comes from the global allocator with the layout of `T`
    // and holds a value.
    Ok(unsafe { Box::from_raw(place) })
}

/// Moves values to the heap.
///
/// # Errors
/// `Malloc`.
pub fn boxed_slice<T>(values: impl ExactSizeIterator<Item = T>) -> Result<Box<[T]>, Error> {
    let mut all = room_for(values.len())?;
    all.extend(values);
    // `room_for` has reserved memory for all values, so this cannot fail.
    Ok(all.into_boxed_slice())
}

/// An empty vector with memory for `n_values` values.
///
/// # Errors
/// `Malloc`.
pub fn room_for<T>(n_values: usize) -> Result<Vec<T>, Error> {
    let mut room: Vec<T> = Vec::new();
    match room.try_reserve_exact(n_values) {
        Ok(()) if !reserve::owns(room.as_ptr().cast()) => Ok(room),
        _ => Err(Error::Malloc),
    }
}

/// Sees to it that a vector has room for one element more.
///
/// # Errors
/// `Malloc`.
pub fn make_room<T: Copy>(all: &mut Vec<T>) -> Result<(), Error> {
    if all.len() == all.capacity() {
        let mut larger = room_for((2 * all.len()).max(64))?;
        larger.extend_from_slice(all);
        *all = larger;
    }
    Ok(())
}

fn room<T>() -> Option<*mut T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout is not of size 0, which the assertion above checks.
    let place = unsafe { alloc(Layout::new::<T>()) };
    if reserve::owns(place) {
        // SAFETY: just allocated, and not used. The reserve is for requests that cannot be refused.
        unsafe { dealloc(place, Layout::new::<T>()) };
        return None;
    }
    (!place.is_null()).then_some(place.cast())
}

#[cfg(test)]
mod tests {
    use super::{boxed, boxed_slice, room, room_for};
    use core::hint::black_box;

    #[test]
    fn a_value_that_does_not_fit_is_no_death() {
        assert_eq!(boxed(7).ok().as_deref(), Some(&7));
        // More bytes than there are addresses; `black_box` keeps the compiler from removing the attempt.
        assert!(black_box(room::<[u8; 1 << 47]>()).is_none());
        assert_eq!(
            boxed_slice([1, 2].into_iter()).ok().as_deref(),
            Some(&[1, 2][..])
        );
        assert!(black_box(room_for::<u8>(1 << 47)).is_err());
    }
}
