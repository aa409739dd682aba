//! Allocating from a handle, as the traits for allocators ask for it.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use allocator_api2::alloc::{AllocError, Allocator};
use memkind_sys as sys;

/// Blocks up to this alignment come from malloc.
const MALLOC_ALIGNMENT: usize = 16;

/// A block of a kind for a layout of at least one byte; `None` when there is no memory.
///
/// # Safety
/// The handle is of a living kind.
pub(crate) unsafe fn allocate(
    kind: sys::memkind_t,
    layout: Layout,
    zeroed: bool,
) -> Option<NonNull<u8>> {
    // Blocks of 8 bytes are aligned to 8 only.
    let size = layout.size().max(layout.align());
    // SAFETY: the kind lives by the caller's promise; `block` is writable.
    unsafe {
        let block = if layout.align() <= MALLOC_ALIGNMENT {
            if zeroed {
                sys::memkind_calloc(kind, 1, size)
            } else {
                sys::memkind_malloc(kind, size)
            }
        } else {
            let mut block = ptr::null_mut();
            if sys::memkind_posix_memalign(kind, &raw mut block, layout.align(), size) != 0 {
                return None;
            }
            if zeroed {
                ptr::write_bytes(block.cast::<u8>(), 0, size);
            }
            block
        };
        NonNull::new(block.cast())
    }
}

/// Resizes a block of [`allocate`]; `None` when there is no memory, the block staying as it was. One that is to be
/// made smaller is good enough as it is, so that never fails.
///
/// # Safety
/// The handle is of a living kind, the block is live, of this kind and layout, and both layouts are of
/// at least one byte and of the same alignment.
pub(crate) unsafe fn resize(
    kind: sys::memkind_t,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<u8>> {
    let resized = if new.align() <= MALLOC_ALIGNMENT {
        let size = new.size().max(new.align());
        // SAFETY: the block is live and of this kind, and was allocated without an alignment.
        NonNull::new(unsafe { sys::memkind_realloc(kind, block.as_ptr().cast(), size) }.cast())
    } else {
        // SAFETY: both blocks are live and have the shorter size; the old one is not used again.
        unsafe {
            allocate(kind, new, false).inspect(|fresh| {
                let size = old.size().min(new.size());
                ptr::copy_nonoverlapping(block.as_ptr(), fresh.as_ptr(), size);
                free(block);
            })
        }
    };
    resized.or((new.size() <= old.size()).then_some(block))
}

/// Puts what is in a block of an allocator into a new one, for another layout; a block that serves the other layout
/// too stays when there is no memory for a new one.
///
/// # Safety
/// The block is live and of this layout. It is not used again but through what is returned, unless that is an error.
pub(crate) unsafe fn replace(
    allocator: &impl Allocator,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    match allocator.allocate(new) {
        Ok(fresh) => {
            let size = old.size().min(new.size());
            // SAFETY: both blocks are live and have the shorter size; the old one is not used again.
            unsafe {
                ptr::copy_nonoverlapping(block.as_ptr(), fresh.cast().as_ptr(), size);
                allocator.deallocate(block, old);
            }
            Ok(fresh)
        }
        // Layouts without bytes are never refused, so both have some.
        Err(_) if new.size() <= old.size() && block.addr().get() % new.align() == 0 => {
            Ok(NonNull::slice_from_raw_parts(block, new.size()))
        }
        Err(error) => Err(error),
    }
}

/// Frees a block of any kind.
///
/// # Safety
/// The block is live, and is not used any more.
pub(crate) unsafe fn free(block: NonNull<u8>) {
    // SAFETY: a live block, which is not used again; without a kind the block's own is found.
    unsafe { sys::memkind_free(ptr::null_mut(), block.as_ptr().cast()) }
}

/// Implements `Allocator` for a type with a method `handle`, the handle of a kind that lives as long as the value.
macro_rules! allocator {
    ($type:ty) => {
        // SAFETY: blocks stay where they are until they are freed, and the kind lives as long as
        // any copy of the value. Zero-sized layouts get dangling pointers, which are not freed.
        unsafe impl allocator_api2::alloc::Allocator for $type {
            fn allocate(
                &self,
                layout: core::alloc::Layout,
            ) -> Result<core::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
                $crate::raw::slice(layout, || {
                    // SAFETY: the kind lives, and the layout is not of size 0.
                    unsafe { $crate::raw::allocate(self.handle(), layout, false) }
                })
            }

            fn allocate_zeroed(
                &self,
                layout: core::alloc::Layout,
            ) -> Result<core::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
                $crate::raw::slice(layout, || {
                    // SAFETY: the kind lives, and the layout is not of size 0.
                    unsafe { $crate::raw::allocate(self.handle(), layout, true) }
                })
            }

            unsafe fn deallocate(
                &self,
                block: core::ptr::NonNull<u8>,
                layout: core::alloc::Layout,
            ) {
                if layout.size() != 0 {
                    // SAFETY: `block` is a live block of this allocator, which is not used again.
                    unsafe { $crate::raw::free(block) }
                }
            }

            unsafe fn grow(
                &self,
                block: core::ptr::NonNull<u8>,
                old: core::alloc::Layout,
                new: core::alloc::Layout,
            ) -> Result<core::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
                if old.size() == 0 || new.size() == 0 || old.align() != new.align() {
                    // SAFETY: `block` is a live block of this allocator, and is given up.
                    return unsafe { $crate::raw::replace(self, block, old, new) };
                }
                $crate::raw::slice(new, || {
                    // SAFETY: `block` is a live block of this allocator, and neither layout is of
                    // size 0.
                    unsafe { $crate::raw::resize(self.handle(), block, old, new) }
                })
            }

            unsafe fn shrink(
                &self,
                block: core::ptr::NonNull<u8>,
                old: core::alloc::Layout,
                new: core::alloc::Layout,
            ) -> Result<core::ptr::NonNull<[u8]>, allocator_api2::alloc::AllocError> {
                // SAFETY: `block` is a live block of this allocator, and `grow` above does not
                // ask which of the layouts is longer.
                unsafe { self.grow(block, old, new) }
            }
        }
    };
}
pub(crate) use allocator;

/// What an `Allocator` answers for a layout: a dangling pointer for size 0.
pub(crate) fn slice(
    layout: Layout,
    allocate: impl FnOnce() -> Option<NonNull<u8>>,
) -> Result<NonNull<[u8]>, AllocError> {
    let block = if layout.size() == 0 {
        // SAFETY: an alignment is never 0.
        unsafe { NonNull::new_unchecked(ptr::without_provenance_mut(layout.align())) }
    } else {
        allocate().ok_or(AllocError)?
    };
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}
