//! Which arena a thread uses, and creating it when it is first needed.

pub(crate) mod hooks;

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

use crate::heap::extent_hooks::METADATA;
use crate::heap::lock::Lock;
use crate::heap::thread::Thread;
use crate::heap::{Heap, je};
use once_cell::race::OnceBox;

use crate::boxed::boxed;
use crate::env;
use crate::error::Error;
use crate::log;
use crate::topology;

/// The most arenas a kind can have.
pub const MAX: usize = 256;

/// Where a kind may have more, [`Arenas::active_each`] does not look at them.
const FEW: usize = 64;

/// The number of arenas a kind may have where nobody says otherwise: four for each
/// configured CPU; a power of two up to [`MAX`].
pub fn usual() -> u32 {
    rounded(topology::n_cpus_configured().saturating_mul(4) as u64)
}

fn rounded(count: u64) -> u32 {
    count.min(MAX as u64).next_power_of_two() as u32
}

/// A kind that cannot hold more is not divided into smaller parts than this: each arena
/// has free pages and half-used slabs that only some threads get at first.
const LEAST_PART: usize = 16 << 20;

/// The same for a kind that can hold no more than `bound` bytes.
pub fn usual_for(bound: Option<usize>) -> u32 {
    match bound.map_or(usize::MAX, |bytes| bytes / LEAST_PART) {
        0 => 1,
        parts => usual().min(1 << parts.ilog2().min(u32::BITS - 1)),
    }
}

/// The number of arenas a kind may have by MEMKIND_ARENA_NUM_PER_KIND, a power of two up to
/// [`MAX`]; `None` if it is not set. `Environ` for a malformed value.
pub fn asked_for() -> Result<Option<u32>, Error> {
    match env::get(env::ARENA_NUM_PER_KIND) {
        None => Ok(None),
        Some(text) => match env::parse_leading_decimal(text, i32::MAX as u64) {
            Some(count) if count > 0 => Ok(Some(rounded(count))),
            _ => {
                log::error!(
                    "Wrong MEMKIND_ARENA_NUM_PER_KIND environment value: {}.",
                    log::Bytes(text.to_bytes())
                );
                Err(Error::Environ)
            }
        },
    }
}

/// Held while an arena is made or destroyed. jemalloc counts its arenas before it takes
/// their locks for a fork and again when it lets go of them: one more in between, and
/// it lets go of a lock that it does not hold.
pub(crate) static MAKING: Lock = Lock::new();

/// The arenas of a heap, 0 where there is none yet.
pub(crate) struct Arenas {
    slots: OnceBox<[AtomicU32; MAX]>,
    /// Number of slots in use, a power of two; 0 before the limit is known.
    count: AtomicU32,
    /// Whether what is freed counts as unused for long at once.
    at_once: AtomicBool,
    /// Where each arena counts its active pages, once somebody has asked.
    active: OnceBox<[AtomicPtr<AtomicUsize>; MAX]>,
}

impl Arenas {
    pub(crate) const fn new() -> Self {
        Self {
            slots: OnceBox::new(),
            count: AtomicU32::new(0),
            at_once: AtomicBool::new(false),
            active: OnceBox::new(),
        }
    }

    /// Allows `count` arenas, a power of two, if there is memory for the list of them.
    pub(crate) fn open(&self, count: u32) {
        let list = || boxed([const { AtomicU32::new(0) }; MAX]);
        if self.slots.get_or_try_init(list).is_ok() {
            self.count.store(count, Ordering::Release);
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    fn slots(&self) -> &[AtomicU32] {
        let slots = self.slots.get().map_or(&[][..], |slots| &slots[..]);
        &slots[..slots.len().min(self.count() as usize)]
    }

    /// All arenas that exist.
    pub(crate) fn existing(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots()
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .filter(|arena| *arena != 0)
    }

    /// Pages of all arenas that hold blocks, those in caches included; `None` when that
    /// cannot be told.
    pub(crate) fn active_pages(&self) -> Option<usize> {
        let mut pages: usize = 0;
        for (slot, place) in self.slots().iter().zip(self.active.get()?) {
            if slot.load(Ordering::Acquire) != 0 {
                let active = NonNull::new(place.load(Ordering::Acquire))?;
                // SAFETY: a word of an arena, which lives as long as the heap.
                let active = unsafe { active.as_ref() }.load(Ordering::Relaxed);
                pages = pages.saturating_add(active);
            }
        }
        Some(pages)
    }

    /// The pages of each arena that hold blocks; `None` when that cannot be told, or would take
    /// long.
    pub(crate) fn active_each(&self) -> Option<[usize; FEW]> {
        let mut pages = [0; FEW];
        let slots = self.slots();
        let known = self.active.get().filter(|_| slots.len() <= FEW)?;
        for ((slot, place), pages) in slots.iter().zip(known).zip(&mut pages) {
            if slot.load(Ordering::Acquire) != 0 {
                let active = NonNull::new(place.load(Ordering::Acquire))?;
                // SAFETY: a word of an arena, which lives as long as the heap.
                *pages = unsafe { active.as_ref() }.load(Ordering::Relaxed);
            }
        }
        Some(pages)
    }

    /// Finds out where arenas count their active pages. jemalloc tells it of those that were
    /// there at the last snapshot of statistics, so there may have to be a new one.
    pub(crate) fn learn_active(&self, refresh: impl Fn() -> bool) {
        let list = || boxed([const { AtomicPtr::new(ptr::null_mut()) }; MAX]);
        let Ok(known) = self.active.get_or_try_init(list) else {
            return;
        };
        let mut refreshed = false;
        for (slot, place) in self.slots().iter().zip(known) {
            let arena = slot.load(Ordering::Acquire);
            if arena == 0 || !place.load(Ordering::Relaxed).is_null() {
                continue;
            }
            let mut active = je::active_pages(arena);
            if active.is_none() && !refreshed {
                refreshed = true;
                refresh();
                active = je::active_pages(arena);
            }
            if let Some(active) = active {
                place.store(active.as_ptr(), Ordering::Release);
            }
        }
    }

    /// Where the calling thread's arena is, if there is one.
    #[inline]
    fn slot(&self) -> Option<&AtomicU32> {
        let slots = self.slots();
        let number = Thread::current().map_or(0, Thread::number);
        slots.get(number & slots.len().wrapping_sub(1))
    }

    /// Whether an arena is the calling thread's.
    pub(crate) fn is_current(&self, arena: u32) -> bool {
        self.slot()
            .is_some_and(|slot| slot.load(Ordering::Acquire) == arena)
    }

    /// The calling thread's arena in `heap`, whose arenas these are.
    #[inline]
    pub(crate) fn current(&self, heap: &'static Heap) -> Result<u32, Error> {
        let slot = self.slot().ok_or(Error::NoMemory)?;
        match slot.load(Ordering::Acquire) {
            0 => self.create(slot, heap),
            arena => Ok(arena),
        }
    }

    #[cold]
    fn create(&self, slot: &AtomicU32, heap: &'static Heap) -> Result<u32, Error> {
        let hooks = heap.hooks.get();
        let _still = MAKING.hold();
        let Some(fresh) = je::create_arena(METADATA.as_ptr(), hooks) else {
            log::error!("Could not create arena.");
            // jemalloc has 4095: another arena of this kind serves as well.
            return self.existing().next().ok_or(Error::ArenasCreate);
        };
        je::set_oversize_threshold(fresh, crate::heap::uncached::LARGE_KEPT);
        if let Some(bytes) = heap.backing.growth() {
            je::set_retain_grow_limit(fresh, bytes);
        }
        if let Some(milliseconds) = heap.decay_ms {
            je::set_decay(fresh, milliseconds);
        }
        match slot.compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                fence(Ordering::SeqCst);
                if self.decays_at_once() {
                    je::set_decay(fresh, 0);
                }
                Ok(fresh)
            }
            Err(theirs) => {
                je::destroy_arena(fresh);
                Ok(theirs)
            }
        }
    }

    /// From now on what is freed counts as unused for long at once: jemalloc joins such
    /// extents. Those of a few pages that were used lately it keeps apart.
    pub(crate) fn begin_decay_at_once(&self) {
        if !self.at_once.swap(true, Ordering::Relaxed) {
            fence(Ordering::SeqCst);
            for arena in self.existing() {
                je::set_decay(arena, 0);
            }
        }
    }

    /// Whether that has begun.
    pub(crate) fn decays_at_once(&self) -> bool {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Destroys all arenas and with them every block.
    pub(crate) fn destroy(&self) {
        let _still = MAKING.hold();
        for slot in self.slots() {
            let arena = slot.swap(0, Ordering::AcqRel);
            if arena != 0 && !je::destroy_arena(arena) {
                log::error!("jemalloc cannot destroy arena {arena}.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_kinds_have_few_arenas() {
        assert_eq!(usual_for(Some(0)), 1);
        assert_eq!(usual_for(Some(2 * LEAST_PART - 1)), 1);
        assert_eq!(usual_for(Some(2 * LEAST_PART)), usual().min(2));
        assert_eq!(usual_for(Some(7 * LEAST_PART)), usual().min(4));
        assert_eq!(usual_for(Some(usize::MAX)), usual());
        assert_eq!(usual_for(None), usual());
    }
}
