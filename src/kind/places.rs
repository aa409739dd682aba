//! Local means local: a heap for each place.
//!
//! CPUs that choose the same nodes form a place. An extent is bound when it is mapped
//! and reused for as long as its heap lives, so one heap for all CPUs would hand a
//! thread memory that is near to another. A kind with reach Local has a heap per
//! place, and a thread allocates from the place of the CPU that it runs on.

use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::registry;
use super::{Spec, manager};
use crate::backing::{Anonymous, Backing};
use crate::boxed::{boxed, room_for};
use crate::error::Error;
use crate::heap::fast::{self, HeapOfCpu};
use crate::heap::{Heap, spare};
use crate::log;
use crate::topology::{self, Targets};

/// A kind's own heap has id number + 1; the ids of the heaps of places begin after the
/// kinds'. The first fast path knows a kind by its own heap alone, so kinds with places
/// leave that one unused.
const FIRST: usize = registry::NUMBERS + 1;
const EXTRA: usize = spare::ID - FIRST;

/// The kinds of the extra heaps.
static KIND_OF: [AtomicU16; EXTRA] = [const { AtomicU16::new(0) }; EXTRA];
static USED: AtomicUsize = AtomicUsize::new(0);

/// The number of the kind that the heap of a place belongs to; `None` for other ids.
#[cold]
pub(super) fn kind_number(id: usize) -> Option<usize> {
    let number = KIND_OF.get(id.checked_sub(FIRST)?)?;
    Some(number.load(Ordering::Relaxed).into())
}

/// An id for pages of the kind with this number that its heaps' own ids do not stand for;
/// `None` when there is none left.
pub(super) fn another_id(number: u16) -> Option<usize> {
    let index = USED.fetch_add(1, Ordering::Relaxed);
    KIND_OF.get(index)?.store(number, Ordering::Relaxed);
    Some(FIRST + index)
}

/// The heaps of a kind's places.
pub(super) struct Places {
    targets: &'static Targets,
    heaps: Vec<Heap>,
    /// The ids of the heaps, for the fast path.
    of_cpu: HeapOfCpu,
}

impl Places {
    fn new(number: u16, spec: &Spec, targets: &'static Targets) -> Result<Self, Error> {
        let wanted = targets.n_places();
        // First what may be refused: ids are not given back.
        let mut heaps: Vec<Heap> = room_for(wanted)?;
        let n_cpus = topology::n_cpus_configured();
        let mut of_cpu: Vec<u16> = room_for(n_cpus)?;
        let mut sources: Vec<Anonymous> = room_for(wanted)?;
        for place in 0..wanted {
            let source = Anonymous::new(spec.page, spec.thp, spec.bind);
            source.set_nodes(targets.of_place(place), targets.home(place))?;
            sources.push(source);
        }
        let first = USED.fetch_add(wanted, Ordering::Relaxed);
        let granted = EXTRA.saturating_sub(first).min(wanted);
        if granted < wanted {
            log::error!("Too many places: some CPUs share the memory of another.");
        }
        let heap = |(index, source): (usize, Anonymous)| {
            KIND_OF[first + index].store(number, Ordering::Relaxed);
            let id = (FIRST + first + index) as u32;
            Heap::new(Backing::Anonymous(source), id, None)
        };
        heaps.extend(sources.into_iter().take(granted).enumerate().map(heap));
        let id = |cpu| heap_of(&heaps, targets, cpu).map_or(0, |heap| heap.id() as u16);
        of_cpu.extend((0..n_cpus).map(id));
        let of_cpu = HeapOfCpu(of_cpu.into_boxed_slice());
        Ok(Self {
            targets,
            heaps,
            of_cpu,
        })
    }

    /// The heap of the calling thread's CPU; the first for a CPU without one.
    #[inline]
    pub(super) fn here(&self) -> Option<&Heap> {
        heap_of(&self.heaps, self.targets, topology::current_cpu())
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

fn heap_of<'a>(heaps: &'a [Heap], targets: &Targets, cpu: usize) -> Option<&'a Heap> {
    heaps.get(targets.place_of_cpu(cpu)).or(heaps.first())
}

/// Gives a kind the heaps that its places need and opens them; `false` if there is but
/// one place, as on most machines, or when no ids are left: all CPUs then share one heap.
///
/// # Errors
/// `Malloc` for the records of the heaps; `NoMemory` for a pool, which each is to have if they
/// are `pooled`.
pub(super) fn install(
    slot: &'static OnceBox<Places>,
    number: u16,
    spec: &Spec,
    targets: &'static Targets,
    arenas: u32,
    pooled: bool,
) -> Result<bool, Error> {
    if targets.n_places() <= 1 {
        return Ok(false);
    }
    let places = slot.get_or_try_init(|| boxed(Places::new(number, spec, targets)?))?;
    if places.heaps.is_empty() {
        return Ok(false);
    }
    for heap in &places.heaps {
        if pooled {
            manager::give_pool(heap, number)?;
        }
        heap.open(arenas, None);
    }
    fast::set_heaps(number.into(), &places.of_cpu);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backing::{Bind, PageSize, TransparentHuge};
    use crate::kind::spec::{From, Source};
    use crate::topology::NodeMask;

    #[test]
    fn without_ids_there_are_no_places() {
        let nodes = [NodeMask::single(0), NodeMask::single(1)];
        let targets: &'static Targets = Box::leak(Box::new(Targets::of_cpus(&nodes)));
        assert_eq!(targets.n_places(), 2);
        let spec = Spec {
            source: Source::Anonymous,
            from: From::Exactly(targets),
            bind: Bind::Bind,
            page: PageSize::Base,
            thp: TransparentHuge::AsSystem,
        };
        let before = USED.swap(EXTRA, Ordering::Relaxed);
        let slot = Box::leak(Box::new(OnceBox::new()));
        assert!(matches!(
            install(slot, 0, &spec, targets, 1, false),
            Ok(false)
        ));
        USED.store(before, Ordering::Relaxed);
    }
}
