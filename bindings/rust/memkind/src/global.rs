use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use crate::{Static, raw};

/// A kind as the allocator of the whole program:
///
/// ```
/// use memkind::{GlobalKind, Static};
///
/// #[global_allocator]
/// static GLOBAL: GlobalKind = GlobalKind(Static::Default);
/// # fn main() { assert_eq!([1, 2].to_vec().len(), 2); }
/// ```
///
/// Where the machine has no such memory every allocation fails: [`Static::Default`] is what is everywhere.
#[derive(Clone, Copy, Debug)]
pub struct GlobalKind(pub Static);

// SAFETY: blocks are of the layout that was asked for and stay where they are until they are freed.
unsafe impl GlobalAlloc for GlobalKind {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: static kinds always live.
        let block = unsafe { raw::allocate(self.0.handle(), layout, false) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: static kinds always live.
        let block = unsafe { raw::allocate(self.0.handle(), layout, true) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: `block` is a live block of this allocator, which is not null.
        unsafe { raw::free(NonNull::new_unchecked(block)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `block` is a live block of this layout, and `size` is valid with its alignment.
        let block = unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            raw::resize(self.0.handle(), NonNull::new_unchecked(block), layout, new)
        };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}
