//! The record of a kind: its row, its heaps, and what can be told from them.

use core::ptr;
use core::sync::atomic::AtomicBool;

use once_cell::race::OnceBox;

use super::places::Places;
use super::spec::{Source, Spec};
use super::wishes::Wishes;
use super::{Head, table};
use crate::backing::{Anonymous, Backing, Slabs};
use crate::error::Error;
use crate::heap::{Heap, arena, tbb};
use crate::log;

/// A kind of memory.
#[repr(C)]
pub struct Kind {
    /// The part that compiled C programs read.
    pub head: Head,
    /// The row of the table.
    pub spec: Spec,
    /// The heap of a kind with one place.
    pub(super) heap: Heap,
    /// The heaps of further places.
    pub(super) places: OnceBox<Places>,
    /// Whether its first use has been logged.
    pub(super) announced: AtomicBool,
    /// What a program has asked of it besides memory.
    pub(super) wishes: Option<Box<Wishes<Kind>>>,
}

impl Kind {
    /// A kind that has no arenas yet: `heap` is that of its only place, or stays unused.
    pub(super) const fn new(head: Head, spec: Spec, heap: Heap) -> Self {
        Self {
            head,
            spec,
            heap,
            places: OnceBox::new(),
            announced: AtomicBool::new(false),
            wishes: None,
        }
    }

    /// The kind with what a program has asked of it besides memory.
    pub(super) fn with_wishes(mut self, wishes: Box<Wishes<Kind>>) -> Self {
        self.wishes = Some(wishes);
        self
    }

    /// The static kind with this number and row of the table.
    pub(super) const fn of_row(number: u32, name: &str, spec: Spec) -> Self {
        let source = Anonymous::new(spec.page, spec.thp, spec.bind);
        let is_system = matches!(spec.source, Source::System);
        let heap = Heap::new(Backing::Anonymous(source), number + 1, None);
        let heap = if is_system { heap.first() } else { heap };
        Self::new(Head::new(number, name.as_bytes()), spec, heap)
    }

    /// The kind's number, below `registry::NUMBERS`; no two live kinds share one.
    pub const fn partition(&self) -> usize {
        self.head.partition() as usize
    }

    /// The kind's name, e.g. `memkind_default`.
    pub fn name(&self) -> &str {
        self.head.name()
    }

    /// Completes the head of a kind that has reached its final address.
    pub(super) fn placed(&'static self) {
        match self.heap.backing() {
            Backing::File(file) => self.head.set_private(ptr::from_ref(&**file).cast()),
            Backing::Anonymous(source) => source.set_name(self.head.name_text()),
            Backing::Slabs(slabs) => slabs.set_name(self.head.name_text()),
            Backing::Fixed(_) => {}
        }
    }

    /// Allows allocations from a dynamic kind, from as many arenas as its size asks for.
    pub(super) fn open_dynamic(&'static self) {
        let bound = self.limit();
        // The number was checked when the kind was made.
        let count = arena::asked_for().ok().flatten();
        self.open(count.unwrap_or_else(|| arena::usual_for(bound)), bound);
    }

    /// The most bytes that the kind may have by a limit of its own, that of its file or slabs, or the size of
    /// its area; `None` without one.
    pub fn limit(&self) -> Option<usize> {
        match self.heap.backing() {
            Backing::File(file) => file.limit(),
            Backing::Fixed(area) => Some(area.size()),
            Backing::Slabs(slabs) => Some(slabs.plan().limit).filter(|limit| *limit > 0),
            Backing::Anonymous(_) => None,
        }
    }

    /// Allows allocations from up to `count` arenas, of at most `bound` bytes in all.
    pub(super) fn open(&'static self, count: u32, bound: Option<usize>) {
        self.head.set_arena_count(count);
        self.heap.open(count, bound);
    }

    /// Whether the kind is standard memory without a policy (MEMKIND_DEFAULT).
    pub fn is_system(&self) -> bool {
        self.spec.source == Source::System
    }

    /// Whether the program made the kind.
    pub const fn is_dynamic(&self) -> bool {
        self.partition() >= table::COUNT
    }

    /// Whether the kind takes blocks from a pool of TBB instead of jemalloc's arenas.
    pub(super) fn is_pooled(&self) -> bool {
        tbb::is_loaded() && !self.is_system() && !self.is_dynamic()
    }

    /// Whether the kind has been made ready.
    pub(super) fn is_ready(&self) -> bool {
        // Another thread may be about to open the heaps of the places.
        let of_place = || self.places.get().and_then(Places::here);
        self.heap.is_open() || of_place().is_some_and(Heap::is_open)
    }

    /// All heaps of the kind, used or not.
    pub(super) fn heaps(&'static self) -> impl Iterator<Item = &'static Heap> {
        let more = self.places.get().map_or(&[][..], Places::heaps);
        core::iter::once(&self.heap).chain(more)
    }

    /// The id of the kind's own heap, which the fast paths know.
    #[inline]
    pub const fn heap_id(&self) -> usize {
        self.heap.id()
    }

    /// [`Kind::heap_id`] for paths that count a block by the class of the size that was asked for;
    /// `None` where every block is aligned, and may be of a larger class.
    #[inline]
    pub fn heap_id_of_sizes(&self) -> Option<usize> {
        (self.alignment() == 1).then(|| self.heap_id())
    }

    /// The ids of the heaps of further places.
    #[inline]
    pub fn place_heap_ids(&'static self) -> impl Iterator<Item = usize> {
        self.places.get().into_iter().flat_map(Places::heap_ids)
    }

    /// The ids of all heaps of the kind.
    pub fn heap_ids(&'static self) -> impl Iterator<Item = usize> {
        core::iter::once(self.heap_id()).chain(self.place_heap_ids())
    }

    /// What every block is aligned to, at least 1.
    #[inline]
    pub(super) fn alignment(&self) -> usize {
        self.wishes.as_deref().map_or(1, Wishes::alignment)
    }

    /// The slabs that its memory comes from, if it grows by slabs.
    pub fn slabs(&self) -> Option<&Slabs> {
        match self.heap.backing() {
            Backing::Slabs(slabs) => Some(slabs),
            _ => None,
        }
    }

    /// The start and the bytes of the user's area that it is on, if it is on one.
    pub fn area(&self) -> Option<(usize, usize)> {
        match self.heap.backing() {
            Backing::Fixed(area) => Some((area.start(), area.size())),
            _ => None,
        }
    }

    /// The size of its smallest pages, in bytes.
    pub fn page_size(&self) -> usize {
        match self.heap.backing() {
            Backing::Slabs(slabs) => slabs.pages_and_slabs().0,
            _ => self.spec.page.size(),
        }
    }

    /// Gives back what is not in use.
    pub fn trim(&'static self) {
        if self.is_ready() {
            self.heaps()
                .filter(|heap| heap.is_open())
                .for_each(Heap::trim);
        }
    }

    /// How many requests got nothing of the kind, whether or not a fallback had memory for them; 0 where
    /// these are not counted.
    pub fn n_refused(&self) -> usize {
        self.wishes.as_deref().map_or(0, Wishes::n_refused)
    }

    /// The kind that serves when this one has no memory.
    pub fn fallback(&self) -> Option<&'static Kind> {
        self.wishes.as_deref().and_then(Wishes::fallback)
    }

    /// Whether the process is a forked child that has no use of the kind's memory.
    pub fn is_gone(&self) -> bool {
        matches!(self.heap.backing(), Backing::Slabs(slabs) if slabs.is_gone())
    }

    /// Bytes that its heap has been given, where these are counted.
    pub fn held(&'static self) -> Option<usize> {
        self.heap.backing().room().held()
    }

    /// The most bytes the kind can hold.
    ///
    /// # Errors
    /// Those of [`Spec::capacity`], after a line under MEMKIND_DEBUG.
    pub fn capacity(&self) -> Result<u64, Error> {
        let result = match self.heap.backing() {
            Backing::File(file) => file.capacity().map(|bytes| bytes as u64),
            Backing::Fixed(area) => Ok(area.size() as u64),
            Backing::Slabs(slabs) if slabs.plan().limit > 0 => Ok(slabs.plan().limit as u64),
            Backing::Anonymous(_) | Backing::Slabs(_) => self.spec.capacity(),
        };
        result.inspect_err(|error| match self.heap.backing() {
            Backing::File(_) => log::error!("statvfs() failed: errno={}.", log::errno()),
            _ => Spec::log_no_capacity(self.name(), *error),
        })
    }
}
