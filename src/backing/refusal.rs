//! What was refused a moment ago.
//!
//! A program that goes on without memory it is refused, as one that turns to DRAM when
//! high-bandwidth memory is full, asks for each block again. The kernel is not asked each
//! time ([`super::answer`]), unless memory has gone back meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use super::answer::Answer;

/// The last refusals.
pub(super) struct Refusal {
    /// The fewest bytes that were refused, and how many there were instead.
    bytes: AtomicUsize,
    room: AtomicUsize,
    /// How often memory has gone back.
    turn: AtomicUsize,
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

    /// How many bytes there are instead, if so many were refused a moment ago.
    pub(super) fn of(&self, bytes: usize) -> Option<usize> {
        let covered = bytes >= self.bytes.load(Ordering::Relaxed) && self.answer.serves();
        covered.then(|| self.room.load(Ordering::Relaxed))
    }

    /// To be asked before it is found out whether there is memory, for [`Refusal::note`].
    pub(super) fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    /// Notes a refusal; to find out began at `start`. Not if memory has gone back since.
    pub(super) fn note(&self, bytes: usize, room: usize, start: u64, turn: usize) {
        if self.turn() != turn {
            return;
        }
        if !self.answer.serves() {
            self.bytes.store(usize::MAX, Ordering::Relaxed);
        }
        self.bytes.fetch_min(bytes, Ordering::Relaxed);
        self.room.store(room, Ordering::Relaxed);
        self.answer.found_since(start);
    }

    /// Memory has gone back.
    pub(super) fn end(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.answer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use crate::clock::nanoseconds as now;

    #[test]
    fn it_covers_as_much_and_more_until_memory_goes_back() {
        let refusal = Refusal::new();
        assert_eq!(refusal.of(usize::MAX), None);
        // As if it had taken seconds to find out, so that it serves for long.
        let start = now() - 5_000_000_000;
        refusal.note(1000, 10, start, refusal.turn());
        assert_eq!(refusal.of(999), None);
        let later = refusal.of(1000);
        refusal.note(500, 20, start, refusal.turn());
        let fewer = refusal.of(500);
        // Only if nothing has held the thread up for a tenth of a second.
        if refusal.of(usize::MAX).is_some() {
            assert_eq!((later, fewer), (Some(10), Some(20)));
        }
        refusal.end();
        assert_eq!(refusal.of(usize::MAX), None);
        refusal.note(2000, 30, start, refusal.turn());
        assert_eq!(refusal.of(1999), None);
        // What was found out before memory went back.
        let turn = refusal.turn();
        refusal.end();
        refusal.note(1000, 10, start, turn);
        assert_eq!(refusal.of(usize::MAX), None);
    }
}
