//! A memory: chooses the tier of each block and allocates there.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::blocks::{
    allocated_size, kind_calloc, kind_malloc, kind_memalign, kind_realloc, small_malloc,
};
use super::borders::{Border, Borders};
use super::counters::{self, View};
use super::describe;
use super::policy::{self, Tuning};
use crate::error::Error;
use crate::heap::fast;
use crate::heap::tally::Tally;
use crate::kind::Kind;
use crate::log;

/// The memory for which threads keep a tier with a range of sizes.
static KEPT_FOR: AtomicPtr<Memory> = AtomicPtr::new(ptr::null_mut());

/// A tier of a memory.
pub(super) struct Tier {
    /// The kind of the tier's blocks.
    pub(super) kind: &'static Kind,
    /// The ratio of the tier to the first, as [`policy::normalized`] computes it.
    pub(super) ratio: f32,
}

/// Tiers with a policy; shared by any number of threads.
pub struct Memory {
    /// The tiers in the order of the builder; at least one.
    pub(super) tiers: Box<[Tier]>,
    /// The borders of the dynamic policy; `None` under the static one.
    pub(super) borders: Option<Borders>,
}

#[inline]
fn estimate(view: View<'_>, kind: &'static Kind) -> usize {
    view.estimate(kind.heap_id(), kind.place_heap_ids())
}

/// The number of the thread whose tally is `own`, for [`Borders`].
fn thread(own: &Tally) -> usize {
    ptr::from_ref(own) as usize
}

impl Memory {
    /// The number of the memory for fast paths: its address, which does not change while it is used.
    fn number(&self) -> usize {
        ptr::from_ref(self) as usize
    }

    /// The kind for the next block, whose size is `size` bytes.
    fn choose(&self, size: usize) -> Result<&'static Kind, Error> {
        let index = match &self.borders {
            Some(borders) => borders.tier(size),
            None => self.by_ratio(View::here()),
        };
        self.kind(index).ok_or(Error::NoMemory)
    }

    fn kind(&self, index: usize) -> Option<&'static Kind> {
        self.tiers.get(index).map(|tier| tier.kind)
    }

    /// The index of the tier that lacks most of its share.
    #[inline]
    fn by_ratio(&self, view: View<'_>) -> usize {
        match self.tiers.split_first() {
            Some((first, others)) if !others.is_empty() => policy::least_filled(
                estimate(view, first.kind),
                others
                    .iter()
                    .map(|tier| (estimate(view, tier.kind), tier.ratio)),
            ),
            _ => 0,
        }
    }

    /// The id of the heap for the thread's next small block. A decision by ratio holds until the
    /// thread sees other numbers.
    #[inline]
    fn choose_heap(&self, size: usize, own: &Tally) -> Option<usize> {
        if let Some(borders) = &self.borders {
            return self.kind(borders.tier(size))?.heap_id_of_sizes();
        }
        if let kept @ Some(1..) = own.chosen_by(self.number()) {
            return kept;
        }
        let view = View::of(own);
        let heap = self.kind(self.by_ratio(view))?.heap_id_of_sizes()?;
        view.keep(self.number(), heap);
        Some(heap)
    }

    /// Counts an operation for the policy, whether it succeeded or not.
    #[inline]
    fn count(&self) {
        let Some(borders) = &self.borders else { return };
        let number = self.number();
        // Operations are counted in advance for the fast paths only, which are off with hooks.
        if let Some(own) = Tally::own().filter(|_| fast::is_on()) {
            own.count_ahead(number, || borders.count_ahead(thread(own)));
            if own.counted_by(number) > 0 {
                if own.do_counted() {
                    self.end_counted(borders, own);
                }
                return;
            }
        }
        if borders.count() {
            self.check(borders, Tally::own());
        }
    }

    fn check(&self, borders: &Borders, own: Option<&Tally>) {
        let moment = counters::moment();
        let view = match own {
            Some(own) => View::of(own),
            None => View::here(),
        };
        let quiet = borders.check(own.map_or(0, thread), |index| {
            self.kind(index).map_or(0, |kind| estimate(view, kind))
        });
        if let Some(own) = own {
            own.set_quiet(self.number(), if quiet { moment } else { 0 });
        }
    }

    /// Ends the operations of the thread that were counted in advance, and counts the next ones.
    fn end_counted(&self, borders: &Borders, own: &Tally) {
        if own.end_counted() {
            self.check(borders, Some(own));
        }
        own.count_ahead(self.number(), || borders.count_ahead(thread(own)));
    }

    /// Operations until borders are checked.
    fn left(&self, borders: &Borders) -> i64 {
        let ahead = |tally: &Tally| tally.counted_by(self.number());
        borders.left(Tally::all().map(ahead).sum())
    }

    /// A block of `size` bytes from the tier of a decision that still holds; `None` if
    /// [`Memory::malloc`] has to decide. `memory` may be null.
    #[inline(always)]
    pub(crate) fn malloc_fast(memory: *const Self, size: usize) -> Option<NonNull<u8>> {
        fast::allocate_counted(
            size,
            |tally| tally.chosen_by(memory as usize),
            counters::added,
        )
    }

    /// Reserves [`Memory::malloc_by_size_fast`] for this memory. `false` if its tiers are not
    /// chosen by size, or another live memory has reserved it.
    pub(crate) fn keep_sizes(&self) -> bool {
        let this = ptr::from_ref(self).cast_mut();
        let (none, order) = (ptr::null_mut(), Ordering::Relaxed);
        self.borders.is_some()
            && fast::is_on()
            && KEPT_FOR.compare_exchange(none, this, order, order).is_ok()
    }

    fn keeps_sizes(&self) -> bool {
        ptr::eq(KEPT_FOR.load(Ordering::Relaxed), self)
    }

    /// A block of `size` bytes from the tier that the thread has just chosen for such a size;
    /// `None` if [`Memory::malloc_by_size`] has to choose.
    ///
    /// # Safety
    /// [`Memory::keep_sizes`] has returned true for this memory.
    #[inline(always)]
    pub(crate) unsafe fn malloc_by_size_fast(&self, size: usize) -> Option<NonNull<u8>> {
        let choose = |tally: &Tally| tally.chosen_for(size);
        // SAFETY: `keep_sizes` returns true only where the fast paths are on.
        unsafe { fast::allocate_counted_when_on(size, choose, self.count_by_size(size)) }
    }

    /// Counts a block of `size` bytes, and its operation.
    #[inline(always)]
    fn count_by_size(
        &self,
        size: usize,
    ) -> impl FnOnce(&Tally, usize, i64, NonNull<u8>) -> NonNull<u8> {
        move |tally, id, recent, block| {
            let last = tally.do_counted();
            if !last && counters::stays(recent) {
                return block;
            }
            self.counted_by_size(size, tally, id, recent, block)
        }
    }

    /// The operations that the thread may count again without [`Memory::end_counted`], because
    /// the check that is due would, like its last one, move nothing.
    #[inline]
    fn whole_round(&self, own: &Tally) -> Option<i64> {
        let quiet = own.is_due() && own.is_quiet(counters::moment());
        self.borders
            .as_ref()
            .filter(|_| quiet)?
            .whole_round(thread(own))
    }

    /// Completes the count of `block`, of `size` bytes, when a mark moves or the operations that
    /// were counted in advance end.
    #[cold]
    #[inline(never)]
    fn counted_by_size(
        &self,
        size: usize,
        own: &Tally,
        id: usize,
        recent: i64,
        block: NonNull<u8>,
    ) -> NonNull<u8> {
        match self.whole_round(own).filter(|_| counters::stays(recent)) {
            Some(round) => {
                own.count_again(round);
                fast::as_is(block)
            }
            None => self.counted_at_last(size, own, id, recent, block),
        }
    }

    /// Moves the mark and makes the check that [`Memory::counted_by_size`] has found due, and
    /// chooses for `size` again, which is likely to be the thread's next size too.
    #[cold]
    #[inline(never)]
    fn counted_at_last(
        &self,
        size: usize,
        own: &Tally,
        id: usize,
        recent: i64,
        block: NonNull<u8>,
    ) -> NonNull<u8> {
        if !counters::stays(recent) {
            counters::move_mark(own, id);
        }
        if let Some(borders) = self.borders.as_ref().filter(|_| own.counted() <= 0) {
            self.end_counted(borders, own);
            self.choose_by_size(size, own);
        }
        fast::as_is(block)
    }

    /// The id of the heap for `size` bytes. The thread keeps it for the operations that were
    /// counted in advance, during which only other threads can move borders.
    fn choose_by_size(&self, size: usize, own: &Tally) -> Option<usize> {
        let borders = self.borders.as_ref()?;
        if own.counted_by(self.number()) <= 0 {
            return None;
        }
        let tier = borders.tier(size);
        let heap = self.kind(tier)?.heap_id_of_sizes()?;
        if self.keeps_sizes() {
            own.choose_for(borders.sizes(tier), heap);
        }
        Some(heap)
    }

    /// A block of `size` bytes from the tier for its size; `None` if [`Memory::malloc`] has to
    /// allocate it.
    pub(crate) fn malloc_by_size(&self, size: usize) -> Option<NonNull<u8>> {
        let choose = |tally: &Tally| self.choose_by_size(size, tally);
        fast::allocate_counted(size, choose, self.count_by_size(size))
    }

    /// Allocates from the tier that the policy chooses; null for size 0.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn malloc(&self, size: usize) -> Result<*mut u8, Error> {
        let block = match small_malloc(size, |own| self.choose_heap(size, own)) {
            Some(block) => Ok(block.as_ptr()),
            None => kind_malloc(self.choose(size)?, size),
        };
        self.count();
        block
    }

    /// Allocates a zeroed array from the tier that the policy chooses for its size.
    ///
    /// # Errors
    /// Those of [`Kind::calloc`].
    pub fn calloc(&self, num: usize, size: usize) -> Result<*mut u8, Error> {
        let result = kind_calloc(self.choose(num.saturating_mul(size))?, num, size);
        self.count();
        result
    }

    /// Allocates aligned memory from the tier that the policy chooses.
    ///
    /// # Errors
    /// Those of [`Kind::memalign`].
    pub fn memalign(&self, align: usize, size: usize) -> Result<*mut u8, Error> {
        let result = kind_memalign(self.choose(size)?, align, size);
        self.count();
        result
    }

    /// Resizes the block at `ptr` to `size` bytes of its own kind; null is allocated, size 0 frees.
    ///
    /// # Errors
    /// Those of [`Kind::realloc`], and `InvalidArgument` for a block that is not
    /// of this library. The block and the counters stay as they were.
    ///
    /// # Safety
    /// `ptr` is null or a live block; it is dead after success.
    pub unsafe fn realloc(&self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        // SAFETY: `ptr` is null or a live block, which the caller does not use after success.
        let result = unsafe { kind_realloc(None, ptr, size) };
        self.count();
        result
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        log::info!("Number of memory tiers {}", self.tiers.len());
        for (index, tier) in self.tiers.iter().enumerate() {
            describe::tier(index, tier.kind, f64::from(tier.ratio));
            log::info!("Tier allocated size {}", allocated_size(tier.kind));
        }
        match &self.borders {
            Some(borders) => {
                describe::thresholds(borders.iter().map(Border::threshold), borders.tuning());
                log::info!("Threshold counter current value {}", self.left(borders));
            }
            None => {
                describe::thresholds(core::iter::empty(), &Tuning::NONE);
                log::info!("Threshold counter current value 0");
            }
        }
        if self.keeps_sizes() {
            KEPT_FOR.store(ptr::null_mut(), Ordering::Relaxed);
        }
        counters::forget_chooser(self.number());
    }
}
