//! Memory for an allocation that comes back into the library while the calling thread is in the
//! middle of a start: of jemalloc's, or of its own thread-local variables, for which the loader
//! allocates. Nothing here needs either.
//!
//! A thread that is inside is known by its thread pointer. Blocks have a header, are powers of
//! two, and go back to a list of their size. They count as MEMKIND_DEFAULT's.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::lock::Lock;
use super::page_map;
use super::pause::Pause;
use crate::backing::map_zeroes;
use crate::error::Error;
pub(crate) use crate::sys::thread_pointer::thread_pointer;

/// What the page map says about the pages of these blocks: an id that no heap has.
pub const ID: usize = super::HEAPS - 1;

/// The threads that are inside, by thread pointer; 0 = none.
static INSIDE: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];
/// How many there are: nearly always 0, which spares looking.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Keeps the calling thread inside.
pub(crate) struct Inside(&'static AtomicUsize);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the calling thread is inside.
#[inline]
pub(crate) fn is_inside() -> bool {
    COUNT.load(Ordering::Relaxed) != 0 && {
        let own = thread_pointer();
        INSIDE
            .iter()
            .any(|place| place.load(Ordering::Relaxed) == own)
    }
}

/// Makes what the calling thread allocates from now on come from the spare memory.
pub(crate) fn enter() -> Inside {
    let own = thread_pointer();
    COUNT.fetch_add(1, Ordering::Relaxed);
    let mut pause = Pause::new();
    loop {
        for place in &INSIDE {
            if place.load(Ordering::Relaxed) == 0
                && place
                    .compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Inside(place);
            }
        }
        // More threads than places: each is inside for a moment only.
        pause.wait();
    }
}

/// What lies before a block.
#[repr(C)]
struct Header {
    /// The start of the memory that the block is in.
    start: *mut u8,
    /// The size of that memory, as the logarithm of a power of two.
    class: usize,
}

/// The binary logarithm of the bytes of the smallest block, with its header.
const SMALLEST: usize = 5;
/// The binary logarithm of the bytes that are mapped at a time for smaller blocks.
const CHUNK: usize = 16;
/// A block has fewer bytes than two to the power of this.
const CLASSES: usize = 48;

/// The free blocks of each class, each with the address of the next at its start.
struct Lists(UnsafeCell<[*mut u8; CLASSES]>);

// SAFETY: used under the lock alone.
unsafe impl Sync for Lists {}

static LISTS: Lists = Lists(UnsafeCell::new([ptr::null_mut(); CLASSES]));
static LOCK: Lock = Lock::new();

/// A block of `size` bytes at a multiple of `align`, a power of two, that reads as zero.
///
/// # Errors
/// `NoMemory`.
pub fn allocate(align: usize, size: usize) -> Result<*mut u8, Error> {
    let align = align.max(align_of::<Header>().max(16));
    let needed = size
        .checked_add(align)
        .and_then(|sum| sum.checked_add(size_of::<Header>()))
        .and_then(usize::checked_next_power_of_two)
        .ok_or(Error::NoMemory)?;
    let class = (needed.trailing_zeros() as usize).max(SMALLEST);
    if class >= CLASSES {
        return Err(Error::NoMemory);
    }
    let start = take(class).ok_or(Error::NoMemory)?;
    // SAFETY: the memory is ours and 2^class bytes, which hold the header, the way to the next
    // multiple of the alignment, and the block.
    unsafe {
        ptr::write_bytes(start, 0, 1 << class);
        let first = start.add(size_of::<Header>());
        let block = first.add(first.align_offset(align));
        block.cast::<Header>().sub(1).write(Header { start, class });
        Ok(block)
    }
}

fn take(class: usize) -> Option<*mut u8> {
    let _held = LOCK.hold();
    // SAFETY: the lock is held.
    let list = unsafe { &mut (*LISTS.0.get())[class] };
    if list.is_null() {
        let size = 1 << class.max(CHUNK);
        let fresh = map_zeroes(size)?;
        if page_map::set_owner(fresh as usize, size, ID).is_err() {
            // SAFETY: just mapped, and no other code has the address.
            unsafe { libc::munmap(fresh.cast(), size) };
            return None;
        }
        for at in (0..size).step_by(1 << class) {
            // SAFETY: inside the mapping, and aligned as blocks are.
            unsafe {
                let block = fresh.add(at);
                block.cast::<*mut u8>().write(*list);
                *list = block;
            }
        }
    }
    let block = *list;
    // SAFETY: a free block, which has the next at its start.
    *list = unsafe { *block.cast::<*mut u8>() };
    Some(block)
}

/// Takes back a block.
///
/// # Safety
/// `block` is a live block of this module.
pub(crate) unsafe fn free(block: *mut u8) {
    // SAFETY: a live block of this module has its header before it, and `start` is its memory.
    unsafe {
        let Header { start, class } = block.cast::<Header>().sub(1).read();
        let _held = LOCK.hold();
        let list = &mut (*LISTS.0.get())[class];
        start.cast::<*mut u8>().write(*list);
        *list = start;
    }
}

/// The bytes of a block that may be used.
///
/// # Safety
/// `block` is a live block of this module.
pub(crate) unsafe fn usable_size(block: *const u8) -> usize {
    // SAFETY: a live block of this module has its header before it.
    unsafe {
        let header = &*block.cast::<Header>().sub(1);
        (1 << header.class) - (block as usize - header.start as usize)
    }
}

/// Before fork(2): no other thread is in the middle of anything here.
pub fn prepare_fork() {
    LOCK.hold_over_fork();
}

/// After fork(2), in the parent.
pub fn parent_after_fork() {
    LOCK.release();
}

/// Forgets the other threads in a child just forked: they are gone.
pub fn child_after_fork() {
    for place in &INSIDE {
        place.store(0, Ordering::Relaxed);
    }
    COUNT.store(0, Ordering::Relaxed);
    LOCK.release();
}

#[cfg(test)]
mod tests {
    use super::{allocate, enter, free, is_inside, usable_size};

    #[test]
    fn blocks_are_aligned_zero_and_used_again() {
        for align in [1, 16, 64, 4096] {
            for size in [1, 15, 100, 5000, 1 << 20] {
                let block = allocate(align, size).expect("memory");
                assert_eq!(block as usize % align.max(16), 0);
                // SAFETY: a live block of this size.
                unsafe {
                    assert!(usable_size(block) >= size);
                    let bytes = core::slice::from_raw_parts_mut(block, size);
                    assert!(bytes.iter().all(|byte| *byte == 0));
                    bytes.fill(1);
                    free(block);
                }
            }
        }
        assert!(allocate(16, usize::MAX).is_err());
    }

    #[test]
    fn a_thread_is_inside_by_itself() {
        assert!(!is_inside());
        let inside = enter();
        assert!(is_inside());
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(!is_inside()));
        });
        drop(inside);
        assert!(!is_inside());
    }
}
