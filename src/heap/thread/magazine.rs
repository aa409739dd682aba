//! Magazines: arrays of pointers to free blocks or objects (J. Bonwick and J. Adams, "Magazines and
//! Vmem", USENIX 2001). A thread has two for each size class or pool, and a magazine goes from thread
//! to thread as a whole.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::tops::{END, Place, Top, no_place};
use crate::heap::base::je;

/// An array of pointers, behind this header, with [`END`] behind them.
#[repr(C)]
pub(crate) struct Magazine {
    /// The next one in a list.
    pub(crate) next: *mut Magazine,
    /// Pointers in it, while it is not a bin's current one.
    pub(crate) count: usize,
    /// Number of its places.
    pub(crate) capacity: u32,
    /// Whether the blocks are in order, see [`Magazine::arrange`].
    pub(crate) ordered: bool,
    /// Always 0: below the first pointer.
    below: Place,
}

impl Magazine {
    /// Makes an empty magazine with `capacity` places; null when memory is short.
    pub(crate) fn with_places(capacity: usize) -> *mut Magazine {
        let bytes = size_of::<Magazine>() + (capacity + 1) * size_of::<Place>();
        // Zeroed, for a place that holds END by chance would be taken for the end.
        let magazine: *mut Magazine = je::new_record(bytes).cast();
        if !magazine.is_null() {
            // SAFETY: fresh memory of that size, aligned; zeroes are an empty magazine.
            unsafe {
                (*magazine).capacity = capacity as u32;
                Magazine::base(magazine).add(capacity).write(END);
            }
        }
        magazine
    }

    /// The first place for a block in a magazine.
    pub(crate) fn base(magazine: *mut Magazine) -> *mut Place {
        magazine.wrapping_add(1).cast()
    }

    /// Frees the magazine itself.
    ///
    /// # Safety
    /// It is the caller's and holds nothing that matters.
    pub(crate) unsafe fn free(magazine: *mut Magazine) {
        // SAFETY: it comes from `with_places`.
        unsafe { je::free_record(magazine.cast()) }
    }

    /// Takes the first magazine of a list; null if it is empty.
    ///
    /// # Safety
    /// The list is the caller's.
    pub(crate) unsafe fn pop(list: &mut *mut Magazine) -> *mut Magazine {
        let first = *list;
        // SAFETY: null or a magazine of the list.
        if let Some(magazine) = unsafe { first.as_ref() } {
            *list = magazine.next;
        }
        first
    }

    /// Puts a magazine before a list.
    ///
    /// # Safety
    /// Both are the caller's.
    pub(crate) unsafe fn push(list: &mut *mut Magazine, magazine: *mut Magazine) {
        // SAFETY: the magazine is live, and in no other list.
        unsafe { (*magazine).next = *list };
        *list = magazine;
    }

    /// Frees the magazines of a list, and nothing that they hold.
    ///
    /// # Safety
    /// The list is the caller's.
    pub(crate) unsafe fn free_list(mut list: *mut Magazine) {
        while !list.is_null() {
            // SAFETY: the list is ours, and its first magazine is in it no more.
            unsafe { Magazine::free(Magazine::pop(&mut list)) };
        }
    }
}

/// The magazines of a thread for blocks or objects of one sort, beside the top.
pub(crate) struct Magazines {
    /// The first place of the current one.
    pub(crate) base: AtomicPtr<Place>,
    /// The previous one: empty or full, or null.
    previous: AtomicPtr<Magazine>,
    /// Pointers in the previous one, for statistics: another thread may find a magazine
    /// that has gone to the depot meanwhile, and been freed.
    pub(crate) n_previous: AtomicUsize,
}

impl Magazines {
    pub(crate) const fn none() -> Self {
        Self {
            base: AtomicPtr::new(no_place()),
            previous: AtomicPtr::new(ptr::null_mut()),
            n_previous: AtomicUsize::new(0),
        }
    }
}

/// All that a thread has of one sort.
#[derive(Clone, Copy)]
pub(crate) struct Bin<'a> {
    pub(crate) top: &'a Top,
    pub(crate) magazines: &'a Magazines,
}

impl Bin<'_> {
    pub(crate) fn top(self) -> *mut Place {
        self.top.load(Ordering::Relaxed)
    }

    /// Pointers in the current magazine.
    pub(crate) fn count(self) -> usize {
        let base = self.magazines.base.load(Ordering::Relaxed) as usize;
        (self.top() as usize).saturating_sub(base) / size_of::<Place>()
    }

    pub(crate) fn has_magazine(self) -> bool {
        self.top() != no_place()
    }

    /// Places of the current magazine; 0 without one.
    pub(crate) fn places(self) -> usize {
        if !self.has_magazine() {
            return 0;
        }
        let base = self.magazines.base.load(Ordering::Relaxed);
        // SAFETY: the current magazine is live, with its header before its places.
        unsafe { (*base.cast::<Magazine>().sub(1)).capacity as usize }
    }

    /// Puts the current magazine away: it, or null, with its count set.
    pub(crate) fn unload(self) -> *mut Magazine {
        if !self.has_magazine() {
            return ptr::null_mut();
        }
        let base = self.magazines.base.load(Ordering::Relaxed);
        let magazine = base.cast::<Magazine>().wrapping_sub(1);
        // SAFETY: the current magazine is live and this bin's.
        unsafe { (*magazine).count = self.count() };
        self.clear();
        magazine
    }

    /// Says that there is no current magazine.
    pub(crate) fn clear(self) {
        self.top.store(no_place(), Ordering::Relaxed);
        self.magazines.base.store(no_place(), Ordering::Relaxed);
    }

    /// Makes a magazine the current one.
    ///
    /// # Safety
    /// The magazine is the caller's, and the bin has no current one.
    pub(crate) unsafe fn load(self, magazine: *mut Magazine) {
        let base = Magazine::base(magazine);
        // SAFETY: the magazine is live and this bin's.
        let top = unsafe {
            (*magazine).ordered = false;
            base.add((*magazine).count)
        };
        self.magazines.base.store(base, Ordering::Relaxed);
        self.top.store(top, Ordering::Relaxed);
    }

    /// Takes the previous magazine out; null for none.
    pub(crate) fn take_previous(self) -> *mut Magazine {
        self.magazines.n_previous.store(0, Ordering::Relaxed);
        self.magazines
            .previous
            .swap(ptr::null_mut(), Ordering::Relaxed)
    }

    /// Sets the previous magazine, or null.
    ///
    /// # Safety
    /// The magazine is the caller's.
    pub(crate) unsafe fn set_previous(self, magazine: *mut Magazine) {
        // SAFETY: null, or live and this bin's.
        let count = unsafe { magazine.as_ref() }.map_or(0, |magazine| magazine.count);
        self.magazines.n_previous.store(count, Ordering::Relaxed);
        self.magazines.previous.store(magazine, Ordering::Relaxed);
    }
}
