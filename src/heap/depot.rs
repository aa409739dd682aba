//! Full magazines of a heap, between threads: one stack for each class.
//!
//! A stack is held only for a push or a pop, so waiting is short; who cannot get it
//! at once goes to jemalloc. What the depot holds is bounded, and what has not been
//! used for a while goes back.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::cell::UnsafeCell;

use super::cache::Magazine;
use super::{Heap, class};

/// Seconds after which half of what the depot holds goes back to jemalloc.
const IDLE_SECONDS: u32 = 10;

/// The stack of a class.
struct Stack {
    held: AtomicBool,
    head: UnsafeCell<*mut Magazine>,
}

// SAFETY: `head` is used only by who holds the stack.
unsafe impl Sync for Stack {}
// SAFETY: magazines belong to nobody while they are here.
unsafe impl Send for Stack {}

impl Stack {
    /// Runs `work` with the stack held; `None` if another thread does not let go.
    fn with<T>(&self, work: impl FnOnce(&mut *mut Magazine) -> T) -> Option<T> {
        const TRIES: u32 = 100;
        let held = (0..TRIES).any(|_| {
            let free =
                !self.held.load(Ordering::Relaxed) && !self.held.swap(true, Ordering::Acquire);
            if !free {
                core::hint::spin_loop();
            }
            free
        });
        held.then(|| {
            // SAFETY: the stack is held.
            let result = work(unsafe { &mut *self.head.get() });
            self.held.store(false, Ordering::Release);
            result
        })
    }
}

/// The full magazines of a heap.
pub(super) struct Depot {
    stacks: [Stack; class::COUNT],
    /// Bytes of the blocks in it.
    bytes: AtomicUsize,
    /// When it was last looked through, in seconds.
    looked: AtomicU32,
}

impl Depot {
    pub(super) fn new() -> Self {
        Self {
            stacks: [const {
                Stack {
                    held: AtomicBool::new(false),
                    head: UnsafeCell::new(ptr::null_mut()),
                }
            }; class::COUNT],
            bytes: AtomicUsize::new(0),
            looked: AtomicU32::new(now()),
        }
    }

    /// Takes a magazine with blocks.
    pub(super) fn pop(&self, offset: usize) -> Option<*mut Magazine> {
        let stack = &self.stacks[offset >> class::BIN_BITS];
        let magazine = stack.with(|head| {
            let magazine = *head;
            // SAFETY: null or a magazine of the stack.
            if let Some(first) = unsafe { magazine.as_ref() } {
                *head = first.next;
            }
            magazine
        })?;
        // SAFETY: null or a magazine that is ours now.
        let count = unsafe { magazine.as_ref() }?.count;
        self.bytes
            .fetch_sub(count * class::size_of(offset), Ordering::Relaxed);
        Some(magazine)
    }

    /// Keeps a magazine; `false` if the depot holds `limit` bytes or is in use.
    ///
    /// # Safety
    /// The magazine is the caller's, and the depot's if it is kept.
    pub(super) unsafe fn push(&self, magazine: *mut Magazine, offset: usize, limit: usize) -> bool {
        // SAFETY: the magazine is the caller's.
        let bytes = unsafe { (*magazine).count } * class::size_of(offset);
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= limit {
            let kept = self.stacks[offset >> class::BIN_BITS].with(|head| {
                // SAFETY: as above.
                unsafe { (*magazine).next = *head };
                *head = magazine;
            });
            if kept.is_some() {
                self.look_through();
                return true;
            }
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    /// Gives half of the magazines back now and then.
    fn look_through(&self) {
        let (now, last) = (now(), self.looked.load(Ordering::Relaxed));
        let due = now.wrapping_sub(last) >= IDLE_SECONDS
            && self
                .looked
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if due {
            for class in 1..class::COUNT {
                self.give_back(class, 2);
            }
        }
    }

    /// Gives one in `part` magazines of a class back to jemalloc.
    fn give_back(&self, class: usize, part: usize) {
        let taken = self.stacks[class].with(|head| {
            let (mut kept, mut taken) = (ptr::null_mut(), ptr::null_mut());
            let (mut next, mut index) = (*head, 0);
            // SAFETY: the magazines of the stack, each moved to one of two lists.
            while let Some(magazine) = unsafe { next.as_mut() } {
                let rest = magazine.next;
                let list = if index % part == 0 {
                    &mut taken
                } else {
                    &mut kept
                };
                magazine.next = *list;
                *list = next;
                next = rest;
                index += 1;
            }
            *head = kept;
            taken
        });
        let mut next = taken.unwrap_or(ptr::null_mut());
        while !next.is_null() {
            // SAFETY: the list is ours now; its blocks are free blocks of a live heap.
            unsafe {
                let magazine = next;
                next = (*magazine).next;
                let bytes = (*magazine).count * class::size_of(class << class::BIN_BITS);
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Magazine::drain(magazine);
                Magazine::free(magazine);
            }
        }
    }

    /// Gives everything back to jemalloc.
    pub(super) fn drain(&self) {
        for class in 1..class::COUNT {
            self.give_back(class, 1);
        }
    }

    /// Frees the magazines; their blocks go with their arenas.
    pub(super) fn forget(&self) {
        for stack in &self.stacks {
            let mut next = stack
                .with(|head| core::mem::replace(head, ptr::null_mut()))
                .unwrap_or(ptr::null_mut());
            while !next.is_null() {
                // SAFETY: the list is ours now.
                unsafe {
                    let magazine = next;
                    next = (*magazine).next;
                    Magazine::free(magazine);
                }
            }
        }
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// In a child just forked: a stack that a thread held at that moment is given up.
    pub(super) fn after_fork_in_child(&self) {
        for stack in &self.stacks {
            if stack.held.load(Ordering::Relaxed) {
                // SAFETY: the child has one thread.
                unsafe { *stack.head.get() = ptr::null_mut() };
                stack.held.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// Bytes in the depot of a heap.
pub(super) fn bytes(heap: &Heap) -> usize {
    heap.depot()
        .map_or(0, |depot| depot.bytes.load(Ordering::Relaxed))
}

/// Seconds on a clock that is cheap to read.
fn now() -> u32 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec as u32
}
