//! The slabs of a pool: a list that only grows while the pool lives, so it is read without a lock.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::boxed::{boxed, boxed_slice};
use crate::error::Error;
use crate::ext::buffer::Buffer;
use crate::ext::slab::Slab;
use once_cell::race::OnceBox;

/// A slab of a pool.
pub(super) struct PoolSlab {
    slab: Slab,
    /// The number of objects in the slab.
    pub(super) n_objects: usize,
    /// The number of objects that have been handed out at least once.
    n_cut: AtomicUsize,
    /// The slab that was added before this one.
    next: *mut PoolSlab,
    /// A record for each object, made when the first of them is a buffer.
    buffers: OnceBox<Box<[Buffer]>>,
}

impl PoolSlab {
    /// Makes the record of a slab.
    ///
    /// # Errors
    /// `NoMemory`: the slab has been given back.
    pub(super) fn make(slab: Slab, n_objects: usize) -> Result<Box<Self>, Error> {
        let made = boxed(Self {
            slab,
            n_objects,
            n_cut: AtomicUsize::new(0),
            next: ptr::null_mut(),
            buffers: OnceBox::new(),
        });
        made.map_err(|_| {
            // SAFETY: just cut, and never used.
            unsafe { slab.give_back() };
            Error::NoMemory
        })
    }

    /// The size of the slab in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.slab.size
    }

    fn uncut(&self) -> usize {
        self.n_objects - self.n_cut.load(Ordering::Relaxed)
    }
}

/// All slabs of a pool. Changed under the pool's lock.
pub(super) struct Slabs {
    /// The slab that was added last.
    newest: AtomicPtr<PoolSlab>,
    /// The slab to look into for objects that were never handed out: no newer one has any.
    cutting: AtomicPtr<PoolSlab>,
}

impl Slabs {
    pub(super) const fn new() -> Self {
        Self {
            newest: AtomicPtr::new(ptr::null_mut()),
            cutting: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &PoolSlab> {
        let mut next = self.newest.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null, or a slab of a pool that lives.
            let slab = unsafe { next.as_ref() }?;
            next = slab.next;
            Some(slab)
        })
    }

    /// Adds a slab.
    pub(super) fn add(&self, slab: Box<PoolSlab>) {
        let slab = Box::into_raw(slab);
        // SAFETY: just made; no other thread has seen it.
        unsafe { (*slab).next = self.newest.load(Ordering::Relaxed) };
        self.newest.store(slab, Ordering::Release);
        self.cutting.store(slab, Ordering::Relaxed);
    }

    /// Fills places with objects that were never handed out, the lowest last; how many.
    pub(super) fn cut(&self, places: &mut [usize], stride: usize) -> usize {
        let slab = loop {
            let here = self.cutting.load(Ordering::Relaxed);
            // SAFETY: null, or a slab of a pool that lives.
            match unsafe { here.as_ref() } {
                Some(slab) if slab.uncut() > 0 => break slab,
                Some(slab) => self.cutting.store(slab.next, Ordering::Relaxed),
                None => return 0,
            }
        };
        let n_cut = slab.n_cut.load(Ordering::Relaxed);
        let n = slab.uncut().min(places.len());
        let first = slab.slab.start as usize + n_cut * stride;
        for (index, place) in places[..n].iter_mut().rev().enumerate() {
            *place = first + index * stride;
        }
        slab.n_cut.store(n_cut + n, Ordering::Relaxed);
        n
    }

    /// Objects that were never handed out.
    pub(super) fn uncut(&self) -> usize {
        self.iter().map(PoolSlab::uncut).sum()
    }

    /// Calls `visit` with each object; how many.
    pub(super) fn for_each(&self, stride: usize, mut visit: impl FnMut(*mut u8)) -> usize {
        let mut n = 0;
        for slab in self.iter() {
            for index in 0..slab.n_objects {
                visit(slab.slab.start.wrapping_add(index * stride));
            }
            n += slab.n_objects;
        }
        n
    }

    /// Whether vectors refer to objects of any slab.
    pub(super) fn in_vectors(&self) -> bool {
        let buffers = self.iter().filter_map(|slab| slab.buffers.get());
        buffers.flatten().any(Buffer::is_used)
    }

    /// The record of an object that is to be a buffer; `None` without memory.
    pub(super) fn buffer(
        &'static self,
        object: *mut u8,
        stride: usize,
        make: impl Fn(*mut u8) -> Buffer,
    ) -> Option<&'static Buffer> {
        let offset = |slab: &PoolSlab| (object as usize).wrapping_sub(slab.slab.start as usize);
        let slab = self.iter().find(|slab| offset(slab) < slab.slab.size)?;
        let all = |index| make(slab.slab.start.wrapping_add(index * stride));
        let buffers = slab
            .buffers
            .get_or_try_init(|| boxed(boxed_slice((0..slab.n_objects).map(all))?))
            .ok()?;
        buffers.get(offset(slab) / stride)
    }

    /// Gives all slabs back.
    ///
    /// # Safety
    /// No object is used any more, and no other thread looks at the slabs.
    pub(super) unsafe fn give_back(&self) {
        let mut next = self.newest.swap(ptr::null_mut(), Ordering::Relaxed);
        self.cutting.store(ptr::null_mut(), Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: from a box, by `add`.
            let slab = unsafe { Box::from_raw(next) };
            next = slab.next;
            // SAFETY: no object of the slab is used, and no other thread looks at it.
            unsafe { slab.slab.give_back() };
        }
    }
}
