//! How much of what was promised is in memory: counted page by page, so seldom.
//!
//! Who is refused memory and goes on without it soon asks again, and on a large node with
//! much that is promised but not touched a count takes milliseconds. So the answer of a
//! count stays good enough to refuse by for a while, which depends on what it took: a
//! loop of refusals spends a small part of its time on counting. To grant something the
//! pages are counted anew, and after a pause too: something may have been done meanwhile.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::PAGE;
use crate::clock::nanoseconds as now;

/// An answer serves for this many times what it took to find.
const WORTH: u64 = 10;
/// But not for longer than this, in nanoseconds: 100 ms.
const LONGEST: u64 = 100_000_000;

/// The last count. Threads may mix up two counts that they make at the same time, both of
/// which are right.
pub(super) struct Counted {
    /// Bytes that the nodes had left, and with those in memory.
    left: AtomicUsize,
    most: AtomicUsize,
    /// Until when they serve, in nanoseconds of the monotonic clock.
    until: AtomicU64,
    /// What it took to find them, and when they last served.
    price: AtomicU64,
    served: AtomicU64,
}

impl Counted {
    pub(super) const fn new() -> Self {
        Self {
            left: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            until: AtomicU64::new(0),
            price: AtomicU64::new(0),
            served: AtomicU64::new(0),
        }
    }

    /// Bytes that can be promised at most, if that was counted a moment ago and now `left`
    /// bytes are left. It is too much when promised pages have gone back since, and too
    /// little when other memory, of this process or not, has, and as much has been touched.
    pub(super) fn most(&self, left: usize) -> Option<usize> {
        let now = now();
        let pause = now.saturating_sub(self.served.load(Ordering::Relaxed));
        if now >= self.until.load(Ordering::Relaxed) || pause > self.price.load(Ordering::Relaxed) {
            return None;
        }
        self.served.store(now, Ordering::Relaxed);
        let more = left.saturating_sub(self.left.load(Ordering::Relaxed));
        Some(self.most.load(Ordering::Relaxed).saturating_add(more))
    }

    /// The same by a count, which answers with the bytes that are left, and with those and
    /// what is in memory.
    pub(super) fn count(&self, count: impl FnOnce() -> (usize, usize)) -> usize {
        let start = now();
        let (left, most) = count();
        let end = now();
        self.left.store(left, Ordering::Relaxed);
        self.most.store(most, Ordering::Relaxed);
        let price = end.saturating_sub(start);
        let serves = price.saturating_mul(WORTH).min(LONGEST);
        self.price.store(price, Ordering::Relaxed);
        self.served.store(end, Ordering::Relaxed);
        self.until.store(end + serves, Ordering::Relaxed);
        most
    }
}

/// Bytes of a range that are in memory.
pub(super) fn resident(start: usize, size: usize) -> usize {
    let mut present = [0_u8; 4096];
    let mut n_pages = 0;
    let step = present.len() * PAGE;
    for at in (start..start + size).step_by(step) {
        let length = step.min(start + size - at);
        // SAFETY: the kernel writes a byte for each page of the length, for which there
        // is room; what is mapped there does not matter.
        let status = unsafe { libc::mincore(at as *mut _, length, present.as_mut_ptr()) };
        if status == 0 {
            let pages = &present[..length / PAGE];
            n_pages += pages.iter().filter(|page| **page & 1 != 0).count();
        }
    }
    n_pages * PAGE
}

#[cfg(test)]
mod tests {
    use super::{Counted, LONGEST, Ordering, PAGE, WORTH, now, resident};
    use core::time::Duration;
    use std::thread;

    #[test]
    fn pages_are_resident_once_they_are_touched() {
        let size = 64 << 20;
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a fresh mapping.
        let start = unsafe { libc::mmap(core::ptr::null_mut(), size, access, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        let start = start as usize;
        assert_eq!(resident(start, size), 0);
        // SAFETY: our own mapping.
        unsafe {
            libc::madvise(start as *mut _, size, libc::MADV_NOHUGEPAGE);
            core::ptr::write_bytes((start + (20 << 20)) as *mut u8, 1, 8192);
        }
        assert_eq!(resident(start, size), 2 * PAGE);
        assert_eq!(resident(start, 16 << 20), 0);
        // SAFETY: as above; nobody uses it any more.
        unsafe { libc::munmap(start as *mut _, size) };
        assert_eq!(resident(start, size), 0);
    }

    #[test]
    fn a_count_serves_for_a_part_of_its_price() {
        let counted = Counted::new();
        assert_eq!(counted.most(5), None);
        let price = Duration::from_millis(5);
        let slow = |left, most| {
            move || {
                thread::sleep(price);
                (left, most)
            }
        };
        assert_eq!(counted.count(slow(100, 140)), 140);
        let until = counted.until.load(Ordering::Relaxed);
        let most = counted.most(100);
        // What nobody has touched may have come from elsewhere.
        let more = counted.most(103);
        let fewer = counted.most(1);
        // Only if nothing has held the thread up meanwhile.
        if now() < until.min(counted.served.load(Ordering::Relaxed) + 1_000_000) {
            assert_eq!((most, more, fewer), (Some(140), Some(143), Some(140)));
        }
        counted.until.store(u64::MAX, Ordering::Relaxed);
        counted.price.store(0, Ordering::Relaxed);
        thread::sleep(price);
        assert_eq!(counted.most(100), None, "after a pause");
        counted.until.store(now() - 1, Ordering::Relaxed);
        assert_eq!(counted.most(100), None);
        let before = now();
        assert_eq!(counted.count(slow(1, usize::MAX)), usize::MAX);
        let until = counted.until.load(Ordering::Relaxed);
        let serves = WORTH * price.as_nanos() as u64;
        assert!(until >= before + serves && until <= now() + LONGEST);
    }
}
