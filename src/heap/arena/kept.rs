//! The mappings of a heap that are blocks: how many bytes are live, and which are kept for reuse.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::backing::Ranges;
use crate::heap::base::je::{self, Stat};
use crate::heap::base::page_map;

/// The low bits of a kept mapping's size, which is whole pages: they hold the second in which it was freed.
pub(super) const SECOND: usize = page_map::UNIT - 1;

/// The blocks of a heap that are mappings.
pub(crate) struct Mappings {
    /// Bytes of live blocks.
    live: AtomicUsize,
    /// Freed blocks: their size and, below the bits of the smallest page, the second when they were freed.
    pub(super) kept: Ranges,
    /// Bytes of freed blocks.
    pub(super) kept_bytes: AtomicUsize,
    /// The most bytes to keep; 0 until it is known.
    pub(super) most: AtomicUsize,
    /// Bytes of live and of freed blocks at the last snapshot of statistics.
    seen: [AtomicUsize; 2],
}

impl Mappings {
    pub(super) const fn new() -> Self {
        Self {
            live: AtomicUsize::new(0),
            kept: Ranges::new(),
            kept_bytes: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            seen: [const { AtomicUsize::new(0) }; 2],
        }
    }

    /// Bytes of live blocks.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Notes what statistics are to tell.
    pub(crate) fn take_snapshot(&self) {
        let kept = self.kept_bytes.load(Ordering::Relaxed);
        self.seen[0].store(self.live(), Ordering::Relaxed);
        self.seen[1].store(kept, Ordering::Relaxed);
    }

    /// A statistic of these blocks at the last snapshot.
    pub(crate) fn stat(&self, stat: Stat) -> usize {
        let [live, kept] = &self.seen;
        let live = live.load(Ordering::Relaxed);
        match stat {
            Stat::Allocated | Stat::Active => live,
            Stat::Resident => live + kept.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_live(&self, more: usize, less: usize) {
        self.live.fetch_add(more, Ordering::Relaxed);
        self.live.fetch_sub(less, Ordering::Relaxed);
    }

    /// Takes the kept mapping out for which `rank`, which is told start, size and second, is
    /// least: its start and size.
    pub(super) fn take(
        &self,
        rank: impl Fn(usize, usize, usize) -> Option<usize>,
    ) -> Option<(usize, usize)> {
        if self.kept_bytes.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let apart = |start, both: usize| rank(start, both & !SECOND, both & SECOND);
        let (start, both) = self.kept.take_least(apart)?;
        self.kept_bytes.fetch_sub(both & !SECOND, Ordering::Relaxed);
        Some((start, both & !SECOND))
    }
}

/// The time in seconds that unused mappings are kept: as long as jemalloc keeps unused pages, by default
/// 10 s; `None` for ever.
pub(super) fn seconds_kept() -> Option<usize> {
    let milliseconds = usize::try_from(je::usual_decay()).ok()?;
    Some(milliseconds.div_ceil(1000).min(SECOND / 2))
}

/// Seconds from `second` to `now`, of both of which only the bits of [`SECOND`] count.
pub(super) const fn seconds_since(second: usize, now: usize) -> usize {
    now.wrapping_sub(second) & SECOND
}

#[cfg(test)]
mod tests {
    use super::{SECOND, seconds_since};

    #[test]
    fn seconds_are_counted_past_the_last_that_is_written_down() {
        assert_eq!(seconds_since(7, 7), 0);
        assert_eq!(seconds_since(4090, 4096 + 4), 10);
        assert_eq!(seconds_since(8, 7), SECOND);
    }
}
