//! Giving the pages of a file back by quantity.
//!
//! jemalloc gives unused pages back when time has passed and it is called. A program that has
//! freed much may not call the library again for long. Hence the pages of a file, whose blocks are of use to others, go back when caches
//! have given its arenas a certain amount. A program that takes and frees as much in turn
//! would have to get them again each time: if it comes to that within seconds, twice as much
//! has to be given the next time.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// How many seconds the next time has to be away if it is not to be twice as dear. In so many
/// more it is half as dear again.
const SHORT: u32 = 10;
/// How often it can become twice as dear.
const DOUBLED: u32 = 16;

/// See the module. Of two threads at once one may be forgotten.
pub(super) struct Drained {
    /// Bytes since pages last went back.
    bytes: AtomicUsize,
    /// How often the amount has been doubled.
    doubled: AtomicU32,
    /// When pages last went back, in seconds; 0 for never.
    last: AtomicU32,
}

impl Drained {
    pub(super) const fn new() -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            doubled: AtomicU32::new(0),
            last: AtomicU32::new(0),
        }
    }

    /// Counts bytes that caches have given to arenas; whether pages are to go back. `amount` is
    /// after how many bytes they do at first.
    pub(super) fn add(&self, bytes: usize, amount: usize, now: impl Fn() -> u32) -> bool {
        let all = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all < amount {
            return false;
        }
        let (now, last) = (now().max(1), self.last.load(Ordering::Relaxed));
        let times = now.wrapping_sub(last) / SHORT;
        let doubled = self.doubled.load(Ordering::Relaxed).saturating_sub(times);
        if all < amount.saturating_mul(1 << doubled) {
            return false;
        }
        let doubled = if last != 0 && times == 0 {
            (doubled + 1).min(DOUBLED)
        } else {
            doubled
        };
        self.bytes.store(0, Ordering::Relaxed);
        self.doubled.store(doubled, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{DOUBLED, Drained, SHORT};

    /// After how many bytes it is due the next time.
    fn next(drained: &Drained, now: u32) -> usize {
        1 + (0..).take_while(|_| !drained.add(1, 100, || now)).count()
    }

    #[test]
    fn who_takes_and_frees_in_turn_pays_less_and_less_often() {
        let drained = Drained::new();
        let due: Vec<_> = (0..6).map(|_| next(&drained, 7)).collect();
        assert_eq!(due, [100, 100, 200, 400, 800, 1600]);
        // Later it is cheaper again, step by step.
        let due: Vec<_> = (1..8).map(|n| next(&drained, 7 + n * SHORT)).collect();
        assert_eq!(due, [1600, 800, 400, 200, 100, 100, 100]);
    }

    #[test]
    fn it_is_due_in_the_end() {
        let drained = Drained::new();
        for _ in 0..100 {
            assert!(drained.add(100 << DOUBLED, 100, || 0));
        }
        assert!(!drained.add(1, usize::MAX, || 0));
    }
}
