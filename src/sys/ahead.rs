//! Addresses that are mapped ahead of need, for the records that the heap keeps of its blocks: a kind
//! that was prepared then makes no system call for these either.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::addresses::Reserved;

/// Records come in multiples of this many bytes, and at such addresses.
const UNIT: usize = 2 << 20;

/// What is left: where it starts, and in the bits below a unit how many units there are.
static READY: AtomicUsize = AtomicUsize::new(0);

const fn split(ready: usize) -> (usize, usize) {
    (ready & !(UNIT - 1), (ready & (UNIT - 1)) * UNIT)
}

/// Takes `size` bytes of zeroes at a multiple of `align`, if there are as many. They are the
/// caller's to unmap.
pub(crate) fn take(size: usize, align: usize) -> Option<usize> {
    if size == 0 || size % UNIT != 0 || align > UNIT {
        return None;
    }
    let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
    let rest = |ready: usize| {
        let (start, left) = split(ready);
        (size <= left).then(|| (start + size) | ((left - size) / UNIT))
    };
    let ready = READY.fetch_update(done, seen, rest).ok()?;
    Some(split(ready).0)
}

/// Makes sure that at least `size` bytes are ready; `false` if the process may not have so many
/// addresses.
pub(crate) fn map(size: usize) -> bool {
    let units = size.div_ceil(UNIT);
    let (start, left) = split(READY.load(Ordering::Relaxed));
    if start != 0 && left / UNIT >= units {
        return true;
    }
    if units >= UNIT {
        return false;
    }
    let Some(fresh) = aligned_mapping(units * UNIT) else {
        return false;
    };
    let (start, left) = split(READY.swap(fresh | units, Ordering::AcqRel));
    if left > 0 {
        // SAFETY: the swap has made what is left ours, and `take` has given none of it out.
        unsafe { libc::munmap(start as *mut _, left) };
    }
    true
}

/// Maps `size` bytes of zeroes at a multiple of [`UNIT`]. The place is given, since mmap without one may
/// be served by [`take`].
fn aligned_mapping(size: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let start = Reserved::new(size, UNIT)?.map(flags, -1, 0)?;
    // Few of the records are ever written to.
    // SAFETY: our own mapping, of this size.
    unsafe { libc::madvise(start as *mut _, size, libc::MADV_NOHUGEPAGE) };
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::{UNIT, map, take};

    #[test]
    fn as_much_as_was_mapped_is_taken_once() {
        assert!(map(3 * UNIT));
        assert_eq!(take(UNIT + 4096, 4096), None);
        assert_eq!(take(UNIT, 2 * UNIT), None);
        let first = take(UNIT, UNIT).expect("three units");
        // Where more is asked for than is left, a larger range replaces the rest.
        assert!(map(4 * UNIT));
        let more = take(4 * UNIT, 4096).expect("four units");
        assert_eq!((first % UNIT, more % UNIT), (0, 0));
        assert_eq!(take(UNIT, 4096), None);
        assert!(!map(UNIT * UNIT));
        for (start, size) in [(first, UNIT), (more, 4 * UNIT)] {
            // SAFETY: addresses that `take` has given to this test alone, which does not use them again.
            unsafe {
                *(start as *mut u8) = 1;
                *((start + size - 1) as *mut u8) = 1;
                libc::munmap(start as *mut _, size);
            }
        }
    }
}
