//! Local means local: a heap for each place.
//!
//! CPUs that choose the same nodes form a place. An extent is bound when it is mapped
//! and reused for as long as its heap lives, so one heap for all CPUs would hand a
//! thread memory that is near to another. A kind with reach Local has a heap per
//! place, and a thread allocates from the place of the CPU that it runs on.

use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::Spec;
use super::registry;
use crate::backing::{Anonymous, Backing};
use crate::heap::{HEAPS, Heap};
use crate::log;
use crate::topology::{self, Targets};

/// A kind's own heap has id number + 1; the ids of the heaps of places begin after the
/// kinds'. The fast path knows a kind by its own heap alone, so kinds with places leave
/// that one unused.
const FIRST: usize = registry::NUMBERS + 1;
const EXTRA: usize = HEAPS - FIRST;

/// The kinds of the extra heaps.
static KIND_OF: [AtomicU16; EXTRA] = [const { AtomicU16::new(0) }; EXTRA];
static USED: AtomicUsize = AtomicUsize::new(0);

/// The number of the kind that a heap belongs to; its id is not 0.
pub(super) fn kind_number(id: usize) -> usize {
    match id.checked_sub(FIRST) {
        None => id - 1,
        Some(extra) => KIND_OF
            .get(extra)
            .map_or(0, |number| number.load(Ordering::Relaxed).into()),
    }
}

/// The heaps of a kind's places.
pub(super) struct Places {
    targets: &'static Targets,
    heaps: Vec<Heap>,
}

impl Places {
    fn new(number: u16, spec: &Spec, targets: &'static Targets) -> Self {
        let wanted = targets.n_places();
        let first = USED.fetch_add(wanted, Ordering::Relaxed);
        let granted = EXTRA.saturating_sub(first).min(wanted);
        if granted < wanted {
            log::error!("Too many places: some CPUs share the memory of another.");
        }
        let heap = |index: usize| {
            KIND_OF[first + index].store(number, Ordering::Relaxed);
            let source = Anonymous::new(spec.page, spec.thp, spec.bind);
            source.set_nodes(targets.of_place(index));
            let id = (FIRST + first + index) as u32;
            Heap::new(Backing::Anonymous(source), id, None)
        };
        Self {
            targets,
            heaps: (0..granted).map(heap).collect(),
        }
    }

    /// The heap of the calling thread's CPU; the first for a CPU without one.
    #[inline]
    pub(super) fn here(&self) -> Option<&Heap> {
        let place = self.targets.place_of_cpu(topology::current_cpu());
        self.heaps.get(place).or(self.heaps.first())
    }

    /// Their ids.
    pub(super) fn heap_ids(&self) -> impl Iterator<Item = usize> {
        self.heaps.iter().map(Heap::id)
    }

    /// All heaps.
    pub(super) fn heaps(&self) -> &[Heap] {
        &self.heaps
    }
}

/// Gives a kind the heaps that its places need and opens them; `false` if there is but
/// one place, as on most machines.
pub(super) fn install(
    slot: &'static OnceBox<Places>,
    number: u16,
    spec: &Spec,
    targets: &'static Targets,
    arenas: u32,
) -> bool {
    if targets.n_places() <= 1 {
        return false;
    }
    let places = slot.get_or_init(|| Box::new(Places::new(number, spec, targets)));
    for heap in &places.heaps {
        heap.open(arenas, None);
    }
    true
}
