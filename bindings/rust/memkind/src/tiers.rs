use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{AllocError, Allocator};
use memkind_sys as sys;

use crate::{Error, Kind, Static, raw};

/// How blocks are spread over tiers; see libmemtier(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Keeps the ratio between the bytes of the tiers.
    StaticRatio,
    /// Small blocks to the first tiers, large ones to the last; the border moves to keep the ratio.
    DynamicThreshold,
}

/// Collects tiers; `'kinds` is how long the kinds of the program's own live.
#[derive(Debug)]
pub struct TiersBuilder<'kinds> {
    builder: *mut sys::memtier_builder,
    /// The tiers that must still be added before the memory can be made.
    n_missing: usize,
    kinds: PhantomData<&'kinds Kind>,
}

impl<'kinds> TiersBuilder<'kinds> {
    /// A builder without tiers; `None` when memory is short.
    pub fn new(policy: Policy) -> Option<Self> {
        let (policy, n_missing) = match policy {
            Policy::StaticRatio => (sys::MEMTIER_POLICY_STATIC_RATIO, 1),
            Policy::DynamicThreshold => (sys::MEMTIER_POLICY_DYNAMIC_THRESHOLD, 2),
        };
        // SAFETY: the function has no preconditions.
        let builder = unsafe { sys::memtier_builder_new(policy) };
        (!builder.is_null()).then_some(Self {
            builder,
            n_missing,
            kinds: PhantomData,
        })
    }

    fn add(mut self, kind: sys::memkind_t, ratio: u32) -> Result<Self, Error> {
        // SAFETY: builder and kind live.
        match unsafe { sys::memtier_builder_add_tier(self.builder, kind, ratio) } {
            0 => {
                self.n_missing = self.n_missing.saturating_sub(1);
                Ok(self)
            }
            _ => Err(Error::INVALID),
        }
    }

    /// Adds a static kind, with its part of all bytes.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` for a kind that is there already, and without memory for the tier.
    pub fn tier(self, kind: Static, ratio: u32) -> Result<Self, Error> {
        self.add(kind.handle(), ratio)
    }

    /// Adds a kind of the program's own, with its part of all bytes.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` for a kind that is there already, and without memory for the tier.
    pub fn tier_of(self, kind: &'kinds Kind, ratio: u32) -> Result<Self, Error> {
        self.add(kind.handle(), ratio)
    }

    /// Makes the memory of the tiers.
    ///
    /// # Errors
    /// `MEMKIND_ERROR_INVALID` without tiers, or with one for [`Policy::DynamicThreshold`]; `MEMKIND_ERROR_MALLOC`
    /// without memory.
    pub fn build(self) -> Result<Tiers<'kinds>, Error> {
        // SAFETY: the builder lives.
        let memory = unsafe { sys::memtier_builder_construct_memtier_memory(self.builder) };
        if memory.is_null() {
            return Err(match self.n_missing {
                0 => Error::NO_MEMORY,
                _ => Error::INVALID,
            });
        }
        Ok(Tiers {
            memory,
            kinds: PhantomData,
        })
    }
}

impl Drop for TiersBuilder<'_> {
    fn drop(&mut self) {
        // SAFETY: the builder is this value's alone.
        unsafe { sys::memtier_builder_delete(self.builder) }
    }
}

/// Several kinds behind one allocator, `&Tiers`, which chooses a kind for each block.
#[derive(Debug)]
pub struct Tiers<'kinds> {
    memory: *mut sys::memtier_memory,
    kinds: PhantomData<&'kinds Kind>,
}

// SAFETY: the functions on a memory are MT-safe.
unsafe impl Send for Tiers<'_> {}
// SAFETY: the functions on a memory are MT-safe.
unsafe impl Sync for Tiers<'_> {}

impl Drop for Tiers<'_> {
    fn drop(&mut self) {
        // SAFETY: what is allocated from the memory borrows it, so nothing is left.
        unsafe { sys::memtier_delete_memtier_memory(self.memory) }
    }
}

// SAFETY: blocks stay where they are until they are freed. Zero-sized layouts get dangling
// pointers, which are not freed.
unsafe impl Allocator for &Tiers<'_> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        raw::slice(layout, || {
            let mut block = ptr::null_mut();
            let align = layout.align().max(size_of::<usize>());
            let size = layout.size().max(layout.align());
            // SAFETY: the memory lives, and `block` is writable.
            let code =
                unsafe { sys::memtier_posix_memalign(self.memory, &raw mut block, align, size) };
            NonNull::new(block.cast()).filter(|_| code == 0)
        })
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: `block` is a live block of this allocator, which is not used again.
            unsafe { sys::memtier_kind_free(ptr::null_mut(), block.as_ptr().cast()) }
        }
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: `block` is a live block of this allocator, and is given up.
        unsafe { raw::replace(self, block, old, new) }
    }
}

impl Static {
    /// Bytes in live blocks that [`Tiers`] have taken from this kind, by their usable sizes.
    pub fn allocated_by_tiers(self) -> usize {
        // SAFETY: static kinds always live.
        unsafe { sys::memtier_kind_allocated_size(self.handle()) }
    }
}
