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

/// An area and what is known of it.
struct Reserve {
    /// All zero, so that it takes no memory before its first use.
    area: Area,
    /// Bytes that have been handed out, from the start of the area, and above [`BLOCK`] the number of
    /// living blocks: when there is none, the area is empty again.
    state: AtomicU64,
    /// How many blocks have been handed out so far.
    count: AtomicUsize,
}

/// What one living block adds to the state of its reserve.
const BLOCK: u64 = 1 << 32;

// SAFETY: no two blocks in the area overlap, and only the owner of a block reads and writes it; all
// else is atomic.
unsafe impl Sync for Reserve {}

/// The process's.
static RESERVE: Reserve = Reserve::new();

impl Reserve {
    const fn new() -> Self {
        Self {
            area: Area(UnsafeCell::new([0; SIZE])),
            state: AtomicU64::new(0),
            count: AtomicUsize::new(0),
        }
    }

    fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.area.0.get().cast::<u8>();
        let take = |state| {
            let (_, end) = place(state, layout)?;
            Some((state & !(BLOCK - 1)) + BLOCK + end as u64)
        };
        let found = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        let Some((offset, _)) = found.ok().and_then(|state| place(state, layout)) else {
            return ptr::null_mut();
        };
        self.count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: within the area.
        unsafe { start.add(offset) }
    }

    fn owns(&self, block: *const u8) -> bool {
        (block as usize).wrapping_sub(self.area.0.get() as usize) < SIZE
    }

    /// # Safety
    /// The caller gives up one block of this reserve, which is not used any more.
    unsafe fn dealloc(&self) {
        let give = |state| {
            let left = state - BLOCK;
            Some(if left < BLOCK { 0 } else { left })
        };
        let taken = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, give);
        debug_assert!(taken.is_ok());
    }
}

/// Where in the area the next block would be: its first byte and the one behind its last.
fn place(state: u64, layout: Layout) -> Option<(usize, usize)> {
    let used = (state & (BLOCK - 1)) as usize;
    let offset = used.checked_next_multiple_of(layout.align())?;
    let end = offset.checked_add(layout.size())?;
    (layout.align() <= align_of::<Area>() && end <= SIZE).then_some((offset, end))
}

/// How many blocks have been handed out so far.
pub fn count() -> usize {
    RESERVE.count.load(Ordering::Relaxed)
}

/// A block as `layout` asks, its contents undefined; null if the area has no room.
pub fn alloc(layout: Layout) -> *mut u8 {
    RESERVE.alloc(layout)
}

/// Whether a block is from the area.
pub fn owns(block: *const u8) -> bool {
    RESERVE.owns(block)
}

/// Counts a block as gone. Which one does not matter: the area is empty again when none lives.
///
/// # Safety
/// The caller gives up one block of [`alloc`], which is not used any more.
pub unsafe fn dealloc() {
    // SAFETY: the block is one of this reserve, by the caller's promise.
    unsafe { RESERVE.dealloc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of one of its own: what others count tells other tests that memory was short.
    #[test]
    fn it_is_used_up_and_empty_again() {
        static RESERVE: Reserve = Reserve::new();
        let layout = Layout::from_size_align(1000, 32).expect("a layout");
        let blocks: Vec<_> = core::iter::repeat_with(|| RESERVE.alloc(layout))
            .take_while(|block| !block.is_null())
            .collect();
        assert_eq!(blocks.len(), SIZE / 1024);
        assert_eq!(RESERVE.count.load(Ordering::Relaxed), blocks.len());
        for (i, block) in blocks.iter().enumerate() {
            assert!(RESERVE.owns(*block) && block.align_offset(32) == 0);
            assert!(i == 0 || *block as usize - blocks[i - 1] as usize == 1024);
        }
        for _ in 1..blocks.len() {
            // SAFETY: each of these blocks is taken back once.
            unsafe { RESERVE.dealloc() };
            assert!(RESERVE.alloc(layout).is_null());
        }
        // SAFETY: the last one.
        unsafe { RESERVE.dealloc() };
        assert_eq!(RESERVE.alloc(layout), blocks[0]);
        // SAFETY: just handed out.
        unsafe { RESERVE.dealloc() };
        let vast = Layout::from_size_align(16, 4096).expect("a layout");
        assert!(RESERVE.alloc(vast).is_null() && !RESERVE.owns(ptr::null()));
    }
}
