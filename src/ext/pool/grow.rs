//! Taking slabs for a pool from its kind. Only one thread at a time does so, without the pool's lock: the
//! kind may have to look for memory for long.

use core::sync::atomic::Ordering;

use super::Pool;
use super::slabs::PoolSlab;
use crate::backing::{page_size, round_up};
use crate::error::Error;
use crate::ext::slab::Slab;
use crate::heap::objects::Held;
use crate::heap::page_map;
use crate::heap::pause::Pause;
use crate::log::refused;
use crate::sys::tools;

/// Slabs have at least this many bytes, or all objects that a pool may have.
const SLAB: usize = 2 << 20;
/// A pool of larger objects doubles with each slab up to this many objects, and then grows by so many, or by
/// a quarter if that is more.
const SLAB_OBJECTS: usize = 64;

impl Pool {
    /// How many objects the next slab is to have; 0 at the limit.
    pub(super) fn next_slab(&self) -> usize {
        let n_objects = self.n_objects();
        let left = self.limit() - n_objects;
        // A quarter more, in the end: there are few slabs, however many objects.
        let doubled = n_objects.clamp(1, SLAB_OBJECTS).max(n_objects / 4);
        (SLAB / self.stride()).max(doubled).min(left)
    }

    /// Takes a slab of `wanted` objects, or of fewer. While another thread takes one, this only makes a
    /// `pause`.
    ///
    /// # Errors
    /// `NoMemory` if the kind has no memory, for whatever reason, or `wanted` is 0.
    pub(super) fn grow(
        &'static self,
        held: Held,
        wanted: usize,
        pause: &mut Pause,
    ) -> Result<(), Error> {
        let growth = self.growth(&held);
        if growth.busy {
            drop(held);
            pause.wait();
            return Ok(());
        }
        if wanted == 0 {
            return Err(Error::NoMemory);
        }
        growth.busy = true;
        drop(held);
        let _inside = tools::Inside::new();
        let slab = self.fresh_slab(wanted);
        let held = self.objects.hold();
        let growth = self.growth(&held);
        growth.busy = false;
        let slab = slab?;
        growth.held += slab.bytes();
        growth.n_slabs += 1;
        self.n_objects.fetch_add(slab.n_objects, Ordering::Relaxed);
        self.slabs.add(slab);
        Ok(())
    }

    /// A slab of up to `wanted` objects, and of at least one.
    fn fresh_slab(&self, wanted: usize) -> Result<Box<PoolSlab>, Error> {
        let stride = self.stride();
        let left = self.limit() - self.n_objects();
        let mut n_objects = wanted;
        loop {
            let bytes = stride * n_objects;
            let (unit, align) = if bytes < SLAB {
                (page_size(), page_size())
            } else {
                (SLAB, SLAB)
            };
            let bytes = round_up(bytes, unit).ok_or(Error::NoMemory)?;
            match Slab::cut(self.kind(), self.align().max(align), bytes) {
                // Classes of sizes may have made it larger.
                Ok(slab) => return PoolSlab::make(slab, (slab.size / stride).min(left)),
                Err(Error::NoMemory) if n_objects > 1 => n_objects /= 2,
                // Whatever the reason why the kind has no memory.
                Err(_) => return Err(Error::NoMemory),
            }
        }
    }

    /// Sees to it that the pool has `count` objects, in use or not.
    ///
    /// # Errors
    /// `Invalid` above the limit or for a pool that does not live; `NoMemory` if the kind has no memory.
    pub fn prepare(&'static self, count: usize) -> Result<(), Error> {
        let limit = self.limit();
        if !self.is_live() {
            return refused!(
                Err(Error::Invalid),
                "Cannot prepare pool: it was destroyed."
            );
        }
        if count > limit {
            return refused!(
                Err(Error::Invalid),
                "Cannot prepare pool: {count} objects are more than its limit of {limit}."
            );
        }
        let too_many = count.checked_mul(self.stride());
        if too_many.is_none_or(|bytes| bytes >= page_map::END) || self.is_lost() {
            return Err(Error::NoMemory);
        }
        let mut pause = Pause::new();
        loop {
            let held = self.objects.hold();
            let n_objects = self.n_objects();
            if n_objects >= count {
                return Ok(());
            }
            self.grow(held, count - n_objects, &mut pause)?;
        }
    }
}
