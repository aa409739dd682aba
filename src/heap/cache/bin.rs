//! A thread's cache of free blocks of one heap: two magazines for each size class.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::heap::base::{class, je};
pub(super) use crate::heap::thread::magazine::{Bin, Magazine, Magazines};
use crate::heap::thread::tops::{Tops, no_place};

/// The magazines of all classes.
type Bins = [Magazines; class::COUNT];

/// No magazines. Nothing else is ever written there than what is there.
static NO_BINS: Bins = [const { Magazines::none() }; class::COUNT];

impl Bin<'_> {
    /// Whether there is a current magazine; makes an empty one if not. There is none afterwards when
    /// memory is short.
    pub(super) fn has_or_makes_magazine(self, offset: usize) -> bool {
        if !self.has_magazine() {
            let fresh = Magazine::with_places(class::magazine_capacity(offset));
            if !fresh.is_null() {
                // SAFETY: the magazine is fresh, and there is no current one.
                unsafe { self.load(fresh) };
            }
        }
        self.has_magazine()
    }
}

/// A cache.
#[repr(C)]
pub(super) struct Cache {
    /// The first field, since it is all that the fast paths know of a cache.
    tops: Tops,
    /// Its own, once it has magazines: many threads use a heap a few times.
    bins: AtomicPtr<Bins>,
    /// The next cache in a list of caches that have been taken from threads.
    next: AtomicPtr<Cache>,
    /// How often the thread has found a class without blocks, or without room for one.
    pub(super) misses: [AtomicU8; class::COUNT],
}

impl Cache {
    /// A cache without magazines; null when memory is short.
    pub(super) fn make() -> *mut Cache {
        let fresh: *mut Cache = je::new_record(size_of::<Cache>()).cast();
        // SAFETY: null, or fresh memory of that size; zeroes are valid for every field.
        if let Some(cache) = unsafe { fresh.as_ref() } {
            cache.clear();
        }
        fresh
    }

    pub(super) fn bin(&self, class: usize) -> Bin<'_> {
        // SAFETY: those that stand for none, or the cache's own, which go with it.
        let bins = unsafe { &*self.bins.load(Ordering::Acquire) };
        Bin {
            top: &self.tops[class],
            magazines: &bins[class],
        }
    }

    /// Makes a cache of zeroes one without magazines.
    fn clear(&self) {
        let none = (&raw const NO_BINS).cast_mut();
        self.bins.store(none, Ordering::Relaxed);
        // That of class::NO_BLOCKS is among them.
        for top in &self.tops {
            top.store(no_place(), Ordering::Relaxed);
        }
    }

    pub(super) fn has_bins(&self) -> bool {
        !ptr::eq(self.bins.load(Ordering::Relaxed), &NO_BINS)
    }

    /// Makes what magazines take beside the tops, if there is none yet; `false` when memory is
    /// short. In the cache's own thread.
    pub(super) fn make_bins(&self) -> bool {
        if self.has_bins() {
            return true;
        }
        let bins: *mut Bins = je::new_record(size_of::<Bins>()).cast();
        // SAFETY: null, or memory of that size; zeroes are valid for every field.
        let Some(fresh) = (unsafe { bins.as_ref() }) else {
            return false;
        };
        for magazines in fresh {
            magazines.base.store(no_place(), Ordering::Relaxed);
        }
        self.bins.store(bins, Ordering::Release);
        true
    }

    /// Counts a miss of a class, in the cache's own thread; whether the thread uses the class
    /// enough to cache its blocks.
    pub(super) fn count_miss(&self, offset: usize) -> bool {
        let misses = &self.misses[offset >> class::BIN_BITS];
        let count = misses.load(Ordering::Relaxed).saturating_add(1);
        misses.store(count, Ordering::Relaxed);
        count > patience(offset)
    }

    /// Bytes of free blocks in it; a guess while its thread is at work. The blocks of its heap are
    /// aligned to two to the power of `align_bits`.
    ///
    /// # Safety
    /// The cache is live.
    pub(super) unsafe fn bytes(cache: *const Cache, align_bits: u8) -> usize {
        // SAFETY: the cache is live; the bins are atomics, which its thread may change meanwhile.
        unsafe {
            (1..class::COUNT)
                .map(|class| {
                    let bin = (*cache).bin(class);
                    let count = bin.count();
                    let more = bin.magazines.n_previous.load(Ordering::Relaxed);
                    // A heap may have no class for sizes that it does not cache.
                    if count + more == 0 {
                        return 0;
                    }
                    let offset = class::rounded(class << class::BIN_BITS, align_bits);
                    // Top and base may be those of two magazines.
                    let count = count.min(class::magazine_capacity(offset));
                    (count + more) * class::size_of(offset)
                })
                .sum()
        }
    }

    /// Links a cache before a list.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(super) unsafe fn link(cache: *mut Cache, next: *mut Cache) {
        // SAFETY: the cache is live, and in no other list.
        unsafe { (*cache).next.store(next, Ordering::Relaxed) }
    }

    /// The rest of a list.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(super) unsafe fn unlink(cache: *mut Cache) -> *mut Cache {
        // SAFETY: the cache is live, and its list the caller's.
        unsafe { (*cache).next.swap(ptr::null_mut(), Ordering::Relaxed) }
    }

    /// Frees the cache; its blocks go to jemalloc, or nowhere if their arenas go too.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(super) unsafe fn discard(cache: *mut Cache, align_bits: u8, drain: bool) {
        // SAFETY: no thread reaches the cache, and its magazines hold free blocks of its heap.
        unsafe {
            Self::take_apart(cache, align_bits, |magazine, offset| {
                if drain {
                    Magazine::drain(magazine, offset);
                }
                Magazine::free(magazine);
            });
        }
    }

    /// Gives each magazine with the offset of its blocks' class to `each`, and frees the cache.
    ///
    /// # Safety
    /// The cache is the caller's, and not used afterwards. The blocks of its heap are aligned to two
    /// to the power of `align_bits`.
    pub(super) unsafe fn take_apart(
        cache: *mut Cache,
        align_bits: u8,
        mut each: impl FnMut(*mut Magazine, usize),
    ) {
        // SAFETY: the cache is the caller's, and not used after it is freed.
        unsafe {
            for class in 1..class::COUNT {
                let bin = (*cache).bin(class);
                for magazine in [bin.unload(), bin.take_previous()] {
                    if !magazine.is_null() {
                        each(
                            magazine,
                            class::rounded(class << class::BIN_BITS, align_bits),
                        );
                    }
                }
            }
            if (*cache).has_bins() {
                je::free_record((*cache).bins.load(Ordering::Relaxed).cast());
            }
            je::free_record(cache.cast());
        }
    }
}

/// How often a thread misses a class before it caches its blocks: the larger they are the more often,
/// up to [`class::MAX`]; above, where the bytes that a thread keeps are limited, 8 times. A thread that
/// uses many kinds and sizes a few times each would hold a magazine, and a block that others could
/// have, for each of them.
pub(super) fn patience(offset: usize) -> u8 {
    match class::size_of(offset) {
        size if size > class::MAX => 8,
        size => (8 + size / 64).min(128) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_tells_the_class_that_its_blocks_are_of() {
        let (asked, offset) = (class::offset(100), class::offset(128));
        let cache = Cache::make();
        let magazine = Magazine::with_places(class::magazine_capacity(offset));
        assert!(asked != offset && !cache.is_null() && !magazine.is_null());
        let mut seen = Vec::new();
        // SAFETY: both are ours and live.
        unsafe {
            assert!((*cache).make_bins());
            (*cache).bin(asked >> class::BIN_BITS).load(magazine);
            Cache::take_apart(cache, 6, |magazine, offset| {
                seen.push(offset);
                Magazine::free(magazine);
            });
        }
        assert_eq!(seen, [offset]);
    }

    #[test]
    fn statistics_do_not_look_into_the_previous_magazine() {
        let offset = class::offset(64);
        let cache = Cache::make();
        let magazine = Magazine::with_places(class::magazine_capacity(offset));
        assert!(!cache.is_null() && !magazine.is_null());
        // SAFETY: both are ours and live.
        unsafe {
            assert!((*cache).make_bins());
            let bin = (*cache).bin(offset >> class::BIN_BITS);
            (*magazine).count = 5;
            bin.set_previous(magazine);
            // The owner may have passed it on, and the next one changed it.
            (*magazine).count = 7;
            assert_eq!(Cache::bytes(cache, 0), 5 * 64);
            // Where every block is aligned to 128 bytes they are of that size.
            assert_eq!(Cache::bytes(cache, 7), 5 * 128);
            assert_eq!(bin.take_previous(), magazine);
            assert_eq!(Cache::bytes(cache, 7), 0);
            Magazine::free(magazine);
            je::free_record(cache.cast());
        }
    }
}
