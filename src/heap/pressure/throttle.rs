//! How much CPU time goes into finding room in a heap that has run full.
//!
//! A search asks every arena, gives caches back, and unused pages too. A program that meets a
//! full kind all the time would do little else, for few blocks: to give the pages of a file
//! back and to take others costs hundreds of times what a block does. So searches are measured,
//! and where there is little to find they become a small part of the time. The heap decides
//! whether there is little to find.
//!
//! The measure is the CPU time of the thread that searches: on a busy machine a thread may be
//! held up for a hundred times as long, and what it is refused must not depend on that.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use crate::clock;

/// A search is paid for when this many times its CPU time has passed. What it punches out of a
/// file is filled again outside of it, which takes several times as long.
const PRICE: u64 = 64;
/// How far ahead of the clock the price of searches may be, in nanoseconds, while a search is due:
/// 0.02 s of searches. And how far above that it counts, also after a long search and after searches
/// that did not wait: for as long no search is due.
const CREDIT: u64 = PRICE * 20_000_000;

/// The account of a heap's searches, in nanoseconds of [`clock::nanoseconds`].
pub(crate) struct Throttle {
    /// When all searches will be paid for.
    paid: AtomicU64,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self {
            paid: AtomicU64::new(0),
        }
    }

    /// Whether a search may begin.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(clock::nanoseconds())
    }

    /// Runs a search and charges its CPU time. Of two threads at once one may not pay. One that
    /// is `brief` makes no system call, not even to measure it: it takes less than that would,
    /// and is seldom held up.
    pub(crate) fn spend<T>(&self, brief: bool, search: impl FnOnce() -> T) -> T {
        let clock = if brief {
            clock::nanoseconds
        } else {
            clock::thread_nanoseconds
        };
        let begun = clock();
        let found = search();
        let ended = clock();
        let now = if brief { ended } else { clock::nanoseconds() };
        self.charge(now, ended.saturating_sub(begun));
        found
    }

    fn is_due_at(&self, now: u64) -> bool {
        self.paid.load(Ordering::Relaxed) <= now + CREDIT
    }

    /// Charges a search of `cost` nanoseconds that ended at `now`.
    fn charge(&self, now: u64, cost: u64) {
        let begun = now.saturating_sub(cost);
        let from = self.paid.load(Ordering::Relaxed).max(begun);
        let price = cost.saturating_mul(PRICE);
        let paid = from.saturating_add(price).min(now + 2 * CREDIT);
        self.paid.store(paid, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{CREDIT, PRICE, Throttle};

    const MS: u64 = 1_000_000;

    #[test]
    fn searches_are_a_small_part_of_the_time_in_the_long_run() {
        let throttle = Throttle::new();
        let (mut now, mut spent) = (1 << 60, 0);
        while throttle.is_due_at(now) {
            now += MS;
            throttle.charge(now, MS);
            spent += MS;
        }
        // A fiftieth of a second, and what that time has paid for.
        assert!((20..=22).contains(&(spent / MS)), "{spent}");
        let (before, begun) = (now, spent);
        while now < before + 10_000 * MS {
            if throttle.is_due_at(now) {
                throttle.charge(now + MS, MS);
                spent += MS;
            }
            now += MS;
        }
        let part = (now - before) / (spent - begun);
        assert!((PRICE..=PRICE + 1).contains(&part), "{part}");
        // What is not used for long is not saved up.
        now += 1_000_000 * MS;
        throttle.charge(now + MS, MS);
        assert!(throttle.is_due_at(now + PRICE * MS - CREDIT));
        assert!(!throttle.is_due_at(now + PRICE * MS - CREDIT - 1));
    }

    #[test]
    fn one_long_search_does_not_forbid_others_for_long() {
        let (throttle, now) = (Throttle::new(), 1000 * CREDIT);
        for cost in [1000 * CREDIT, CREDIT, CREDIT] {
            throttle.charge(now, cost);
            assert!(!throttle.is_due_at(now + CREDIT - 1));
            assert!(throttle.is_due_at(now + CREDIT));
        }
    }
}
