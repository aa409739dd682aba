//! A heap for each place, so that the memory of local kinds stays local.
//!
//! CPUs that choose the same nodes form a place. An extent is bound when it is mapped
//! and reused for as long as its heap lives, so one heap for all CPUs would hand a
//! thread memory that is near to another. A kind with reach Local has a heap per
//! place, and a thread allocates from the place of the CPU that it runs on.

use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::head::Head;
use super::spec::Spec;
use crate::backing::{Anonymous, Backing};
use crate::boxed::{boxed, room_for};
use crate::error::Error;
use crate::heap::fast::{self, HeapOfCpu};
use crate::heap::{Heap, KINDS, spare};
use crate::log;
use crate::topology::{self, Targets};

/// The first id of the heaps of places: a kind's own heap has its number + 1. The first fast
/// path knows a kind by its own heap alone, so kinds with places leave that one unused.
const FIRST: usize = KINDS + 1;
/// How many heaps of places all kinds can have.
const EXTRA: usize = spare::ID - FIRST;

/// The number of the kind that each heap of a place belongs to.
static KIND_OF: [AtomicU16; EXTRA] = [const { AtomicU16::new(0) }; EXTRA];
/// How many ids of [`KIND_OF`] are taken; more than all when some were refused.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The number of the kind that the heap of a place belongs to; `None` for other ids.
#[cold]
pub(super) fn kind_number(id: usize) -> Option<usize> {
    let number = KIND_OF.get(id.checked_sub(FIRST)?)?;
    Some(number.load(Ordering::Relaxed).into())
}

/// A further id for pages of the kind with this number; `None` when none is left.
fn another_id(number: u16) -> Option<usize> {
    let index = USED.fetch_add(1, Ordering::Relaxed);
    KIND_OF.get(index)?.store(number, Ordering::Relaxed);
    Some(FIRST + index)
}

/// The heaps of a kind's places.
pub(super) struct Places {
    /// The nodes of each place, and the place of each CPU.
    targets: &'static Targets,
    /// One heap for each place; fewer when ids ran out.
    heaps: Vec<Heap>,
    /// The id of the heap of each CPU, for the fast path.
    of_cpu: HeapOfCpu,
}

impl Places {
    /// The heaps for all places of `targets`, of the kind with this head and row.
    fn new(head: &'static Head, spec: &Spec, targets: &'static Targets) -> Result<Self, Error> {
        let number = head.partition() as u16;
        let wanted = targets.n_places();
        // Ids are not given back, so they are taken after all that can fail.
        let mut heaps: Vec<Heap> = room_for(wanted)?;
        let n_cpus = topology::n_cpus_configured();
        let mut of_cpu: Vec<u16> = room_for(n_cpus)?;
        let mut sources: Vec<Anonymous> = room_for(wanted)?;
        for place in 0..wanted {
            let source = Anonymous::new(spec.page, spec.thp, spec.bind);
            source.set_name(head.name_text());
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
        let id =
            |cpu| heap_of(&heaps, targets.place_of_cpu(cpu)).map_or(0, |heap| heap.id() as u16);
        of_cpu.extend((0..n_cpus).map(id));
        let of_cpu = HeapOfCpu(of_cpu.into_boxed_slice());
        Ok(Self {
            targets,
            heaps,
            of_cpu,
        })
    }

    /// The heap of the calling thread's CPU; the first heap for a CPU without one.
    #[inline]
    pub(super) fn here(&self) -> Option<&Heap> {
        let cpu = topology::current_cpu();
        let place = self.targets.place_here(cpu, topology::current_node);
        heap_of(&self.heaps, place)
    }

    /// The ids of all heaps.
    pub(super) fn heap_ids(&self) -> impl Iterator<Item = usize> {
        self.heaps.iter().map(Heap::id)
    }

    /// All heaps.
    pub(super) fn heaps(&self) -> &[Heap] {
        &self.heaps
    }
}

/// The heap of a place; the first heap for a place without one.
fn heap_of(heaps: &[Heap], place: usize) -> Option<&Heap> {
    heaps.get(place).or(heaps.first())
}

/// Puts the heaps for all places of `targets` into `slot` and opens each for up to `arenas`
/// arenas, on a pool of TBB if `pooled`. `head` and `spec` are those of the kind. `false` if
/// there is only one place, as on most machines, or no id is left: all CPUs then share one heap.
///
/// # Errors
/// `Malloc` without memory for the records of the heaps; `NoMemory` when no pool can be made.
pub(super) fn install(
    slot: &'static OnceBox<Places>,
    head: &'static Head,
    spec: &Spec,
    targets: &'static Targets,
    arenas: u32,
    pooled: bool,
) -> Result<bool, Error> {
    if targets.n_places() <= 1 {
        return Ok(false);
    }
    let number = head.partition() as u16;
    let places = slot.get_or_try_init(|| boxed(Places::new(head, spec, targets)?))?;
    if places.heaps.is_empty() {
        return Ok(false);
    }
    for heap in &places.heaps {
        if pooled {
            give_pool(heap, number)?;
        }
        heap.open(arenas, None);
    }
    fast::set_heaps(number.into(), &places.of_cpu);
    Ok(true)
}

/// Gives `heap`, of the kind with this number, a pool of TBB if the kind is on one.
///
/// # Errors
/// `NoMemory` when no pool can be made.
pub(super) fn give_pool(heap: &'static Heap, number: u16) -> Result<(), Error> {
    if heap.wants_pool() {
        heap.make_pool(|| another_id(number))?;
    }
    Ok(())
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
        let head = Box::leak(Box::new(Head::new(0, b"test")));
        let slot = Box::leak(Box::new(OnceBox::new()));
        assert!(matches!(
            install(slot, head, &spec, targets, 1, false),
            Ok(false)
        ));
        USED.store(before, Ordering::Relaxed);
    }
}
