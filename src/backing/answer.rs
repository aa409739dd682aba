//! How long an answer serves that took time to find.
//!
//! Who is refused memory and goes on without it soon asks again, and to find out takes a file
//! of the kernel's or a count of pages. So an answer stays good enough to refuse by for a
//! while, which depends on what it took: a loop of refusals spends a small part of its time
//! on finding out. After a pause it serves no more: something may have been done meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::clock::nanoseconds as now;

/// An answer serves for this many times what it took to find.
const WORTH: u64 = 10;
/// But not for longer than this, in nanoseconds: 100 ms.
const LONGEST: u64 = 100_000_000;

/// In so short a pause, in nanoseconds, nobody can have done much: 100 us.
const SHORT: u64 = 100_000;

/// See the module. Threads may mix up two answers that they find at the same time, both of
/// which are right.
pub(super) struct Answer {
    /// Until when it serves, in nanoseconds of the monotonic clock.
    until: AtomicU64,
    /// What it took to find it, and when it last served.
    price: AtomicU64,
    served: AtomicU64,
}

impl Answer {
    pub(super) const fn new() -> Self {
        Self {
            until: AtomicU64::new(0),
            price: AtomicU64::new(0),
            served: AtomicU64::new(0),
        }
    }

    /// Whether it serves now; then it has.
    pub(super) fn serves(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let now = now();
        let pause = now.saturating_sub(self.served.load(Ordering::Relaxed));
        if now >= until || pause > self.price.load(Ordering::Relaxed).max(SHORT) {
            return false;
        }
        self.served.store(now, Ordering::Relaxed);
        true
    }

    /// Finds one.
    pub(super) fn find<T>(&self, find: impl FnOnce() -> T) -> T {
        let start = now();
        let found = find();
        self.found_since(start);
        found
    }

    /// Notes that one has been found, the search for which began at `start`.
    pub(super) fn found_since(&self, start: u64) {
        let end = now();
        let price = end.saturating_sub(start);
        let serves = price.saturating_mul(WORTH).min(LONGEST);
        self.price.store(price, Ordering::Relaxed);
        self.served.store(end, Ordering::Relaxed);
        self.until.store(end + serves, Ordering::Relaxed);
    }

    /// It serves no more.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, LONGEST, Ordering, WORTH, now};
    use core::time::Duration;
    use std::thread;

    #[test]
    fn it_serves_for_a_part_of_its_price() {
        let answer = Answer::new();
        assert!(!answer.serves());
        let price = Duration::from_millis(5);
        answer.find(|| thread::sleep(price));
        let (until, served) = (
            answer.until.load(Ordering::Relaxed),
            answer.served.load(Ordering::Relaxed),
        );
        let serves = answer.serves();
        // Only if nothing has held the thread up meanwhile.
        if now() < until.min(served + 1_000_000) {
            assert!(serves);
        }
        answer.until.store(u64::MAX, Ordering::Relaxed);
        answer.price.store(0, Ordering::Relaxed);
        thread::sleep(price);
        assert!(!answer.serves(), "after a pause");
        answer.price.store(u64::MAX, Ordering::Relaxed);
        assert!(answer.serves());
        answer.until.store(now() - 1, Ordering::Relaxed);
        assert!(!answer.serves());
        let before = now();
        answer.find(|| thread::sleep(price));
        let until = answer.until.load(Ordering::Relaxed);
        assert!(until >= before + WORTH * price.as_nanos() as u64 && until <= now() + LONGEST);
        answer.end();
        assert!(!answer.serves());
    }
}
