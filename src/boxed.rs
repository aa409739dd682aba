//! Boxes for when memory may be out: `Box::new` would end the process.

use std::alloc::{Layout, alloc};

use crate::error::Error;

/// Moves a value to the heap.
///
/// # Errors
/// `NoMemory`; the value is dropped.
pub fn boxed<T>(value: T) -> Result<Box<T>, Error> {
    let place = room::<T>().ok_or(Error::NoMemory)?;
    // SAFETY: the block is fresh, large enough and aligned for `T`.
    unsafe { place.write(value) };
    // SAFETY: the block comes from the global allocator with the layout of `T`
    // and holds a value.
    Ok(unsafe { Box::from_raw(place) })
}

fn room<T>() -> Option<*mut T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout is not of size 0, which the assertion above checks.
    let place = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    (!place.is_null()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::{boxed, room};
    use core::hint::black_box;

    #[test]
    fn a_value_that_does_not_fit_is_no_death() {
        assert_eq!(boxed(7).ok().as_deref(), Some(&7));
        // As much as there are addresses; seen, lest the compiler leaves the attempt out.
        assert!(black_box(room::<[u8; 1 << 47]>()).is_none());
    }
}
