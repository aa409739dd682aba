//! How much of what was promised is in memory: counted page by page, so seldom.
//!
//! On a large node with much that is promised but not touched a count takes milliseconds. So
//! what it found serves to refuse by for a while ([`super::answer`]). To grant something the
//! pages are counted anew.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::PAGE;
use super::answer::Answer;

/// The last count. Threads may mix up two counts that they make at the same time, both of
/// which are right.
pub(super) struct Counted {
    /// Bytes that the nodes had left, and with those in memory.
    left: AtomicUsize,
    most: AtomicUsize,
    answer: Answer,
}

impl Counted {
    pub(super) const fn new() -> Self {
        Self {
            left: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            answer: Answer::new(),
        }
    }

    /// Bytes that can be promised at most, if that was counted a moment ago and now `left`
    /// bytes are left. It is too much when promised pages have gone back since, and too
    /// little when other memory, of this process or not, has, and as much has been touched.
    pub(super) fn most(&self, left: usize) -> Option<usize> {
        if !self.answer.serves() {
            return None;
        }
        let more = left.saturating_sub(self.left.load(Ordering::Relaxed));
        Some(self.most.load(Ordering::Relaxed).saturating_add(more))
    }

    /// The same by a count, which answers with the bytes that are left, and with those and
    /// what is in memory.
    pub(super) fn count(&self, count: impl FnOnce() -> (usize, usize)) -> usize {
        self.answer.find(|| {
            let (left, most) = count();
            self.left.store(left, Ordering::Relaxed);
            self.most.store(most, Ordering::Relaxed);
            most
        })
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
    use super::{Counted, PAGE, resident};
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
    fn a_count_tells_how_much_there_is() {
        let counted = Counted::new();
        assert_eq!(counted.most(5), None);
        let slow = || {
            thread::sleep(Duration::from_millis(20));
            (100, 140)
        };
        assert_eq!(counted.count(slow), 140);
        // What nobody has touched may have come from elsewhere. Unless the thread was held up.
        for (left, most) in [(100, 140), (103, 143), (1, 140)] {
            assert!(counted.most(left).is_none_or(|now| now == most));
        }
        assert_eq!(counted.count(|| (1, usize::MAX)), usize::MAX);
    }
}
