//! Which pages of a piece the heap has taken and not given back: a forked child's copy must
//! have blocks for all of them, also for those that nobody has written to yet.

use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::super::PAGE;

const BITS: usize = u64::BITS as usize;

/// A bit for each page of a piece. Positions are bytes from where the piece begins.
pub(super) struct Taken(AtomicPtr<AtomicU64>);

const fn words(length: usize) -> usize {
    length.div_ceil(PAGE * BITS)
}

impl Taken {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Makes the bits of a piece of `length` bytes, unless they are there. Without memory
    /// for them nothing is known.
    pub(super) fn prepare(&self, length: usize) {
        let size = words(length) * size_of::<u64>();
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let bits = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if bits == libc::MAP_FAILED {
            return;
        }
        let none = ptr::null_mut();
        let (done, seen) = (Ordering::AcqRel, Ordering::Acquire);
        if self
            .0
            .compare_exchange(none, bits.cast(), done, seen)
            .is_err()
        {
            // SAFETY: nobody has seen our mapping.
            unsafe { libc::munmap(bits, size) };
        }
    }

    /// Gives the bits of a piece of `length` bytes up.
    pub(super) fn forget(&mut self, length: usize) {
        let bits = *self.0.get_mut();
        if !bits.is_null() {
            // SAFETY: the mapping of `prepare`, which nobody uses any more.
            unsafe { libc::munmap(bits.cast(), words(length) * size_of::<u64>()) };
        }
    }

    /// The words for the first `n` of them; none when nothing is known.
    fn words(&self, n: usize) -> &[AtomicU64] {
        let bits = self.0.load(Ordering::Acquire);
        if bits.is_null() {
            return &[];
        }
        // SAFETY: callers stay within the piece; all values are valid.
        unsafe { core::slice::from_raw_parts(bits, n) }
    }

    /// Notes whether a range of the piece is taken.
    pub(super) fn set(&self, range: &Range<usize>, taken: bool) {
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let words = self.words(pages.end.div_ceil(BITS));
        for (index, word) in words.iter().enumerate().skip(pages.start / BITS) {
            let first = pages.start.saturating_sub(index * BITS);
            let end = (pages.end - index * BITS).min(BITS);
            let mask = (u64::MAX >> (BITS - (end - first))) << first;
            if taken {
                word.fetch_or(mask, Ordering::Relaxed);
            } else {
                word.fetch_and(!mask, Ordering::Relaxed);
            }
        }
    }

    /// The ranges up to `end` that are taken; all of it when nothing is known.
    pub(super) fn ranges(&self, end: usize) -> impl Iterator<Item = Range<usize>> {
        let n_pages = end.div_ceil(PAGE);
        let words = self.words(words(end));
        let is_taken = move |page: &usize| match words.get(page / BITS) {
            Some(word) => word.load(Ordering::Relaxed) >> (page % BITS) & 1 == 1,
            None => true,
        };
        let mut next = 0;
        core::iter::from_fn(move || {
            let first = (next..n_pages).find(is_taken)?;
            let others = |page: &usize| !is_taken(page);
            next = (first..n_pages).find(others).unwrap_or(n_pages);
            Some(first * PAGE..(next * PAGE).min(end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Taken};
    use core::ops::Range;

    fn ranges(taken: &Taken, n_pages: usize) -> Vec<Range<usize>> {
        taken
            .ranges(n_pages * PAGE)
            .map(|range| range.start / PAGE..range.end / PAGE)
            .collect()
    }

    #[test]
    fn ranges_are_what_was_taken_and_not_given_back() {
        let mut taken = Taken::new();
        let length = 300 * PAGE;
        assert_eq!(ranges(&taken, 300), vec![0..300; 1]);
        taken.prepare(length);
        assert!(ranges(&taken, 300).is_empty());
        let set = |pages: Range<usize>, on| taken.set(&(pages.start * PAGE..pages.end * PAGE), on);
        set(3..5, true);
        set(60..200, true);
        set(299..300, true);
        assert_eq!(ranges(&taken, 300), [3..5, 60..200, 299..300]);
        set(64..128, false);
        set(4..5, false);
        assert_eq!(ranges(&taken, 300), [3..4, 60..64, 128..200, 299..300]);
        assert_eq!(ranges(&taken, 130), [3..4, 60..64, 128..130]);
        set(0..300, true);
        assert_eq!(ranges(&taken, 300), vec![0..300; 1]);
        taken.forget(length);
    }
}
