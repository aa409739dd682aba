//! A little memory for small requests that cannot be refused when there is no other.
//!
//! The library's own records are made by [`crate::boxed`], which can be told that memory is out.
//! Code that reads the system's files uses vectors and texts of the standard library, which end the
//! process then. What it reads is little and does not live long; so it gets this memory, and what it
//! finds out is not kept ([`count`]).

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The size of the area in bytes. A machine of a hundred nodes needs a tenth of it.
const SIZE: usize = 128 << 10;

#[repr(align(64))]
struct Area(UnsafeCell<[u8; SIZE]>);

// SAFETY: no two blocks in it overlap, and only the owner of a block reads and writes it.
unsafe impl Sync for Area {}

/// All zero, so that it takes no memory before its first use.
static AREA: Area = Area(UnsafeCell::new([0; SIZE]));

/// Bytes that have been handed out, from the start of the area, and above [`BLOCK`] the number of
/// living blocks: when there is none, the area is empty again.
static STATE: AtomicU64 = AtomicU64::new(0);
const BLOCK: u64 = 1 << 32;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many blocks have been handed out so far.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// A block as `layout` asks, its contents undefined; null if the area has no room.
pub fn alloc(layout: Layout) -> *mut u8 {
    let start = AREA.0.get().cast::<u8>();
    let found = STATE.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
        let (_, end) = place(state, layout)?;
        Some((state & !(BLOCK - 1)) + BLOCK + end as u64)
    });
    let Some((offset, _)) = found.ok().and_then(|state| place(state, layout)) else {
        return ptr::null_mut();
    };
    COUNT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: within the area.
    unsafe { start.add(offset) }
}

/// Where in the area the next block would be: its first byte and the one behind its last.
fn place(state: u64, layout: Layout) -> Option<(usize, usize)> {
    let used = (state & (BLOCK - 1)) as usize;
    let offset = used.checked_next_multiple_of(layout.align())?;
    let end = offset.checked_add(layout.size())?;
    (layout.align() <= align_of::<Area>() && end <= SIZE).then_some((offset, end))
}

/// Whether a block is from the area.
pub fn owns(block: *const u8) -> bool {
    (block as usize).wrapping_sub(AREA.0.get() as usize) < SIZE
}

/// Counts a block as gone. Which one does not matter: the area is empty again when none lives.
///
/// # Safety
/// The caller gives up one block of [`alloc`], which is not used any more.
pub unsafe fn dealloc() {
    let taken = STATE.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
        let left = state - BLOCK;
        Some(if left < BLOCK { 0 } else { left })
    });
    debug_assert!(taken.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the area is the process's.
    #[test]
    fn it_is_used_up_and_empty_again() {
        let layout = Layout::from_size_align(1000, 32).expect("a layout");
        let before = count();
        let blocks: Vec<_> = core::iter::repeat_with(|| alloc(layout))
            .take_while(|block| !block.is_null())
            .collect();
        assert_eq!(blocks.len(), SIZE / 1024);
        assert_eq!(count() - before, blocks.len());
        for (i, block) in blocks.iter().enumerate() {
            assert!(owns(*block) && block.align_offset(32) == 0);
            assert!(i == 0 || *block as usize - blocks[i - 1] as usize == 1024);
        }
        for _ in 1..blocks.len() {
            // SAFETY: each of these blocks is taken back once.
            unsafe { dealloc() };
            assert!(alloc(layout).is_null());
        }
        // SAFETY: the last one.
        unsafe { dealloc() };
        assert_eq!(alloc(layout), blocks[0]);
        // SAFETY: just handed out.
        unsafe { dealloc() };
        let vast = Layout::from_size_align(16, 4096).expect("a layout");
        assert!(alloc(vast).is_null() && !owns(ptr::null()));
    }
}
