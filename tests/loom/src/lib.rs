//! The lock-free parts of the heap, each compiled from the library's own source, under
//! loom: it runs a test again and again, in every order of the threads' accesses and with
//! every value that a load may return in the C++ memory model, and reports an access to a
//! [`sync::Cell`] that is not ordered after another thread's.
//!
//! The barrier of `busy.rs` has a cheap half and an expensive one, membarrier(2). Together they
//! order like two sequentially consistent fences, which stand for them here.
#![cfg(test)]

#[path = "../../../src/heap"]
mod heap {
    pub(crate) mod thread {
        pub(crate) mod busy;
    }
    pub(crate) mod cache {
        pub(crate) mod gate;
    }
    pub(crate) mod base {
        /// What `src/heap/base/sync.rs` is in the library.
        pub(crate) mod sync {
            pub(crate) use loom::hint::spin_loop;
            pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

            /// Enough to meet another thread in every place.
            pub(crate) const TRIES: u32 = 2;

            pub(crate) struct Cell<T>(loom::cell::UnsafeCell<T>);

            impl<T> Cell<T> {
                pub(crate) fn new(value: T) -> Self {
                    Self(loom::cell::UnsafeCell::new(value))
                }

                pub(crate) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
                    self.0.with_mut(work)
                }
            }

            pub(crate) fn light_barrier() {
                fence(Ordering::SeqCst);
            }
        }
    }
}

use heap::base::sync::{AtomicBool, AtomicU32, Cell, Ordering, fence};
use heap::cache::gate::Gate;
use heap::thread::busy::Busy;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

/// A depot's stack: one thread brings a magazine, another takes one. None is lost, none is
/// had twice. (No more than that: loom remembers the last seven stores of an atomic.)
#[test]
fn a_magazine_has_one_owner() {
    loom::model(|| {
        let stack = Arc::new(Gate {
            held: AtomicBool::new(false),
            value: Cell::new(vec![0_u32]),
        });
        let brings = thread::spawn({
            let stack = stack.clone();
            move || match stack.with(|magazines| magazines.push(1)) {
                Some(()) => None,
                None => Some(1),
            }
        });
        let takes = thread::spawn({
            let stack = stack.clone();
            move || stack.with(Vec::pop).flatten()
        });
        let mut all = Vec::from_iter(brings.join().unwrap());
        all.extend(takes.join().unwrap());
        all.extend(stack.with(std::mem::take).expect("no thread holds it"));
        all.sort_unstable();
        assert_eq!(all, [0, 1]);
    });
}

/// A cache as the protocol of `busy.rs` sees it: blocks in it, and where its thread finds it.
struct Owned {
    busy: Busy,
    /// 1: the cache is in its place; 0: it has been taken.
    place: AtomicUsize,
    cache: Cell<u32>,
}

impl Owned {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            busy: Busy {
                flag: AtomicU32::new(0),
            },
            place: AtomicUsize::new(1),
            cache: Cell::new(0),
        })
    }

    /// As in `fast.rs`: how many blocks the owner could put into the cache.
    fn put(&self) -> u32 {
        self.busy.enter();
        let there = self.place.load(Ordering::Relaxed) == 1;
        if there {
            // SAFETY: the cache is this thread's, which has entered.
            self.cache.with_mut(|blocks| unsafe { *blocks += 1 });
        }
        self.busy.leave();
        there.into()
    }

    /// Takes the cache away, as `take_caches` in `heap/cache/store.rs` does, and returns the number of its blocks.
    fn take(&self) -> u32 {
        if self.place.swap(0, Ordering::AcqRel) == 0 {
            return 0;
        }
        fence(Ordering::SeqCst);
        while self.busy.is_set() {
            thread::yield_now();
        }
        // SAFETY: no other thread can reach the cache any more.
        self.cache
            .with_mut(|blocks| std::mem::take(unsafe { &mut *blocks }))
    }
}

/// The owner goes on while another thread takes its cache: every block is in what was
/// taken, and the two never use the cache at once.
#[test]
fn a_cache_is_taken_whole() {
    loom::model(|| {
        let owned = Owned::new();
        let taker = thread::spawn({
            let owned = owned.clone();
            move || owned.take()
        });
        let put = owned.put() + owned.put();
        assert_eq!(taker.join().unwrap(), put);
    });
}

/// Of two threads that want a cache one gets it.
#[test]
fn a_cache_is_taken_once() {
    loom::model(|| {
        let owned = Owned::new();
        let taker = thread::spawn({
            let owned = owned.clone();
            move || owned.take()
        });
        let other = thread::spawn({
            let owned = owned.clone();
            move || owned.take()
        });
        let put = owned.put();
        assert_eq!(taker.join().unwrap() + other.join().unwrap(), put);
    });
}

/// The model sees what the barrier is for: without the taker's half it finds both threads
/// in the cache.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_the_barrier_both_are_in() {
    loom::model(|| {
        let owned = Owned::new();
        let taker = thread::spawn({
            let owned = owned.clone();
            move || {
                owned.place.store(0, Ordering::Relaxed);
                if !owned.busy.is_set() {
                    // SAFETY: none; that is what is to be found.
                    owned.cache.with_mut(|blocks| unsafe { *blocks = 0 });
                }
            }
        });
        owned.put();
        taker.join().unwrap();
    });
}
