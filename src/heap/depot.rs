//! Full magazines of a heap, between threads: one stack for each class.
//!
//! A stack is held only for a push or a pop, so waiting is short; who cannot get it
//! at once goes to jemalloc. What the depot holds is bounded: when it is full, the class
//! that holds the most makes room for the others. What has not been used for a while goes
//! back, after some seconds, or earlier for as much that others take afresh.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::gate::Gate;
use super::magazine::Magazine;
use super::sync::Cell;
use super::{Heap, class};
use crate::clock;

/// Seconds after which magazines that nobody took go back to jemalloc.
const IDLE_SECONDS: u32 = 10;
/// The most magazines that go back at a time, lest somebody wait long for it.
const BACK_AT_ONCE: u32 = 64;

/// A class from which nobody has taken while so much more passed by makes room for another: a
/// part of what the depot may hold.
const MUCH_LONGER_PART: usize = 64;
/// And after so much it is not needed any more, unless that has proved wrong.
const NOT_NEEDED_PART: usize = 4;
/// But so much may stay.
const SPARED_PART: usize = 4;

/// The magazines of a class, for who holds the stack.
struct Magazines {
    full: *mut Magazine,
    /// For who brings a full one: magazines without blocks.
    empty: *mut Magazine,
    /// The fewest full ones since the depot was last looked at.
    fewest: u32,
    /// Full ones whose time has come.
    idle: u32,
}

impl Magazines {
    const NONE: Self = Self {
        full: ptr::null_mut(),
        empty: ptr::null_mut(),
        fewest: 0,
        idle: 0,
    };
}

/// The stack of a class.
struct Stack {
    magazines: Gate<Magazines>,
    /// Number of full magazines; written by who holds the stack.
    count: AtomicU32,
    /// How much had passed by the depot when blocks were last needed.
    needed: AtomicUsize,
    /// Whether any have gone back since because they were not.
    went_back: AtomicBool,
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
            needed: AtomicUsize::new(0),
            went_back: AtomicBool::new(false),
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
pub(super) struct Depot {
    stacks: [Stack; class::COUNT],
    /// Bytes of the blocks in it.
    bytes: AtomicUsize,
    /// Bytes of blocks that have passed by it, because it was full, or because it had none of
    /// their class beside much else.
    passed: AtomicUsize,
    /// The most that passed before a class was needed again of which blocks had gone back, if
    /// it could have been kept for so long.
    patience: AtomicUsize,
    /// When it was last looked at, in seconds.
    looked: AtomicU32,
}

impl Depot {
    pub(super) fn new() -> Self {
        Self {
            stacks: [const { Stack::new() }; class::COUNT],
            bytes: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            patience: AtomicUsize::new(0),
            looked: AtomicU32::new(clock::seconds()),
        }
    }

    /// Takes a magazine with blocks, and keeps an empty one for it, which may be null.
    ///
    /// # Safety
    /// The empty one is the caller's, and still so if there is none with blocks.
    pub(super) unsafe fn pop(&self, offset: usize, empty: *mut Magazine) -> Option<*mut Magazine> {
        // SAFETY: the caller's promise.
        let full = unsafe { self.remove(offset, empty) }?;
        let passed = self.passed.load(Ordering::Relaxed);
        let needed = &self.stacks[offset >> class::BIN_BITS].needed;
        needed.store(passed, Ordering::Relaxed);
        Some(full)
    }

    /// The same, but not because somebody needs blocks of that class.
    unsafe fn remove(&self, offset: usize, empty: *mut Magazine) -> Option<*mut Magazine> {
        // SAFETY: the caller's promise.
        let full = unsafe { self.stacks[offset >> class::BIN_BITS].take(empty) };
        // SAFETY: null or a magazine that is ours now.
        let bytes = unsafe { full.as_ref() }?.count * class::size_of(offset);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(full)
    }

    /// Notes that there were no blocks of a class here, and that jemalloc gave so many bytes of
    /// them. When there is much else, some of what nobody has needed for long goes back, no
    /// more than that.
    pub(super) fn missed(&self, heap: &Heap, offset: usize, bytes: usize) {
        let limit = heap.depot_limit.load(Ordering::Relaxed);
        let class = offset >> class::BIN_BITS;
        let stack = &self.stacks[class];
        let is_little = self.bytes.load(Ordering::Relaxed) <= limit / SPARED_PART;
        let bytes = if is_little { 0 } else { bytes };
        let before = self.passed.fetch_add(bytes, Ordering::Relaxed);
        let passed = before + bytes;
        if stack.went_back.swap(false, Ordering::Relaxed) {
            let unused = self.unused(class, passed);
            if unused <= limit {
                self.patience.fetch_max(unused, Ordering::Relaxed);
            }
        }
        stack.needed.store(passed, Ordering::Relaxed);
        if is_little {
            return;
        }
        let patience = self.patience.load(Ordering::Relaxed);
        if let Some(stale) = self.stale(passed, patience.max(limit / NOT_NEEDED_PART)) {
            let magazine = magazine_bytes(stale);
            if before / magazine != passed / magazine && self.give_back(heap, stale) {
                self.stacks[stale].went_back.store(true, Ordering::Relaxed);
            }
        }
    }

    /// How much had passed by since somebody needed a class, when it was `passed`. Another
    /// thread may have needed it later.
    fn unused(&self, class: usize, passed: usize) -> usize {
        passed.saturating_sub(self.stacks[class].needed.load(Ordering::Relaxed))
    }

    /// The class that nobody has needed for longest, if that is for more than `patience`.
    fn stale(&self, passed: usize, patience: usize) -> Option<usize> {
        self.held()
            .max_by_key(|class| self.unused(*class, passed))
            .filter(|class| self.unused(*class, passed) > patience)
    }

    /// The classes of which there are blocks.
    fn held(&self) -> impl Iterator<Item = usize> + '_ {
        (1..class::COUNT).filter(|class| self.bytes_of(*class) > 0)
    }

    /// Keeps a magazine and gives an empty one, or null, for it; `None` if the depot is
    /// full or in use.
    ///
    /// # Safety
    /// The magazine is the caller's, and the depot's if it is kept; it has blocks of `heap`,
    /// whose depot this is.
    pub(super) unsafe fn exchange(
        &self,
        heap: &Heap,
        magazine: *mut Magazine,
        offset: usize,
    ) -> Option<*mut Magazine> {
        let class = offset >> class::BIN_BITS;
        let limit = heap.depot_limit.load(Ordering::Relaxed);
        // SAFETY: the magazine is the caller's.
        let bytes = unsafe { (*magazine).count } * class::size_of(offset);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut empty = None;
        if held <= limit || self.make_room(heap, class, limit) {
            let stack = &self.stacks[class];
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

    /// About the bytes that a class holds.
    fn bytes_of(&self, class: usize) -> usize {
        let count = self.stacks[class].count.load(Ordering::Relaxed) as usize;
        count * magazine_bytes(class)
    }

    /// Makes room for a magazine of a class, down to `limit`: at the cost of the class that
    /// nobody has needed for longest, if that is much longer than for this one, else of the
    /// class that holds the most, if that is more than this one would hold. Otherwise who comes
    /// first would have the depot for good.
    #[cold]
    fn make_room(&self, heap: &Heap, class: usize, limit: usize) -> bool {
        let magazine = magazine_bytes(class);
        let passed = self.passed.fetch_add(magazine, Ordering::Relaxed) + magazine;
        let patience = 2 * self.unused(class, passed) + limit / MUCH_LONGER_PART;
        let own = self.bytes_of(class) + magazine;
        while self.bytes.load(Ordering::Relaxed) > limit {
            let victim = self.stale(passed, patience).or_else(|| {
                let largest = self.held().max_by_key(|other| self.bytes_of(*other));
                largest.filter(|other| self.bytes_of(*other) > own)
            });
            if !victim.is_some_and(|victim| self.give_back(heap, victim)) {
                return false;
            }
        }
        true
    }

    /// Gives a magazine of a class back to jemalloc; `false` if there is none.
    fn give_back(&self, heap: &Heap, class: usize) -> bool {
        let offset = class << class::BIN_BITS;
        // SAFETY: there is no empty one. The full one is ours then, with free blocks of a
        // heap that lives.
        unsafe {
            let Some(magazine) = self.remove(offset, ptr::null_mut()) else {
                return false;
            };
            let bytes = Magazine::drain(magazine, offset);
            Magazine::free(magazine);
            heap.count_drained(bytes);
        }
        true
    }

    /// Gives back what has not been used for a while, a part at a time.
    pub(super) fn age(&self, heap: &Heap, now: u32) {
        let last = self.looked.load(Ordering::Relaxed);
        if now.wrapping_sub(last) >= IDLE_SECONDS {
            self.looked.store(now, Ordering::Relaxed);
            for stack in &self.stacks {
                let empty = stack.magazines.with(|magazines| {
                    magazines.idle = magazines.fewest;
                    magazines.fewest = stack.count.load(Ordering::Relaxed);
                    core::mem::replace(&mut magazines.empty, ptr::null_mut())
                });
                free_list(empty.unwrap_or(ptr::null_mut()));
            }
        }
        let mut left = BACK_AT_ONCE;
        for (class, stack) in self.stacks.iter().enumerate().skip(1) {
            let due = stack.magazines.with(|magazines| {
                let due = magazines.idle.min(left);
                magazines.idle -= due;
                due
            });
            for _ in 0..due.unwrap_or(0) {
                self.give_back(heap, class);
                left -= 1;
            }
        }
    }

    /// Gives everything back to jemalloc.
    pub(super) fn drain(&self, heap: &Heap) {
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
    pub(super) fn forget(&self) {
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
    pub(super) fn after_fork_in_child(&self) {
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
pub(super) fn bytes(heap: &Heap) -> usize {
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
    fn who_holds_the_most_makes_room() {
        let (depot, heap) = (Depot::new(), heap());
        let large = class::magazine_capacity(class::offset(65536)) * 65536;
        for _ in 0..LIMIT / large {
            assert!(keep(&depot, &heap, 65536));
        }
        // One more of the same would come at its own cost, one of another class does not.
        assert!(!keep(&depot, &heap, 65536));
        let turn = heap.full.turn();
        for round in 1..=32 {
            assert!(keep(&depot, &heap, 64));
            assert_eq!(count(&depot, 64), round);
        }
        assert!(count(&depot, 65536) > 0);
        // Who was refused meanwhile learns that the arenas have got blocks.
        assert_ne!(heap.full.turn(), turn);
        assert!(depot.bytes.load(Ordering::Relaxed) <= LIMIT);
        depot.drain(&heap);
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_is_in_use_gets_what_others_leave() {
        let (depot, heap) = (Depot::new(), heap());
        let offset = class::offset(64);
        let bytes = class::magazine_capacity(offset) * 64;
        while keep(&depot, &heap, 4096) {}
        // Of the class that is taken from all that is needed stays, though it is most.
        for _ in 0..4 {
            let mut taken = 0;
            // SAFETY: there is no empty one, and what is taken is ours.
            while let Some(full) = unsafe { depot.pop(offset, ptr::null_mut()) } {
                taken += 1;
                // SAFETY: as above.
                unsafe {
                    Magazine::drain(full, offset);
                    Magazine::free(full);
                }
            }
            assert!(taken <= LIMIT / bytes);
            for _ in 0..LIMIT / bytes {
                keep(&depot, &heap, 64);
            }
        }
        assert_eq!(count(&depot, 4096), 0);
        assert_eq!(count(&depot, 64) as usize, LIMIT / bytes);
        depot.drain(&heap);
    }

    #[test]
    fn what_nobody_needs_makes_up_for_fresh_blocks() {
        let (depot, heap) = (Depot::new(), heap());
        let offset = class::offset(64);
        let held = || depot.bytes.load(Ordering::Relaxed);
        let fill = |size| while held() <= LIMIT / 2 && keep(&depot, &heap, size) {};
        let miss = || depot.missed(&heap, class::offset(128), LIMIT / 64);
        fill(4096);
        let full = held();
        // It may be needed yet; then as much goes back as is taken afresh.
        for _ in 0..64 / NOT_NEEDED_PART {
            miss();
        }
        assert_eq!(held(), full);
        for _ in 0..8 {
            miss();
        }
        let gone = full - held();
        assert!(gone > 0 && gone <= LIMIT / 8);
        for _ in 0..64 {
            miss();
        }
        assert!(held() > 0 && held() <= LIMIT / SPARED_PART);
        // What is taken now and then stays.
        fill(64);
        let before = count(&depot, 64);
        for _ in 0..256 {
            miss();
            // SAFETY: there is no empty one, and what is taken is brought back.
            unsafe {
                let taken = depot.pop(offset, ptr::null_mut());
                let kept = taken.and_then(|taken| depot.exchange(&heap, taken, offset));
                assert!(kept.is_some());
            }
        }
        assert_eq!(count(&depot, 64), before);
        depot.drain(&heap);
    }

    #[test]
    fn what_is_needed_in_turn_comes_to_stay() {
        const SIZES: [usize; 10] = [64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        let (depot, heap) = (Depot::new(), heap());
        // How many bytes come from jemalloc in a round in which each size is needed once.
        let round = |most: usize| {
            let mut fresh = 0;
            for size in SIZES {
                let offset = class::offset(size);
                let mut taken = Vec::new();
                // SAFETY: there is no empty one.
                while let Some(full) = unsafe { depot.pop(offset, ptr::null_mut()) } {
                    taken.push(full);
                }
                let bytes = magazine_bytes(offset >> class::BIN_BITS);
                let mut held = taken.len() * bytes;
                while held < most {
                    depot.missed(&heap, offset, bytes);
                    taken.push(Magazine::full(offset));
                    held += bytes;
                    fresh += bytes;
                }
                for magazine in taken {
                    // SAFETY: ours, and full of free blocks of the class.
                    unsafe {
                        if depot.exchange(&heap, magazine, offset).is_none() {
                            Magazine::drain(magazine, offset);
                            Magazine::free(magazine);
                        }
                    }
                }
            }
            fresh
        };
        let part = LIMIT / SIZES.len() / 5 * 4;
        for _ in 0..8 {
            round(part);
        }
        assert_eq!(round(part), 0);
        depot.drain(&heap);
    }

    #[test]
    fn what_was_needed_a_moment_ago_is_not_stale() {
        let (depot, heap) = (Depot::new(), heap());
        let class = class::offset(64) >> class::BIN_BITS;
        assert!(keep(&depot, &heap, 64));
        depot.stacks[class].needed.store(2000, Ordering::Relaxed);
        // Somebody looks only now who passed by before that.
        assert_eq!(depot.stale(1000, 100), None);
        assert_eq!(depot.stale(2101, 100), Some(class));
        // Nor is what was needed while there was little else.
        depot.passed.store(3000, Ordering::Relaxed);
        depot.missed(&heap, class::offset(64), 64);
        assert_eq!(depot.stale(3000, 100), None);
        depot.drain(&heap);
    }

    #[test]
    fn what_nobody_takes_goes_back() {
        let (depot, heap) = (Depot::new(), heap());
        let start = clock::seconds();
        for _ in 0..3 {
            assert!(keep(&depot, &heap, 64));
            assert!(keep(&depot, &heap, 4096));
        }
        depot.age(&heap, start + IDLE_SECONDS);
        assert_eq!(count(&depot, 64), 3);
        // One of them is taken and brought back: the other two are idle.
        let offset = class::offset(64);
        // SAFETY: there is no empty one, and what is taken is brought back.
        unsafe {
            let taken = depot.pop(offset, ptr::null_mut());
            let kept = taken.and_then(|taken| depot.exchange(&heap, taken, offset));
            assert!(kept.is_some());
        }
        depot.age(&heap, start + 2 * IDLE_SECONDS);
        assert_eq!((count(&depot, 64), count(&depot, 4096)), (1, 0));
        depot.age(&heap, start + 3 * IDLE_SECONDS);
        assert_eq!(depot.bytes.load(Ordering::Relaxed), 0);
    }
}
