//! How much time goes into finding room in a heap that has run full.
//!
//! The first time, all is done: every arena is asked, caches go back, unused pages too. A
//! program that meets a full kind all the time would do little else then, for few blocks:
//! to give the pages of a file back and to take others costs hundreds of times what a block
//! does. So what it takes is measured, and where there is little to find it becomes a small
//! part of the time. Whether that is so the heap decides.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::clock;

/// A search is paid for when so many times what it took has passed.
const PRICE: u64 = 16;
/// For how long searches may be on credit: a tenth of a second of them.
const CREDIT: u64 = PRICE * 100_000_000;
/// The most that one search costs, however long it took; and for how long none is due at most,
/// also after many that did not wait for that.
const DEAREST: u64 = 1_000_000_000;

/// See the module. All times are in nanoseconds of [`clock::nanoseconds`].
pub(super) struct Effort {
    /// When all searches will be paid for.
    paid: AtomicU64,
}

impl Effort {
    pub(super) const fn new() -> Self {
        Self {
            paid: AtomicU64::new(0),
        }
    }

    /// Whether a search may begin.
    pub(super) fn is_due(&self) -> bool {
        self.is_due_at(clock::nanoseconds())
    }

    /// Searches. Of two threads at once one may not pay.
    pub(super) fn spend<T>(&self, search: impl FnOnce() -> T) -> T {
        let begun = clock::nanoseconds();
        let found = search();
        self.charge(begun, clock::nanoseconds());
        found
    }

    fn is_due_at(&self, now: u64) -> bool {
        self.paid.load(Ordering::Relaxed) <= now + CREDIT
    }

    fn charge(&self, begun: u64, ended: u64) {
        let cost = ended.saturating_sub(begun).saturating_mul(PRICE);
        let from = self.paid.load(Ordering::Relaxed).max(begun);
        let paid = (from + cost.min(DEAREST)).min(ended + CREDIT + DEAREST);
        self.paid.store(paid, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{CREDIT, DEAREST, Effort, PRICE};

    const MS: u64 = 1_000_000;

    #[test]
    fn searches_are_a_small_part_of_the_time_in_the_long_run() {
        let effort = Effort::new();
        let (mut now, mut spent) = (1 << 60, 0);
        while effort.is_due_at(now) {
            effort.charge(now, now + MS);
            now += MS;
            spent += MS;
        }
        // A tenth of a second, and what that time has paid for.
        assert!((100..=110).contains(&(spent / MS)), "{spent}");
        let (before, begun) = (now, spent);
        while now < before + 10_000 * MS {
            if effort.is_due_at(now) {
                effort.charge(now, now + MS);
                spent += MS;
            }
            now += MS;
        }
        let part = (now - before) / (spent - begun);
        assert!((PRICE..=PRICE + 1).contains(&part), "{part}");
        // What is not used for long is not saved up.
        now += 1_000_000 * MS;
        effort.charge(now, now + CREDIT);
        assert!(effort.is_due_at(now));
        assert!(!effort.is_due_at(now - CREDIT));
    }

    #[test]
    fn one_long_search_does_not_forbid_others_for_long() {
        let effort = Effort::new();
        effort.charge(0, 1000 * DEAREST);
        assert!(effort.is_due_at(0));
        effort.charge(0, 1000 * DEAREST);
        assert!(!effort.is_due_at(0));
        assert!(effort.is_due_at(2 * DEAREST - CREDIT));
        let now = 1000 * DEAREST;
        for _ in 0..100 {
            effort.charge(now, now + DEAREST);
        }
        assert!(!effort.is_due_at(now + DEAREST));
        assert!(effort.is_due_at(now + 2 * DEAREST));
    }
}
