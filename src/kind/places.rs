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
use crate::heap::Heap;
use crate::log;
use crate::topology::{self, Targets};

/// Page-map numbers of the heaps beyond each kind's first begin after the kinds'.
const EXTRA: usize = 1024 - registry::NUMBERS;

/// The kinds of the extra heaps.
static KIND_OF: [AtomicU16; EXTRA] = [const { AtomicU16::new(0) }; EXTRA];
static USED: AtomicUsize = AtomicUsize::new(0);

/// The number of the kind that a page-map number belongs to.
pub(super) fn kind_number(owner: usize) -> usize {
    match owner.checked_sub(registry::NUMBERS) {
        None => owner,
        Some(extra) => KIND_OF
            .get(extra)
            .map_or(0, |number| number.load(Ordering::Relaxed).into()),
    }
}

/// The heaps of a kind beyond its first, which serves place 0.
pub(super) struct Places {
    targets: &'static Targets,
    more: Vec<Heap>,
}

impl Places {
    fn new(number: u16, spec: &Spec, targets: &'static Targets, arenas: u32) -> Self {
        let wanted = targets.n_places() - 1;
        let first = USED.fetch_add(wanted, Ordering::Relaxed);
        let granted = EXTRA.saturating_sub(first).min(wanted);
        if granted < wanted {
            log::error!("Too many places: some CPUs share the memory of CPU 0.");
        }
        let heap = |index: usize| {
            KIND_OF[first + index].store(number, Ordering::Relaxed);
            let source = Anonymous::new(spec.page, spec.thp, spec.bind);
            source.set_nodes(targets.of_place(index + 1));
            let owner = (registry::NUMBERS + first + index) as u32;
            let heap = Heap::new(Backing::Anonymous(source), owner, None);
            heap.open(arenas);
            heap
        };
        Self {
            targets,
            more: (0..granted).map(heap).collect(),
        }
    }

    /// The heap of the calling thread's CPU, `None` for the kind's first.
    #[inline]
    pub(super) fn here(&self) -> Option<&Heap> {
        let place = self.targets.place_of_cpu(topology::current_cpu());
        self.more.get(place.wrapping_sub(1))
    }

    /// All heaps beyond the first.
    pub(super) fn heaps(&self) -> &[Heap] {
        &self.more
    }
}

/// Gives a kind the heaps that its places need: none on most machines.
pub(super) fn install(
    slot: &OnceBox<Places>,
    number: u16,
    spec: &Spec,
    targets: &'static Targets,
    arenas: u32,
) {
    if targets.n_places() > 1 {
        slot.get_or_init(|| Box::new(Places::new(number, spec, targets, arenas)));
    }
}
