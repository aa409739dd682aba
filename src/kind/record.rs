//! The record of a kind, and what it does: allocation, resizing, first use.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use once_cell::race::OnceBox;

use super::block::{free, log_foreign, usable_size};
use super::checks;
use super::places::{self, Places};
use super::spec::{Source, Spec};
use super::wishes::{Memory, Wishes};
use super::{Head, table};
use crate::backing::{Anonymous, Backing, Bind, PageSize, Slabs, page_size};
use crate::error::Error;
use crate::heap::{self, Heap, arena, page_map, spare, tbb};
use crate::topology;
use crate::{cancel, log};

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
    places: OnceBox<Places>,
    /// Whether its first use has been logged.
    announced: AtomicBool,
    /// What a program has asked of it beside memory.
    wishes: Option<Box<Wishes<Kind>>>,
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

    /// The kind with what a program has asked of it beside memory.
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
        let bound = match self.heap.backing() {
            Backing::File(file) => file.limit(),
            Backing::Fixed(area) => Some(area.size()),
            Backing::Slabs(slabs) => Some(slabs.plan().limit).filter(|limit| *limit > 0),
            Backing::Anonymous(_) => None,
        };
        // The number was checked when the kind was made.
        let count = arena::asked_for().ok().flatten();
        self.open(count.unwrap_or_else(|| arena::usual_for(bound)), bound);
    }

    /// Allows allocations from up to `count` arenas, of at most `bound` bytes in all.
    fn open(&'static self, count: u32, bound: Option<usize>) {
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

    /// Reports under MEMKIND_DEBUG that a static kind is used for the first time, and returns the
    /// number of arenas that it may have.
    ///
    /// # Errors
    /// Both are fatal, as the manual says: `Unavailable` without NUMA in the
    /// kernel, `Environ` for a malformed MEMKIND_ARENA_NUM_PER_KIND.
    fn announce(&self) -> Result<u32, Error> {
        if !self.announced.swap(true, Ordering::Relaxed) {
            log::info!("Initializing kind {}.", self.name());
        }
        if self.spec.bind != Bind::None && !topology::numa_available() {
            return Err(Error::Unavailable);
        }
        // MEMKIND_ARENA_NUM_PER_KIND counts jemalloc's arenas.
        let asked_for = if self.is_pooled() {
            None
        } else {
            arena::asked_for()?
        };
        Ok(asked_for.unwrap_or_else(arena::usual))
    }

    /// Whether the kind has been made ready.
    pub(super) fn is_ready(&self) -> bool {
        // Another thread may be about to open the heaps of the places.
        let of_place = || self.places.get().and_then(Places::here);
        self.heap.is_open() || of_place().is_some_and(Heap::is_open)
    }

    /// Makes a static kind ready at its first use. Keeps `errno`, whatever files are missing on the way.
    ///
    /// # Errors
    /// Those of [`Kind::announce`]; `NoMemory` when the machine has no such memory.
    #[cold]
    fn prepare(&'static self) -> Result<(), Error> {
        if self.is_ready() {
            return Ok(());
        }
        let errno = log::errno();
        let ready = self.make_ready();
        log::set_errno(errno);
        ready
    }

    /// [`Kind::prepare`] of a kind that is not ready.
    fn make_ready(&'static self) -> Result<(), Error> {
        self.placed();
        if self.is_dynamic() {
            // Opened when it was made, and closed in a forked child that has no use of it.
            return Err(Error::NoMemory);
        }
        if self.is_system() {
            // MEMKIND_ARENA_NUM_PER_KIND concerns the other kinds; MEMKIND_DEFAULT always works.
            self.open(arena::usual(), None);
            return Ok(());
        }
        let _deferred = cancel::defer();
        let count = self.announce()?;
        let targets = self.spec.targets().map_err(|_| Error::NoMemory)?;
        if self.spec.page != PageSize::Base {
            // Reports missing pages under MEMKIND_DEBUG; the pool may have grown since the check.
            let nodes = self.spec.huge_page_nodes(targets);
            let _ = topology::huge_pages_available(2 << 20, nodes.as_ref());
        }
        let number = self.head.partition() as u16;
        let pooled = self.is_pooled();
        if let (Some(targets), Backing::Anonymous(source)) = (targets, self.heap.backing()) {
            let placed =
                places::install(&self.places, &self.head, &self.spec, targets, count, pooled);
            if placed.map_err(|_| Error::NoMemory)? {
                self.head.set_arena_count(count);
                return Ok(());
            }
            let set = source.set_nodes(targets.of_place(0), targets.home(0));
            set.map_err(|_| Error::NoMemory)?;
        } else if let Backing::Anonymous(source) = self.heap.backing() {
            source.set_anywhere().map_err(|_| Error::NoMemory)?;
        }
        if pooled {
            places::give_pool(&self.heap, number)?;
        }
        self.open(count, None);
        Ok(())
    }

    /// The heap of the place that the calling thread runs on.
    ///
    /// # Errors
    /// Those of [`Kind::prepare`].
    #[inline]
    fn heap_here(&'static self) -> Result<&'static Heap, Error> {
        if self.heap.is_open() {
            return Ok(&self.heap);
        }
        self.prepare()?;
        let here = self.places.get().and_then(Places::here);
        Ok(here.unwrap_or(&self.heap))
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

    /// Allocates size 0 at a multiple of `align`: null, unless zero allocations are allowed.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    #[cold]
    fn allocate_nothing(&'static self, align: usize) -> Result<*mut u8, Error> {
        if self.head.allow_zero_allocs.load(Ordering::Relaxed) {
            // MEMKIND_DEFAULT takes size 0 with any alignment.
            let align = if align.is_power_of_two() { align } else { 1 };
            return self.memalign(align, 1);
        }
        if !self.is_system() && !self.is_ready() {
            self.announce()?;
        }
        Ok(ptr::null_mut())
    }

    /// Allocates `size` bytes; `Ok(null)` for size 0 unless zero allocations are allowed.
    ///
    /// # Errors
    /// `NoMemory`, and those of the first use (`Environ`, `Unavailable`).
    pub fn malloc(&'static self, size: usize) -> Result<*mut u8, Error> {
        if !heap::may_enter() {
            return spare::allocate(1, size);
        }
        if size == 0 {
            return self.allocate_nothing(1);
        }
        if checks::on() {
            return checks::malloc(self, self.alignment(), size, false);
        }
        match &self.wishes {
            None => self.heap_here()?.allocate(size),
            Some(wishes) => wishes.allocate(self, 1, size, false),
        }
    }

    /// Allocates zeroed memory for `num` times `size` bytes; an overflow is `NoMemory`.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn calloc(&'static self, num: usize, size: usize) -> Result<*mut u8, Error> {
        match num.checked_mul(size) {
            Some(bytes) if !heap::may_enter() => spare::allocate(1, bytes),
            Some(0) => self.allocate_nothing(1),
            Some(bytes) if checks::on() => checks::malloc(self, self.alignment(), bytes, true),
            Some(bytes) => match &self.wishes {
                None => self.heap_here()?.allocate_zeroed(bytes),
                Some(wishes) => wishes.allocate(self, 1, bytes, true),
            },
            None => Err(Error::NoMemory),
        }
    }

    /// Allocates `size` bytes at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn memalign(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if !heap::may_enter() {
            return spare::allocate(align, size);
        }
        if size == 0 {
            return self.allocate_nothing(align);
        }
        if checks::on() {
            return checks::malloc(self, align.max(self.alignment()), size, false);
        }
        match &self.wishes {
            None => self.heap_here()?.allocate_aligned(align, size),
            Some(wishes) => wishes.allocate(self, align, size, false),
        }
    }

    /// [`Kind::memalign`] of memory that is cut up, and whose parts are checked: nothing is
    /// around it, and `heap::blocks::free` frees it.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn memalign_unchecked(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if !checks::on() || !heap::may_enter() || size == 0 {
            return self.memalign(align, size);
        }
        let align = align.max(self.alignment());
        match checks::Origin::take(self, align, size, false) {
            Err(Error::NoMemory) if checks::objects::release_kept() => {
                checks::Origin::take(self, align, size, false)
            }
            other => other,
        }
    }

    /// Resizes a block of any kind to `size` bytes of this kind. A null block is
    /// allocated, size 0 frees. The old block stays valid on error.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`]; `InvalidArgument` for a pointer that is not the library's.
    ///
    /// # Safety
    /// `ptr` is null, a live block of any kind, or not a block of the library at all.
    pub unsafe fn realloc(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        if size == 0 {
            // SAFETY: `ptr` is a live block, or not the library's.
            unsafe { free(ptr) };
            return Ok(ptr::null_mut());
        }
        if checks::on() && heap::may_enter() {
            // SAFETY: a live block, or none.
            if let Some(result) = unsafe { checks::realloc(self, ptr, size) } {
                return result;
            }
        }
        // SAFETY: `ptr` is not null: a live block, which no code uses any more, or not the
        // library's.
        unsafe { self.realloc_unchecked(ptr, size) }
    }

    /// [`Kind::realloc`] of a block that is not null to a size above 0, without checks.
    ///
    /// # Errors
    /// Those of [`Kind::realloc`].
    ///
    /// # Safety
    /// As for [`Kind::realloc`].
    unsafe fn realloc_unchecked(
        &'static self,
        ptr: *mut u8,
        size: usize,
    ) -> Result<*mut u8, Error> {
        let id = heap::blocks::owner(ptr as usize);
        if id == 0 || !page_map::has_blocks(ptr as usize) {
            log_foreign(ptr);
            return Err(Error::InvalidArgument);
        }
        if !heap::may_enter() || id == spare::ID {
            // SAFETY: the page map says that the block is the library's, and size 0 is done.
            return unsafe { self.move_block(ptr, size) };
        }
        if let Some(wishes) = &self.wishes {
            // SAFETY: the page map says that it is a block of a heap.
            return unsafe { wishes.realloc(self, ptr, size) };
        }
        let here = self.heap_here()?;
        if here.id() == id {
            // SAFETY: the page map says that the block is this heap's.
            return unsafe { here.resize(ptr, size) };
        }
        // A block of another place that has to move goes to the place of the calling thread.
        let own = self.heaps().find(|heap| heap.id() == id);
        // SAFETY: the page map says that the block is that heap's.
        if own.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) }) {
            return Ok(ptr);
        }
        // SAFETY: the block is live.
        let before = unsafe { heap::blocks::usable_size(ptr) };
        let fresh = match here.allocate(size) {
            Ok(fresh) => fresh,
            // A block of this kind that shrinks may stay as it is.
            Err(_) if own.is_some() && size <= before => return Ok(ptr),
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(before));
            heap::blocks::free(ptr);
        }
        Ok(fresh)
    }

    /// Moves the block at `ptr` to a new one of `size` bytes of this kind, where one of the two
    /// is of no heap.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    ///
    /// # Safety
    /// `ptr` is a live block of the library, and `size` is not 0.
    #[cold]
    unsafe fn move_block(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        let fresh = self.malloc(size)?;
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(usable_size(ptr)));
            free(ptr);
        }
        Ok(fresh)
    }

    /// Resizes a block of this kind without moving it; whether that was possible.
    ///
    /// # Safety
    /// `ptr` is a live block of this kind.
    pub(super) unsafe fn resize_in_place(&'static self, ptr: *mut u8, size: usize) -> bool {
        let id = heap::blocks::owner(ptr as usize);
        let heap = self.heaps().find(|heap| heap.id() == id);
        // SAFETY: `ptr` is live, and the page map says that it is this heap's.
        heap.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) })
    }

    /// What every block is aligned to, at least 1.
    #[inline]
    pub(super) fn alignment(&self) -> usize {
        self.wishes.as_deref().map_or(1, Wishes::alignment)
    }

    /// Where its slabs are, if it is made of such.
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
        match (self.heap.backing(), self.spec.page) {
            (Backing::Slabs(slabs), _) => slabs.pages_and_slabs().0,
            (_, PageSize::Base) => page_size(),
            (_, PageSize::Huge2M | PageSize::Huge1G) => 2 << 20,
        }
    }

    /// Takes memory for the next `size` bytes, and makes all that a first block of the calling
    /// thread makes.
    ///
    /// # Errors
    /// Those of [`Heap::prepare`].
    pub fn take_in_advance(&'static self, size: usize) -> Result<(), Error> {
        self.heap.prepare(size)?;
        if let Ok(block) = self.heap.allocate_aligned(self.alignment(), 1) {
            // SAFETY: a live block, which is not used.
            unsafe { heap::blocks::free(block) };
        }
        Ok(())
    }

    /// Gives back what is not in use.
    pub fn trim(&'static self) {
        if self.is_ready() {
            self.heaps()
                .filter(|heap| heap.is_open())
                .for_each(Heap::trim);
        }
    }

    /// How many requests got nothing of it, whether or not a fallback had memory for them; 0 where these are not
    /// counted.
    pub fn n_refused(&self) -> usize {
        self.wishes.as_deref().map_or(0, Wishes::n_refused)
    }

    /// What serves when it has no memory.
    pub fn fallback(&self) -> Option<&'static Kind> {
        self.wishes.as_deref().and_then(Wishes::fallback)
    }

    /// Bytes that its heap has been given, where these are counted.
    pub fn held(&'static self) -> Option<usize> {
        self.heap.backing().room().held()
    }

    /// The arena from which the calling thread allocates `size` bytes.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`]; `ArenasCreate` when jemalloc has none left.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.heap_here()?.arena()
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
        result.inspect_err(|error| Spec::log_no_capacity(self.name(), *error))
    }
}

impl checks::Origin for Kind {
    fn head(&'static self) -> &'static Head {
        &self.head
    }

    fn least_alignment(&self) -> usize {
        self.alignment()
    }

    fn is_file(&self) -> bool {
        matches!(self.heap.backing(), Backing::File(_))
    }

    fn can_close_pages(&self) -> bool {
        !matches!(self.heap.backing(), Backing::Anonymous(_)) || self.spec.page == PageSize::Base
    }

    fn take(&'static self, align: usize, size: usize, zeroed: bool) -> Result<*mut u8, Error> {
        if let Some(wishes) = &self.wishes {
            return wishes.allocate(self, align, size, zeroed);
        }
        let heap = self.heap_here()?;
        match (align > 16, zeroed) {
            (false, false) => heap.allocate(size),
            (false, true) => heap.allocate_zeroed(size),
            (true, zeroed) => {
                let block = heap.allocate_aligned(align, size)?;
                if zeroed {
                    // SAFETY: a block of at least `size` bytes that is the caller's.
                    unsafe { block.write_bytes(0, size) };
                }
                Ok(block)
            }
        }
    }

    unsafe fn resize(&'static self, base: *mut u8, size: usize) -> bool {
        // SAFETY: a live block of this kind.
        unsafe { self.resize_in_place(base, size) }
    }

    unsafe fn realloc(&'static self, base: *mut u8, size: usize) -> Result<*mut u8, Error> {
        // SAFETY: `base` is a live block of this kind, and the size is above 0.
        unsafe { self.realloc_unchecked(base, size) }
    }
}

impl Memory for Kind {
    fn heap(&'static self) -> &'static Heap {
        &self.heap
    }

    fn allocate_here(
        &'static self,
        align: usize,
        size: usize,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        let heap = self.heap_here()?;
        match (align, zero) {
            (1, false) => heap.allocate(size),
            (1, true) => heap.allocate_zeroed(size),
            _ => heap.allocate_aligned(align, size),
        }
    }

    fn allocate_any(
        &'static self,
        align: usize,
        size: usize,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        if checks::on() {
            // What is around a block is the caller's.
            return checks::Origin::take(self, align, size, zero);
        }
        match (align, zero) {
            (1, false) => self.malloc(size),
            (1, true) => self.calloc(1, size),
            _ => self.memalign(align, size),
        }
    }
}
