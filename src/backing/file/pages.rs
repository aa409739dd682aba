//! The state of each page of a piece: whether the heap has it, and whether its block has been
//! allocated in advance.
//!
//! A heap takes memory for a few pages at a time, and each call to the file system takes long. So
//! blocks are allocated in advance for free pages beside those that are taken. Pages that are
//! given back are punched at once, so only pages that were never taken have blocks in advance.
//!
//! A file system that cannot allocate a whole range (fallocate(2)) frees all blocks there that
//! have not been written to, even those that another thread allocated. So a call covers only
//! pages of the caller and pages that it has claimed. A thread that takes a claimed page touches
//! it: the page then has its block whether that call succeeds or not.
//!
//! | state | block | becomes |
//! |---|---|---|
//! | `EMPTY` | not known | `TAKEN`, `CLAIMED` |
//! | `AHEAD` | there | `TAKEN` |
//! | `TAKEN` | there once its taker goes on | `EMPTY` when given back |
//! | `CLAIMED` | asked for | `AHEAD`, or `EMPTY` if refused; `TOUCHED` when taken |
//! | `TOUCHED` | there once its taker goes on | `TAKEN`; `SPOILT` when given back |
//! | `SPOILT` | not known, but still asked for | `EMPTY`; `TOUCHED` when taken |

#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::backing::base::page_size;
use crate::backing::table::Table;

/// Blocks are allocated in advance up to a multiple of this many bytes.
const GRANULE: usize = 256 << 10;
/// The part of the heap's bytes, one in this many, that blocks in advance take at most in all.
const PART: usize = 64;
/// Bytes of blocks in advance that are always allowed, even above [`PART`], and the most that are
/// allocated behind a range with it.
const FEW: usize = 8 * GRANULE;

/// The state of a page of which no block is known; a fresh table has it.
const EMPTY: u8 = 0;
const AHEAD: u8 = 1;
const TAKEN: u8 = 2;
const CLAIMED: u8 = 3;
const TOUCHED: u8 = 4;
const SPOILT: u8 = 5;

/// Bytes of a file that the heap has, and bytes that are allocated in advance or claimed.
pub(super) struct Amounts<'a> {
    pub(super) held: usize,
    pub(super) ahead: &'a AtomicUsize,
}

/// The states of a piece's pages. All positions are bytes from the beginning of the piece; a thread
/// takes and gives back its own pages only, whole ones.
pub(super) struct Pages {
    states: Table<AtomicU8>,
    /// Whether blocks may be allocated in advance.
    advances: AtomicBool,
}

/// The result of [`Pages::take`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes whose blocks have to be allocated.
    pub(super) missing: usize,
    /// The range from the first to the last page that other threads have claimed; it has to be
    /// touched.
    pub(super) to_touch: Range<usize>,
}

impl Pages {
    pub(super) const fn new() -> Self {
        Self {
            states: Table::new(),
            advances: AtomicBool::new(false),
        }
    }

    /// Makes the states of a piece of `length` bytes, before a page of it is taken. Without memory
    /// for them no page has a state, and the file system is asked each time.
    pub(super) fn prepare(&self, length: usize, advances: bool) {
        self.states.prepare(length / page_size());
        self.advances.store(advances, Ordering::Relaxed);
    }

    /// The states of the pages of a range; none when there was no memory for them.
    fn of(&self, range: &Range<usize>) -> &[AtomicU8] {
        let pages = range.start / page_size()..range.end / page_size();
        self.states.entries().get(pages).unwrap_or(&[])
    }

    /// Notes that the heap takes a range.
    pub(super) fn take(&self, own: &Range<usize>, amounts: &Amounts<'_>) -> Found {
        let states = self.of(own);
        if states.is_empty() {
            return Found {
                missing: own.len(),
                to_touch: 0..0,
            };
        }
        let (mut missing, mut ahead, mut to_touch) = (0, 0, 0..0);
        for (page, state) in own.clone().step_by(page_size()).zip(states) {
            let before = change(state, |now| match now {
                CLAIMED | SPOILT | TOUCHED => TOUCHED,
                _ => TAKEN,
            });
            match before {
                AHEAD => ahead += page_size(),
                CLAIMED | SPOILT | TOUCHED => {
                    let first = if to_touch.is_empty() {
                        page
                    } else {
                        to_touch.start
                    };
                    to_touch = first..page + page_size();
                }
                _ => missing += page_size(),
            }
        }
        amounts.ahead.fetch_sub(ahead, Ordering::Relaxed);
        Found { missing, to_touch }
    }

    /// Notes that the heap has given back a range, which has been punched.
    pub(super) fn give_back(&self, own: &Range<usize>) {
        for state in self.of(own) {
            change(state, |now| match now {
                CLAIMED | TOUCHED | SPOILT => SPOILT,
                _ => EMPTY,
            });
        }
    }

    /// Claims pages beside a range that has been taken, and returns the range to allocate.
    pub(super) fn claim(&self, own: &Range<usize>, amounts: &Amounts<'_>) -> Range<usize> {
        let states = self.states.entries();
        if !self.advances.load(Ordering::Relaxed) || states.len() < own.end / page_size() {
            return own.clone();
        }
        let all = (amounts.held / PART).max(FEW);
        let may = |bytes: usize| {
            let ahead = amounts.ahead.load(Ordering::Relaxed);
            all.saturating_sub(ahead).min(bytes) / page_size()
        };
        let part = (amounts.held / PART).min(FEW);
        let behind = own.end.next_multiple_of(GRANULE) - own.end;
        let first = own.end / page_size();
        let behind = &states[first..states.len().min(first + may(behind.max(part)))];
        let behind = behind.iter().take_while(|state| claim(state)).count() * page_size();
        amounts.ahead.fetch_add(behind, Ordering::Relaxed);
        let last = own.start / page_size();
        let before = &states[last - may(own.start % GRANULE)..last];
        let before = before.iter().rev().take_while(|state| claim(state)).count() * page_size();
        amounts.ahead.fetch_add(before, Ordering::Relaxed);
        own.start - before..own.end + behind
    }

    /// Ends a claim; `done` says whether the blocks were allocated.
    pub(super) fn settle(
        &self,
        wide: &Range<usize>,
        own: &Range<usize>,
        done: bool,
        amounts: &Amounts<'_>,
    ) {
        let mut fewer = 0;
        for part in [wide.start..own.start, own.end..wide.end] {
            for state in self.of(&part) {
                let before = change(state, |now| match now {
                    CLAIMED if done => AHEAD,
                    TOUCHED => TAKEN,
                    _ => EMPTY,
                });
                if !done || before != CLAIMED {
                    fewer += page_size();
                }
            }
        }
        amounts.ahead.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// Forgets blocks in advance, in a child whose file is a new one, and claims of threads that the
    /// child does not have. The heap has taken bytes before `used` only; both may lie behind that.
    pub(super) fn after_fork_in_child(&self, used: usize) {
        let end = used.saturating_add(FEW) / page_size();
        for state in self.states.entries().iter().take(end) {
            change(state, |now| match now {
                TAKEN | TOUCHED => TAKEN,
                _ => EMPTY,
            });
        }
    }

    /// The ranges up to `end` that the heap has; all of it when there are no states.
    pub(super) fn taken(&self, end: usize) -> impl Iterator<Item = Range<usize>> {
        let states = self.of(&(0..end));
        let unknown = states.is_empty() && end > 0;
        let taken = |state| state == TAKEN || state == TOUCHED;
        runs(states, taken).chain(unknown.then_some(0..end))
    }
}

/// Changes a state, and returns the state before.
fn change(state: &AtomicU8, to: impl Fn(u8) -> u8) -> u8 {
    let order = Ordering::AcqRel;
    match state.fetch_update(order, Ordering::Acquire, |now| Some(to(now))) {
        Ok(before) | Err(before) => before,
    }
}

fn claim(state: &AtomicU8) -> bool {
    let order = Ordering::Acquire;
    let claimed = state.compare_exchange(EMPTY, CLAIMED, order, order);
    claimed.is_ok()
}

/// The runs of pages whose state is one of `such`.
fn runs(states: &[AtomicU8], such: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let is = move |index: &usize| such(states[*index].load(Ordering::Acquire));
    let mut next = 0;
    core::iter::from_fn(move || {
        let first = (next..states.len()).find(&is)?;
        let others = |index: &usize| !is(index);
        next = (first..states.len()).find(others).unwrap_or(states.len());
        Some(first * page_size()..next * page_size())
    })
}

#[cfg(test)]
mod tests;
