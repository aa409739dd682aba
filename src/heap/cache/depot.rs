//! Full magazines of a heap, between threads: one stack for each class.
//!
//! A stack is held only for a push or a pop, so waiting is short; a thread that cannot get it
//! at once goes to jemalloc. The bytes of the blocks in a depot are bounded. What nobody has taken
//! for a second goes back to jemalloc, a part of it each second.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crate::clock;
use crate::heap::base::sync::Cell;
use crate::heap::cache::gate::Gate;
use crate::heap::magazine::Magazine;
use crate::heap::{Heap, class};

/// The part of what a depot may hold that goes back in a second at most: a thread waits for it.
const BACK_PART: usize = 4;

/// The magazines of a class, for the thread that holds the stack.
struct Magazines {
    full: *mut Magazine,
    /// For threads that bring a full one: magazines without blocks.
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
}

// SAFETY: magazines belong to nobody while they are here.
unsafe impl Send for Magazines {}

impl Stack {
    const fn new() -> Self {
        Self {
            magazines: Gate {
                held: AtomicBool::new(false),
                value: Cell::new(Magazines::NONE),
            },
            count: AtomicU32::new(0),
        }
    }

    /// Takes a full magazine, and keeps an empty one for it; null if there is none.
    ///
    /// # Safety
    /// The empty one is null or the caller's, and the stack's if it is kept.
    unsafe fn take(&self, empty: *mut Magazine) -> *mut Magazine {
        let taken = self.magazines.with(|magazines| {
            // SAFETY: null or a magazine of the stack.
            let full = unsafe { pop(&mut magazines.full) };
            if !full.is_null() {
                let count = self.count.load(Ordering::Relaxed) - 1;
                self.count.store(count, Ordering::Relaxed);
                magazines.fewest = magazines.fewest.min(count);
                if !empty.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { push(&mut magazines.empty, empty) };
                }
            }
            full
        });
        taken.unwrap_or(ptr::null_mut())
    }
}

/// Takes the first magazine of a list; null if it is empty.
///
/// # Safety
/// The list is the caller's.
unsafe fn pop(list: &mut *mut Magazine) -> *mut Magazine {
    let first = *list;
    // SAFETY: null or a magazine of the list.
    if let Some(magazine) = unsafe { first.as_ref() } {
        *list = magazine.next;
    }
    first
}

/// Puts a magazine before a list.
///
/// # Safety
/// Both are the caller's.
unsafe fn push(list: &mut *mut Magazine, magazine: *mut Magazine) {
    // SAFETY: the caller's promise.
    unsafe { (*magazine).next = *list };
    *list = magazine;
}

/// The full magazines of a heap.
pub(crate) struct Depot {
    stacks: [Stack; class::COUNT],
    /// Bytes of the blocks in it.
    bytes: AtomicUsize,
    /// When it was last looked at, in seconds.
    looked: AtomicU32,
}

impl Depot {
    pub(crate) fn new() -> Self {
        Self {
            stacks: [const { Stack::new() }; class::COUNT],
            bytes: AtomicUsize::new(0),
            looked: AtomicU32::new(clock::seconds()),
        }
    }

    /// Takes a magazine with blocks, and keeps an empty one for it, which may be null.
    ///
    /// # Safety
    /// The empty one is the caller's, and still so if there is none with blocks.
    pub(crate) unsafe fn pop(&self, offset: usize, empty: *mut Magazine) -> Option<*mut Magazine> {
        // SAFETY: the caller's promise.
        let full = unsafe { self.stacks[offset >> class::BIN_BITS].take(empty) };
        // SAFETY: null or a magazine that is ours now.
        let bytes = unsafe { full.as_ref() }?.count * class::size_of(offset);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(full)
    }

    /// The classes of which there are blocks.
    fn held(&self) -> impl Iterator<Item = usize> + '_ {
        (1..class::COUNT).filter(|class| self.has(*class))
    }

    /// Whether there are blocks of a class.
    pub(crate) fn has(&self, class: usize) -> bool {
        self.stacks[class].count.load(Ordering::Relaxed) > 0
    }

    /// Keeps a magazine and gives an empty one, or null, for it; `None` if the depot is
    /// full or in use.
    ///
    /// # Safety
    /// The magazine is the caller's, and the depot's if it is kept; it has blocks of `heap`,
    /// whose depot this is.
    pub(crate) unsafe fn exchange(
        &self,
        heap: &Heap,
        magazine: *mut Magazine,
        offset: usize,
    ) -> Option<*mut Magazine> {
        // SAFETY: the magazine is the caller's.
        let bytes = unsafe { (*magazine).count } * class::size_of(offset);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut empty = None;
        if held <= heap.depot_limit.load(Ordering::Relaxed) {
            let stack = &self.stacks[offset >> class::BIN_BITS];
            empty = stack.magazines.with(|magazines| {
                let count = stack.count.load(Ordering::Relaxed) + 1;
                stack.count.store(count, Ordering::Relaxed);
                // SAFETY: the magazine is the caller's, the lists are the stack's.
                unsafe {
                    push(&mut magazines.full, magazine);
                    pop(&mut magazines.empty)
                }
            });
        }
        if empty.is_none() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        empty
    }

    /// Gives a magazine of a class back to jemalloc; `false` if there is none.
    fn give_back(&self, heap: &Heap, class: usize) -> bool {
        let offset = class << class::BIN_BITS;
        // SAFETY: there is no empty one. The full one is ours then, with free blocks of a
        // heap that lives.
        unsafe {
            let Some(magazine) = self.pop(offset, ptr::null_mut()) else {
                return false;
            };
            Magazine::drain(magazine, offset);
            Magazine::free(magazine);
            heap.full.next_turn();
        }
        true
    }

    /// Gives back what nobody has taken since the last look, no more than a part of what the
    /// depot may hold for each second since then.
    pub(crate) fn age(&self, heap: &Heap, now: u32) {
        let seconds = now.wrapping_sub(self.looked.swap(now, Ordering::Relaxed)) as usize;
        let limit = heap.depot_limit.load(Ordering::Relaxed);
        let mut left = (limit / BACK_PART).saturating_mul(seconds);
        for (class, stack) in self.stacks.iter().enumerate().skip(1) {
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
            free_list(empty);
            for _ in 0..idle {
                if left == 0 || !self.give_back(heap, class) {
                    break;
                }
                left = left.saturating_sub(magazine_bytes(class));
            }
            stack.magazines.with(|magazines| {
                magazines.fewest = stack.count.load(Ordering::Relaxed);
            });
        }
    }

    /// Gives everything back to jemalloc.
    pub(crate) fn drain(&self, heap: &Heap) {
        for class in self.held() {
            // What others bring meanwhile stays.
            for _ in 0..self.stacks[class].count.load(Ordering::Relaxed) {
                if !self.give_back(heap, class) {
                    break;
                }
            }
        }
    }

    /// Frees the magazines; their blocks go with their arenas.
    pub(crate) fn forget(&self) {
        for stack in &self.stacks {
            let all = stack.magazines.with(|magazines| {
                stack.count.store(0, Ordering::Relaxed);
                core::mem::replace(magazines, Magazines::NONE)
            });
            if let Some(all) = all {
                free_list(all.full);
                free_list(all.empty);
            }
        }
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// In a child just forked: a stack that a thread held at that moment is given up.
    pub(crate) fn after_fork_in_child(&self) {
        let mut bytes = 0;
        for (class, stack) in self.stacks.iter().enumerate() {
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
            // SAFETY: null or a magazine of the stack, which nobody held.
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

/// Frees magazines, not their blocks.
fn free_list(mut list: *mut Magazine) {
    while !list.is_null() {
        // SAFETY: the list has left its stack and is ours.
        unsafe {
            let magazine = pop(&mut list);
            Magazine::free(magazine);
        }
    }
}

/// Bytes in the depot of a heap.
pub(crate) fn bytes(heap: &Heap) -> usize {
    heap.depot()
        .map_or(0, |depot| depot.bytes.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backing::{Backing, Fixed};

    const LIMIT: usize = 1 << 20;

    /// A heap that nobody allocates from.
    fn heap() -> Heap {
        let heap = Heap::new(Backing::Fixed(Fixed::new(1 << 40, 4096)), 1000, None);
        heap.depot_limit.store(LIMIT, Ordering::Relaxed);
        heap
    }

    fn keep(depot: &Depot, heap: &Heap, size: usize) -> bool {
        let offset = class::offset(size);
        let magazine = Magazine::full(offset);
        // SAFETY: the magazine is ours, and full of free blocks of the class.
        unsafe {
            let kept = depot.exchange(heap, magazine, offset).is_some();
            if !kept {
                Magazine::drain(magazine, offset);
                Magazine::free(magazine);
            }
            kept
        }
    }

    fn count(depot: &Depot, size: usize) -> u32 {
        let class = class::offset(size) >> class::BIN_BITS;
        depot.stacks[class].count.load(Ordering::Relaxed)
    }

    #[test]
    fn it_holds_no_more_than_its_limit() {
        let (depot, heap) = (Depot::new(), heap());
        let magazine = magazine_bytes(class::offset(65536) >> class::BIN_BITS);
        for _ in 0..LIMIT / magazine {
            assert!(keep(&depot, &heap, 65536));
        }
        assert!(!keep(&depot, &heap, 65536) && !keep(&depot, &heap, 64));
        let turn = heap.full.turn();
        depot.drain(&heap);
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
        // Who was refused meanwhile learns that the arenas have got blocks.
        assert_ne!(heap.full.turn(), turn);
    }

    #[test]
    fn what_nobody_takes_goes_back() {
        let (depot, heap) = (Depot::new(), heap());
        let start = clock::seconds();
        for _ in 0..3 {
            assert!(keep(&depot, &heap, 64));
            assert!(keep(&depot, &heap, 4096));
        }
        depot.age(&heap, start + 1);
        assert_eq!(count(&depot, 64), 3);
        // One of them is taken and brought back: the other two are idle.
        let offset = class::offset(64);
        // SAFETY: there is no empty one, and what is taken is brought back.
        unsafe {
            let taken = depot.pop(offset, ptr::null_mut());
            let kept = taken.and_then(|taken| depot.exchange(&heap, taken, offset));
            assert!(kept.is_some());
        }
        depot.age(&heap, start + 2);
        assert_eq!((count(&depot, 64), count(&depot, 4096)), (1, 0));
        depot.age(&heap, start + 3);
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn much_goes_back_a_part_at_a_time() {
        let (depot, heap) = (Depot::new(), heap());
        let start = clock::seconds();
        while keep(&depot, &heap, 4096) {}
        depot.age(&heap, start + 1);
        let all = count(&depot, 4096) as usize;
        depot.age(&heap, start + 2);
        assert_eq!(count(&depot, 4096) as usize, all - all / BACK_PART);
        // As much for each second.
        depot.age(&heap, start + 5);
        assert_eq!(count(&depot, 4096), 0);
    }
}
