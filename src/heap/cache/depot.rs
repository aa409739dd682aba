//! Full magazines of a heap, between threads: one stack for each class.
//!
//! A stack is held only for a push or a pop, so waiting is short; a thread that cannot get it
//! at once goes to jemalloc. The bytes of the blocks in a depot are bounded: when it is full, a class
//! that threads ask for gets the room of one for which none has asked for long. What no thread has
//! taken for a second goes back to jemalloc, a part of it each second.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::gate::Gate;
use super::magazine::Magazine;
use crate::boxed::boxed;
use crate::clock;
use crate::heap::base::class;
use crate::heap::base::sync::Cell;

/// The most bytes of blocks that a depot keeps: what a program frees at a time and then takes
/// again, if it is not much. What is above that waits in jemalloc, which keeps unused pages longer.
const LIMIT: usize = 16 << 20;
/// A bounded heap's depot keeps at most this part of what the heap can hold.
const BOUND_PART: usize = 16;
/// The part of what a depot may hold that goes back in a second at most: a thread waits for it.
const BACK_PART: usize = 4;

/// The magazines of a class, for the thread that holds the stack.
struct Magazines {
    full: *mut Magazine,
    /// Magazines without blocks, for threads that bring a full one.
    empty: *mut Magazine,
    /// The fewest full ones since the depot was last looked at.
    fewest: u32,
}

impl Magazines {
    const NONE: Self = Self {
        full: ptr::null_mut(),
        empty: ptr::null_mut(),
        fewest: 0,
    };
}

/// The stack of a class.
struct Stack {
    magazines: Gate<Magazines>,
    /// Number of full magazines; written by the thread that holds the stack.
    count: AtomicU32,
    /// The depot's [`Depot::refused`] when a thread last asked for a magazine, had there been one or not.
    asked: AtomicU32,
}

// SAFETY: no thread uses a magazine while it is in a stack.
unsafe impl Send for Magazines {}

impl Stack {
    const fn new() -> Self {
        Self {
            magazines: Gate {
                held: AtomicBool::new(false),
                value: Cell::new(Magazines::NONE),
            },
            count: AtomicU32::new(0),
            asked: AtomicU32::new(0),
        }
    }

    /// Takes a full magazine, and keeps an empty one for it; null if there is none.
    ///
    /// # Safety
    /// The empty one is null or the caller's, and the stack's if it is kept.
    unsafe fn take(&self, empty: *mut Magazine) -> *mut Magazine {
        let taken = self.magazines.with(|magazines| {
            // SAFETY: null or a magazine of the stack.
            let full = unsafe { Magazine::pop(&mut magazines.full) };
            if !full.is_null() {
                let count = self.count.load(Ordering::Relaxed) - 1;
                self.count.store(count, Ordering::Relaxed);
                magazines.fewest = magazines.fewest.min(count);
                if !empty.is_null() {
                    // SAFETY: the empty magazine is in no other list, and the gate is held.
                    unsafe { Magazine::push(&mut magazines.empty, empty) };
                }
            }
            full
        });
        taken.unwrap_or(ptr::null_mut())
    }
}

/// The full magazines of a heap.
pub(crate) struct Depot {
    /// The stack of each class, once a thread has brought a magazine.
    stacks: OnceBox<[Stack; class::COUNT]>,
    /// The most bytes of blocks that are kept.
    limit: AtomicUsize,
    /// The bytes of the blocks in the depot.
    bytes: AtomicUsize,
    /// When the depot was last looked at, in seconds.
    looked: AtomicU32,
    /// KiB of the magazines for which there was no room, counted round and round.
    refused: AtomicU32,
}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            stacks: OnceBox::new(),
            limit: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            looked: AtomicU32::new(0),
            refused: AtomicU32::new(0),
        }
    }

    /// Sets how many bytes are kept, for a heap that can hold `bound` bytes, if it is bounded.
    pub(super) fn open(&self, bound: Option<usize>) {
        let limit = bound.map_or(LIMIT, |bytes| (bytes / BOUND_PART).min(LIMIT));
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The most bytes of large blocks that a thread keeps beside the depot: twice as much as is
    /// kept here, but no more than [`LIMIT`].
    pub(super) fn most_for_thread(&self) -> usize {
        (2 * self.limit.load(Ordering::Relaxed)).min(LIMIT)
    }

    // A function of its own, since it takes much of a thread's stack, which may be small.
    #[cold]
    #[inline(never)]
    fn make_stacks(&self) -> Option<&[Stack; class::COUNT]> {
        let make = || {
            self.looked.store(clock::seconds(), Ordering::Relaxed);
            boxed([const { Stack::new() }; class::COUNT])
        };
        self.stacks.get_or_try_init(make).ok()
    }

    fn stacks(&self) -> &[Stack] {
        self.stacks.get().map_or(&[], |stacks| &stacks[..])
    }

    /// Bytes of the blocks in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes a magazine with blocks, and keeps an empty one for it, which may be null.
    ///
    /// # Safety
    /// The empty one is the caller's, and still so if there is none with blocks.
    pub(crate) unsafe fn pop(&self, offset: usize, empty: *mut Magazine) -> Option<*mut Magazine> {
        let stack = self.stacks().get(offset >> class::BIN_BITS)?;
        let now = self.refused.load(Ordering::Relaxed);
        if stack.asked.load(Ordering::Relaxed) != now {
            stack.asked.store(now, Ordering::Relaxed);
        }
        // SAFETY: the empty magazine is null or in no list: the stack may keep it.
        unsafe { self.take(stack, offset, empty) }
    }

    /// Takes a magazine with blocks from the stack of the class at `offset`.
    ///
    /// # Safety
    /// As for [`Self::pop`].
    unsafe fn take(
        &self,
        stack: &Stack,
        offset: usize,
        empty: *mut Magazine,
    ) -> Option<*mut Magazine> {
        // SAFETY: the empty magazine is null or in no list: the stack may keep it.
        let full = unsafe { stack.take(empty) };
        // SAFETY: null or a magazine that is ours now.
        let bytes = unsafe { full.as_ref() }?.count * class::size_of(offset);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(full)
    }

    /// Whether there are blocks of a class.
    pub(crate) fn has(&self, class: usize) -> bool {
        self.stacks()
            .get(class)
            .is_some_and(|stack| stack.count.load(Ordering::Relaxed) > 0)
    }

    /// Keeps a magazine and gives an empty one, or null, for it; `None` if the depot is
    /// full or in use.
    ///
    /// # Safety
    /// The magazine is the caller's, and the depot's if it is kept; it has blocks of the
    /// depot's heap.
    pub(crate) unsafe fn exchange(
        &self,
        magazine: *mut Magazine,
        offset: usize,
    ) -> Option<*mut Magazine> {
        let stacks = match self.stacks.get() {
            Some(stacks) => stacks,
            None => self.make_stacks()?,
        };
        // SAFETY: the magazine is the caller's.
        let bytes = unsafe { (*magazine).count } * class::size_of(offset);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut empty = None;
        if held <= self.limit.load(Ordering::Relaxed) {
            let stack = &stacks[offset >> class::BIN_BITS];
            empty = stack.magazines.with(|magazines| {
                let count = stack.count.load(Ordering::Relaxed) + 1;
                stack.count.store(count, Ordering::Relaxed);
                // SAFETY: the magazine is the caller's, the lists are the stack's.
                unsafe {
                    Magazine::push(&mut magazines.full, magazine);
                    Magazine::pop(&mut magazines.empty)
                }
            });
        }
        if empty.is_none() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        empty
    }

    /// Makes room for `bytes` of a class that threads ask for, if the depot is full: gives back
    /// magazines of classes for which none has asked while as much as the depot may hold found no
    /// room. Whether any block has gone back. A class for which none asks gets no room: much that is
    /// freed at once would push out what is in use.
    #[cold]
    pub(super) fn make_room(&self, offset: usize, bytes: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let is_full = || self.bytes() + bytes > limit;
        if !is_full() {
            return false;
        }
        let more = (bytes >> 10) as u32;
        let now = self.refused.fetch_add(more, Ordering::Relaxed) + more;
        let is_idle = |stack: &Stack| {
            let since = now.wrapping_sub(stack.asked.load(Ordering::Relaxed));
            since as usize >= limit >> 10
        };
        let own = self.stacks().get(offset >> class::BIN_BITS);
        if own.is_none_or(is_idle) {
            return false;
        }
        let mut given = false;
        for (class, stack) in self.stacks().iter().enumerate() {
            if stack.count.load(Ordering::Relaxed) > 0 && is_idle(stack) {
                while is_full() && self.give_back(class) > 0 {
                    given = true;
                }
            }
        }
        given
    }

    /// Gives a magazine of a class back to jemalloc: how many bytes of blocks; 0 if there is none.
    fn give_back(&self, class: usize) -> usize {
        let offset = class << class::BIN_BITS;
        // SAFETY: there is no empty one. The full one is ours then, with free blocks of a
        // heap that lives.
        unsafe {
            let stack = self.stacks().get(class);
            let taken = stack.and_then(|stack| self.take(stack, offset, ptr::null_mut()));
            let Some(magazine) = taken else {
                return 0;
            };
            let bytes = Magazine::drain(magazine, offset);
            Magazine::free(magazine);
            bytes
        }
    }

    /// Gives back what no thread has taken since the last look, no more than a part of what the
    /// depot may hold for each second since then. Whether any block has gone back.
    pub(crate) fn age(&self, now: u32) -> bool {
        let seconds = now.wrapping_sub(self.looked.swap(now, Ordering::Relaxed)) as usize;
        let mut given = false;
        let limit = self.limit.load(Ordering::Relaxed);
        let mut left = (limit / BACK_PART).saturating_mul(seconds);
        for (class, stack) in self.stacks().iter().enumerate().skip(1) {
            let looked = stack.magazines.with(|magazines| {
                let idle = core::mem::take(&mut magazines.fewest);
                (
                    idle,
                    core::mem::replace(&mut magazines.empty, ptr::null_mut()),
                )
            });
            let Some((idle, empty)) = looked else {
                continue;
            };
            // SAFETY: the list has left its stack and is ours.
            unsafe { Magazine::free_list(empty) };
            for _ in 0..idle {
                if left == 0 || self.give_back(class) == 0 {
                    break;
                }
                given = true;
                left = left.saturating_sub(magazine_bytes(class));
            }
            stack.magazines.with(|magazines| {
                magazines.fewest = stack.count.load(Ordering::Relaxed);
            });
        }
        given
    }

    /// Gives everything back to jemalloc.
    pub(super) fn drain(&self) {
        for (class, stack) in self.stacks().iter().enumerate() {
            // What others bring meanwhile stays.
            for _ in 0..stack.count.load(Ordering::Relaxed) {
                if self.give_back(class) == 0 {
                    break;
                }
            }
        }
    }

    /// Frees the magazines; their blocks go with their arenas.
    pub(crate) fn forget(&self) {
        for stack in self.stacks() {
            let all = stack.magazines.with(|magazines| {
                stack.count.store(0, Ordering::Relaxed);
                core::mem::replace(magazines, Magazines::NONE)
            });
            if let Some(all) = all {
                for list in [all.full, all.empty] {
                    // SAFETY: the list has left its stack and is ours.
                    unsafe { Magazine::free_list(list) };
                }
            }
        }
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Gives up, in a child just forked, each stack that a thread held during the fork.
    pub(crate) fn after_fork_in_child(&self) {
        let mut bytes = 0;
        for (class, stack) in self.stacks().iter().enumerate() {
            let gate = &stack.magazines;
            if gate.held.load(Ordering::Relaxed) {
                // SAFETY: the child has one thread.
                gate.value
                    .with_mut(|magazines| unsafe { *magazines = Magazines::NONE });
                stack.count.store(0, Ordering::Relaxed);
                gate.held.store(false, Ordering::Relaxed);
            }
            let full = gate.with(|magazines| magazines.full);
            let mut next = full.unwrap_or(ptr::null_mut());
            // SAFETY: null or a magazine of the stack, which no thread held.
            while let Some(magazine) = unsafe { next.as_ref() } {
                bytes += magazine.count * class::size_of(class << class::BIN_BITS);
                next = magazine.next;
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Bytes of the blocks of a full magazine.
fn magazine_bytes(class: usize) -> usize {
    let offset = class << class::BIN_BITS;
    class::magazine_capacity(offset) * class::size_of(offset)
}

#[cfg(test)]
mod tests {
    use super::{
        BACK_PART, BOUND_PART, Depot, Magazine, Ordering, class, clock, magazine_bytes, ptr,
    };

    const LIMIT: usize = 1 << 20;

    fn depot() -> Depot {
        let depot = Depot::new();
        depot.open(Some(BOUND_PART * LIMIT));
        depot
    }

    fn keep(depot: &Depot, size: usize) -> bool {
        let offset = class::offset(size);
        let magazine = Magazine::full(offset);
        // SAFETY: the magazine is ours, and full of free blocks of the class.
        unsafe {
            let kept = depot.exchange(magazine, offset).is_some();
            if !kept {
                Magazine::drain(magazine, offset);
                Magazine::free(magazine);
            }
            kept
        }
    }

    fn count(depot: &Depot, size: usize) -> u32 {
        let class = class::offset(size) >> class::BIN_BITS;
        depot.stacks()[class].count.load(Ordering::Relaxed)
    }

    #[test]
    fn it_holds_no_more_than_its_limit() {
        let depot = depot();
        let magazine = magazine_bytes(class::offset(65536) >> class::BIN_BITS);
        for _ in 0..LIMIT / magazine {
            assert!(keep(&depot, 65536));
        }
        assert!(!keep(&depot, 65536) && !keep(&depot, 64));
        depot.drain();
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_class_that_is_asked_for_gets_the_room_of_another() {
        let depot = depot();
        while keep(&depot, 4096) {}
        let [old, new] = [4096, 64].map(class::offset);
        let refuse = |offset| {
            let mut given = false;
            for _ in 0..LIMIT / magazine_bytes(offset >> class::BIN_BITS) {
                given |= depot.make_room(offset, magazine_bytes(offset >> class::BIN_BITS));
            }
            given
        };
        let ask = |offset| {
            // SAFETY: there is no empty one, and what is taken is ours.
            unsafe {
                if let Some(taken) = depot.pop(offset, ptr::null_mut()) {
                    Magazine::drain(taken, offset);
                    Magazine::free(taken);
                }
            }
        };
        // Both have been asked for, and neither pushes the other out.
        ask(new);
        assert!(!depot.make_room(new, LIMIT / 2));
        ask(old);
        while keep(&depot, 4096) {}
        assert!(!depot.make_room(new, LIMIT / 4));
        // None has asked for it for long, so it gets no room.
        assert!(!refuse(new));
        ask(new);
        assert!(depot.make_room(new, magazine_bytes(new >> class::BIN_BITS)));
        assert!(keep(&depot, 64));
        depot.drain();
    }

    #[test]
    fn what_no_thread_takes_goes_back() {
        let depot = depot();
        let start = clock::seconds();
        for _ in 0..3 {
            assert!(keep(&depot, 64));
            assert!(keep(&depot, 4096));
        }
        depot.age(start + 1);
        assert_eq!(count(&depot, 64), 3);
        // One of them is taken and brought back: the other two are idle.
        let offset = class::offset(64);
        // SAFETY: there is no empty one, and what is taken is brought back.
        unsafe {
            let taken = depot.pop(offset, ptr::null_mut());
            let kept = taken.and_then(|taken| depot.exchange(taken, offset));
            assert!(kept.is_some());
        }
        depot.age(start + 2);
        assert_eq!((count(&depot, 64), count(&depot, 4096)), (1, 0));
        depot.age(start + 3);
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn much_goes_back_a_part_at_a_time() {
        let depot = depot();
        let start = clock::seconds();
        while keep(&depot, 4096) {}
        depot.age(start + 1);
        let all = count(&depot, 4096) as usize;
        depot.age(start + 2);
        assert_eq!(count(&depot, 4096) as usize, all - all / BACK_PART);
        // As much for each second.
        depot.age(start + 5);
        assert_eq!(count(&depot, 4096), 0);
    }
}
