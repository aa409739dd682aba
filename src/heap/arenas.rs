//! Which arena a thread uses, and creating it when it is first needed.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use super::extent_hooks::METADATA;
use super::{Heap, je};
use crate::env;
use crate::error::Error;
use crate::log;
use crate::topology;

/// The most arenas a kind can have.
pub const MAX: usize = 256;

/// Threads are numbered as they come; the number picks their arena in every kind.
static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// This thread's number plus one, 0 before its first use of a kind.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
}

#[inline]
fn thread_number() -> u32 {
    NUMBER.with(|cell| match cell.get() {
        0 => {
            let number = THREADS.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff;
            cell.set(number + 1);
            number
        }
        number => number - 1,
    })
}

/// The number of arenas a kind may have: MEMKIND_ARENA_NUM_PER_KIND, else four for
/// each configured CPU; a power of two up to [`MAX`]. `Environ` for a malformed value.
pub fn limit() -> Result<u32, Error> {
    let wanted = match env::get(env::ARENA_NUM_PER_KIND) {
        None => topology::n_cpus_configured().saturating_mul(4) as u64,
        Some(text) => match env::parse_decimal(text, i32::MAX as u64) {
            Some(count) if count > 0 => count,
            _ => {
                log::error!(
                    "Wrong MEMKIND_ARENA_NUM_PER_KIND environment value: {}.",
                    log::Bytes(text.to_bytes())
                );
                return Err(Error::Environ);
            }
        },
    };
    Ok(wanted.min(MAX as u64).next_power_of_two() as u32)
}

/// The arenas of a heap, 0 where there is none yet.
pub(super) struct Arenas {
    slots: [AtomicU32; MAX],
    /// Number of slots in use, a power of two; 0 before the limit is known.
    count: AtomicU32,
}

impl Arenas {
    pub(super) const fn new() -> Self {
        Self {
            slots: [const { AtomicU32::new(0) }; MAX],
            count: AtomicU32::new(0),
        }
    }

    pub(super) fn set_count(&self, count: u32) {
        self.count.store(count, Ordering::Release);
    }

    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// All arenas that exist.
    pub(super) fn existing(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots
            .iter()
            .take(self.count() as usize)
            .map(|slot| slot.load(Ordering::Acquire))
            .filter(|arena| *arena != 0)
    }

    /// The calling thread's arena in `heap`, whose arenas these are.
    #[inline]
    pub(super) fn current(&self, heap: &'static Heap) -> Result<u32, Error> {
        let count = self.count();
        if count == 0 {
            return Err(Error::NoMemory);
        }
        let slot = &self.slots[(thread_number() & (count - 1)) as usize];
        match slot.load(Ordering::Acquire) {
            0 => self.create(slot, heap),
            arena => Ok(arena),
        }
    }

    #[cold]
    fn create(&self, slot: &AtomicU32, heap: &'static Heap) -> Result<u32, Error> {
        let hooks = heap.hooks.get();
        let Some(fresh) = je::create_arena(METADATA.as_ptr(), hooks) else {
            log::error!("Could not create arena.");
            // jemalloc has 4095: another arena of this kind serves as well.
            return self.existing().next().ok_or(Error::ArenasCreate);
        };
        if let Some(milliseconds) = heap.decay_ms {
            je::set_decay(fresh, milliseconds);
        }
        match slot.compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(fresh),
            Err(theirs) => {
                je::destroy_arena(fresh);
                Ok(theirs)
            }
        }
    }

    /// Destroys all arenas and with them every block.
    pub(super) fn destroy(&self) {
        for slot in &self.slots {
            let arena = slot.swap(0, Ordering::AcqRel);
            if arena != 0 && !je::destroy_arena(arena) {
                log::error!("jemalloc cannot destroy arena {arena}.");
            }
        }
    }
}
