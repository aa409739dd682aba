//! Answers that took time to find, and are kept for a short while.
//!
//! A program that is refused memory and goes on without it soon asks again. To find out takes a
//! file of the kernel's or a count of pages, which on a large node takes milliseconds. So an
//! answer is valid, to refuse by, for a while that depends on the time that it took: a loop of
//! refusals spends a small part of its time on finding out. After a pause it is not valid any
//! more, because other programs may have freed memory.
//!
//! | type | answer |
//! |---|---|
//! | [`Counted`] | bytes that can be promised, by a count of the pages in memory |
//! | [`Refusal`] | the smallest request that was refused; void once memory has gone back |

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::backing::base::page_size;
use crate::clock::nanoseconds as now;

/// An answer is valid for this many times the time that it took to find.
const WORTH: u64 = 10;
/// The longest time that an answer is valid, in nanoseconds: 100 ms.
const LONGEST: u64 = 100_000_000;

/// The longest pause between two uses of any answer, in nanoseconds: 100 us.
const SHORT: u64 = 100_000;

/// The validity of an answer. Threads may mix up two answers that they find at the same time, both
/// of which are right.
struct Answer {
    /// The end of its validity, in nanoseconds of the monotonic clock; 0 without an answer.
    until: AtomicU64,
    /// The time that it took to find, in nanoseconds.
    price: AtomicU64,
    /// The time of its last use, in nanoseconds of the monotonic clock.
    used: AtomicU64,
}

impl Answer {
    const fn new() -> Self {
        Self {
            until: AtomicU64::new(0),
            price: AtomicU64::new(0),
            used: AtomicU64::new(0),
        }
    }

    /// Whether the answer may be used now; if so, notes the use.
    fn is_valid(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let now = now();
        let pause = now.saturating_sub(self.used.load(Ordering::Relaxed));
        if now >= until || pause > self.price.load(Ordering::Relaxed).max(SHORT) {
            return false;
        }
        self.used.store(now, Ordering::Relaxed);
        true
    }

    /// Finds an answer by `find`, and returns it.
    fn find<T>(&self, find: impl FnOnce() -> T) -> T {
        let start = now();
        let found = find();
        self.found_since(start);
        found
    }

    /// Notes that an answer has been found, after a search that began at `start`, in nanoseconds.
    fn found_since(&self, start: u64) {
        let end = now();
        let price = end.saturating_sub(start);
        let valid = price.saturating_mul(WORTH).min(LONGEST);
        self.price.store(price, Ordering::Relaxed);
        self.used.store(end, Ordering::Relaxed);
        self.until.store(end + valid, Ordering::Relaxed);
    }

    /// Ends the validity of the answer.
    fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

/// The last count. Threads may mix up two counts that they make at the same time, both of
/// which are right.
pub(super) struct Counted {
    /// Bytes that the nodes had left.
    left: AtomicUsize,
    /// Bytes that the nodes had left and promised bytes in memory, together.
    most: AtomicUsize,
    /// The validity of the count.
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

    /// Bytes that can be promised at most, by a count that is still valid, when the nodes have
    /// `left` bytes. Too many if promised pages have gone back since; too few if other memory
    /// has, and promised pages of as many bytes have been touched.
    pub(super) fn most(&self, left: usize) -> Option<usize> {
        if !self.answer.is_valid() {
            return None;
        }
        let more = left.saturating_sub(self.left.load(Ordering::Relaxed));
        Some(self.most.load(Ordering::Relaxed).saturating_add(more))
    }

    /// Bytes that can be promised at most, by a new count. `count` returns the bytes that the nodes
    /// have left, and the sum of these and the promised bytes in memory.
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
    let step = present.len() * page_size();
    for at in (start..start + size).step_by(step) {
        let length = step.min(start + size - at);
        // SAFETY: the kernel writes a byte for each page of the length, for which there is room;
        // it reads nothing of the range.
        let status = unsafe { libc::mincore(at as *mut _, length, present.as_mut_ptr()) };
        if status == 0 {
            let pages = &present[..length / page_size()];
            n_pages += pages.iter().filter(|page| **page & 1 != 0).count();
        }
    }
    n_pages * page_size()
}

/// The last refusals.
pub(super) struct Refusal {
    /// The smallest request that was refused, in bytes.
    bytes: AtomicUsize,
    /// Bytes that could have been promised then.
    room: AtomicUsize,
    /// How often memory has gone back.
    turn: AtomicUsize,
    /// The validity of the refusal.
    answer: Answer,
}

impl Refusal {
    pub(super) const fn new() -> Self {
        Self {
            bytes: AtomicUsize::new(usize::MAX),
            room: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            answer: Answer::new(),
        }
    }

    /// Bytes that can be promised, if a request of `bytes` is refused by an answer that is valid.
    pub(super) fn of(&self, bytes: usize) -> Option<usize> {
        let covered = bytes >= self.bytes.load(Ordering::Relaxed) && self.answer.is_valid();
        covered.then(|| self.room.load(Ordering::Relaxed))
    }

    /// How often memory has gone back; read before a search for memory, for [`Refusal::note`].
    pub(super) fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// Notes that `bytes` were refused and only `room` bytes can be promised, after a search that
    /// began at `start`, in nanoseconds; unless memory has gone back since `turn` was read.
    pub(super) fn note(&self, bytes: usize, room: usize, start: u64, turn: usize) {
        if self.turn() != turn {
            return;
        }
        if !self.answer.is_valid() {
            self.bytes.store(usize::MAX, Ordering::Relaxed);
        }
        self.bytes.fetch_min(bytes, Ordering::Relaxed);
        self.room.store(room, Ordering::Relaxed);
        self.answer.found_since(start);
    }

    /// Notes that memory has gone back, which makes the refusal void.
    pub(super) fn end(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.answer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Counted, LONGEST, Ordering, Refusal, WORTH, now, page_size, resident};
    use core::time::Duration;
    use std::thread;

    #[test]
    fn an_answer_is_valid_for_a_part_of_its_price() {
        let answer = Answer::new();
        assert!(!answer.is_valid());
        let price = Duration::from_millis(5);
        answer.find(|| thread::sleep(price));
        let (until, used) = (
            answer.until.load(Ordering::Relaxed),
            answer.used.load(Ordering::Relaxed),
        );
        let valid = answer.is_valid();
        // Checked unless the thread was held up meanwhile.
        if now() < until.min(used + 1_000_000) {
            assert!(valid);
        }
        answer.until.store(u64::MAX, Ordering::Relaxed);
        answer.price.store(0, Ordering::Relaxed);
        thread::sleep(price);
        assert!(!answer.is_valid(), "after a pause");
        answer.price.store(u64::MAX, Ordering::Relaxed);
        assert!(answer.is_valid());
        answer.until.store(now() - 1, Ordering::Relaxed);
        assert!(!answer.is_valid());
        let before = now();
        answer.find(|| thread::sleep(price));
        let until = answer.until.load(Ordering::Relaxed);
        assert!(until >= before + WORTH * price.as_nanos() as u64 && until <= now() + LONGEST);
        answer.end();
        assert!(!answer.is_valid());
    }

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
            core::ptr::write_bytes((start + (20 << 20)) as *mut u8, 1, 2 * page_size());
        }
        assert_eq!(resident(start, size), 2 * page_size());
        assert_eq!(resident(start, 16 << 20), 0);
        // SAFETY: our own mapping, which nothing uses any more.
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
        // Bytes that became free may be of other memory. A thread held up finds no valid count.
        for (left, most) in [(100, 140), (103, 143), (1, 140)] {
            assert!(counted.most(left).is_none_or(|now| now == most));
        }
        assert_eq!(counted.count(|| (1, usize::MAX)), usize::MAX);
    }

    #[test]
    fn it_covers_as_much_and_more_until_memory_goes_back() {
        let refusal = Refusal::new();
        assert_eq!(refusal.of(usize::MAX), None);
        // As if the search had taken seconds, so that the answer is valid for long.
        let start = now() - 5_000_000_000;
        refusal.note(1000, 10, start, refusal.turn());
        assert_eq!(refusal.of(999), None);
        let later = refusal.of(1000);
        refusal.note(500, 20, start, refusal.turn());
        let fewer = refusal.of(500);
        // Checked unless the thread was held up for a tenth of a second.
        if refusal.of(usize::MAX).is_some() {
            assert_eq!((later, fewer), (Some(10), Some(20)));
        }
        refusal.end();
        assert_eq!(refusal.of(usize::MAX), None);
        refusal.note(2000, 30, start, refusal.turn());
        assert_eq!(refusal.of(1999), None);
        // A refusal that was found before memory went back is not noted.
        let turn = refusal.turn();
        refusal.end();
        refusal.note(1000, 10, start, turn);
        assert_eq!(refusal.of(usize::MAX), None);
    }
}
