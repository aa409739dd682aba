//! The paths that nearly every call takes: a few dozen instructions, no call, no lock.
//!
//! They are off until the library is loaded, and stay off if the program has hooks or
//! the loader put the thread-local variable out of reach; everything then takes the
//! slow paths, which do all that these do and more.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::base::{KINDS, class, page_map};
use super::thread::tally::{self, Tally};
use super::thread::{self, Thread, tls};
use super::{cache, giveback};

/// The value of [`MINUS_BASE`] by which no address gives a valid index.
const NOWHERE: usize = 1 << 63;

/// Whether the fast paths may be used.
static ON: AtomicBool = AtomicBool::new(false);

/// Minus the address of the first kind, or [`NOWHERE`]: added to a kind's address it gives a distance.
static MINUS_BASE: AtomicUsize = AtomicUsize::new(NOWHERE);

/// The binary logarithm of the bytes of a kind's slot. The kinds lie side by side.
pub(crate) const SLOT_BITS: u32 = 9;

/// Prepares the slow paths, and turns the fast ones on if they are wanted and possible.
/// `kinds` is where the first kind is. Called once, at load.
pub(crate) fn enable(kinds: usize, wanted: bool) {
    thread::prepare();
    giveback::prepare();
    if tls::prepare() && wanted {
        page_map::enable_fast(crate::sys::is_single_threaded());
        MINUS_BASE.store(kinds.wrapping_neg(), Ordering::Release);
        ON.store(true, Ordering::Release);
    }
}

/// Turns the fast paths off again, before anything has been allocated; `false` when there is no
/// memory to do so.
pub(crate) fn disable() -> bool {
    if is_on() {
        if !page_map::disable_fast() {
            return false;
        }
        MINUS_BASE.store(NOWHERE, Ordering::Release);
        ON.store(false, Ordering::Release);
    }
    true
}

/// Whether the fast paths are used.
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// A block of a kind, by the kind's address; `None` if the slow path has to find one.
/// Any address will do.
#[inline(always)]
pub(crate) fn allocate(kind: usize, size: usize) -> Option<NonNull<u8>> {
    if size > class::FINE_MAX {
        unlikely();
        return None;
    }
    take(kind, class::fine_offset(size))
}

/// A block of a kind, by the kind's address, above `class::FINE_MAX` bytes: beside the path that
/// nearly every call takes. `None` if the slow path has to find one.
#[inline(always)]
pub(crate) fn allocate_larger(kind: usize, size: usize) -> Option<NonNull<u8>> {
    if size <= class::FINE_MAX || size > class::LARGE_MAX {
        return None;
    }
    let offset = if size <= class::MAX {
        class::coarse_offset(size)
    } else {
        class::large_offset(size)
    };
    take(kind, offset)
}

/// Whether nearly every call asks for such a size.
#[inline(always)]
pub(crate) const fn is_fine(size: usize) -> bool {
    size <= class::FINE_MAX
}

/// A block of a kind, by the kind's address, whose bin of that size is empty: from the thread's other
/// magazine or the depot. `None` if the slow path has to find one.
#[inline(always)]
pub(crate) fn allocate_again(kind: usize, size: usize) -> Option<NonNull<u8>> {
    let index = index_of(kind);
    if index >= KINDS {
        return None;
    }
    let store = cache::Store::by_id(index + 1)?;
    let last = (1 << store.arenas.align_bits) - 1;
    if size & last != 0 {
        return allocate_rounded(kind, store, size, (size | last) + 1);
    }
    let thread = here();
    thread.enter();
    let block = cache::take_again(thread, store, class::offset(size));
    thread.leave();
    block
}

/// A block of a kind of which every block is aligned, by the kind's address: of `rounded` bytes, the
/// multiple of that, for a size up to `class::FINE_MAX`. `None` if the slow path has to find one.
/// If the size is asked for often, [`allocate`] has the next ones.
fn allocate_rounded(
    kind: usize,
    store: &'static cache::Store,
    size: usize,
    rounded: usize,
) -> Option<NonNull<u8>> {
    if rounded > class::FINE_MAX {
        return None;
    }
    let block = take(kind, class::fine_offset(rounded))?;
    let thread = here();
    thread.enter();
    let (asked, offset) = (class::fine_offset(size), class::fine_offset(rounded));
    cache::front::fill(thread, store, asked, offset);
    thread.leave();
    giveback::grown::after_growth(&store.arenas, rounded, false);
    Some(block)
}

/// The id of the heap for each CPU, of a kind whose heap depends on the CPU.
pub(crate) struct HeapOfCpu(pub(crate) Box<[u16]>);

static HEAPS_OF_CPUS: [AtomicPtr<HeapOfCpu>; KINDS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; KINDS];

/// Says which heaps a kind has, by the kind's number.
pub(crate) fn set_heaps(number: usize, heaps: &'static HeapOfCpu) {
    HEAPS_OF_CPUS[number].store(ptr::from_ref(heaps).cast_mut(), Ordering::Release);
}

/// A block of a kind whose heap depends on the CPU; `None` if the slow path has to find
/// one. Any address will do.
#[inline(always)]
pub(crate) fn allocate_here(kind: usize, size: usize) -> Option<NonNull<u8>> {
    let heaps = HEAPS_OF_CPUS.get(index_of(kind))?.load(Ordering::Acquire);
    // SAFETY: null or from `set_heaps`.
    let heaps = unsafe { heaps.as_ref() }?;
    let id = *heaps.0.get(crate::topology::current_cpu())?;
    let thread = here();
    thread.enter();
    // SAFETY: the calling thread has entered; ids of heaps and offsets of classes are in range.
    let block = unsafe { cache::pop(thread, id.into(), class::offset(size)) };
    thread.leave();
    block
}

#[inline(always)]
fn take(kind: usize, offset: usize) -> Option<NonNull<u8>> {
    let index = index_of(kind);
    if index >= KINDS {
        unlikely();
        return None;
    }
    let thread = here();
    thread.enter();
    // SAFETY: the calling thread has entered; the index is a kind's and the offset a class's.
    let block = unsafe { cache::pop(thread, index + 1, offset) };
    thread.leave();
    block
}

/// A kind's number by its address; large for what is not a kind's address.
#[inline(always)]
fn index_of(kind: usize) -> usize {
    // Rotated, not shifted: an address inside a slot gives a large index.
    kind.wrapping_add(MINUS_BASE.load(Ordering::Relaxed))
        .rotate_right(SLOT_BITS)
}

/// Resizes a small block of the kind at the address `kind` to a small size; `None` if the slow
/// path has to. Any `kind` will do.
///
/// # Safety
/// `block` is null, a live block that is not used again if another one is given, or not the
/// library's.
#[inline(always)]
pub(crate) unsafe fn resize(kind: usize, block: *mut u8, size: usize) -> Option<NonNull<u8>> {
    let (id, old) = page_map::fast_halves(block as usize)?;
    // Neither 0 nor class::NO_BLOCKS.
    let known = old.wrapping_sub(1) < class::NO_BLOCKS - 1;
    let small = known && size != 0 && size <= class::FINE_MAX;
    if !small || (kind != 0 && index_of(kind).wrapping_add(1) != id) || id > KINDS {
        return None;
    }
    let new = class::fine_offset(size);
    if new == old {
        return NonNull::new(block);
    }
    let thread = here();
    thread.enter();
    // SAFETY: the calling thread has entered; the page map has ids of heaps only.
    let fresh = unsafe { cache::pop(thread, id, new) };
    if let Some(fresh) = fresh {
        // SAFETY: both blocks are live and of at least that many bytes.
        unsafe {
            let kept = class::size_of(old).min(size);
            core::ptr::copy_nonoverlapping(block, fresh.as_ptr(), kept);
        }
        // SAFETY: the calling thread has entered; the page map says whose the block is and of
        // which class, and it is given up.
        if !unsafe { cache::push_counted(thread, id, old, block) } {
            thread.leave();
            // SAFETY: a live block whose contents are copied, and which is given up.
            unsafe { super::blocks::free(block) };
            return Some(fresh);
        }
    }
    thread.leave();
    fresh
}

/// The usable bytes of the block at an address; `None` if the slow path has to find out. Any address
/// will do.
#[inline(always)]
pub(crate) fn usable_size(block: usize) -> Option<usize> {
    let (_, offset) = page_map::fast_halves(block)?;
    // Neither 0 nor class::NO_BLOCKS.
    (offset.wrapping_sub(1) < class::NO_BLOCKS - 1).then(|| class::size_of(offset))
}

/// Frees a block; `false` if the slow path has to.
///
/// # Safety
/// `block` is null, a live block that is not used again, or not the library's.
#[inline(always)]
pub(crate) unsafe fn free(block: *mut u8) -> bool {
    let Some((id, offset)) = page_map::fast_halves(block as usize) else {
        unlikely();
        return false;
    };
    let thread = here();
    thread.enter();
    // SAFETY: the calling thread has entered; the page map says whose the block is and of which
    // class, and the caller gives it up. Another address has an empty and full bin there.
    let done = unsafe { cache::push_counted(thread, id, offset, block) };
    thread.leave();
    done
}

/// A block of the heap whose id `choose` returns; `None` if the slow path has to find one. `count`
/// is given the thread's tally, the id, the thread's recent bytes there with the block, and the
/// block, which it returns: as it is called last, no register has to be kept over the call.
#[inline(always)]
pub(crate) fn allocate_counted(
    size: usize,
    choose: impl FnOnce(&Tally) -> Option<usize>,
    count: impl FnOnce(&Tally, usize, i64, NonNull<u8>) -> NonNull<u8>,
) -> Option<NonNull<u8>> {
    if size > class::FINE_MAX {
        unlikely();
        return None;
    }
    let offset = class::fine_offset(size);
    take_counted(here_if_fast()?, offset, choose, count)
}

/// [`allocate_counted`] where the fast paths are known to be on. Written out once more, since one
/// function for both takes two more instructions each time.
///
/// # Safety
/// [`is_on`] has answered true.
#[inline(always)]
pub(crate) unsafe fn allocate_counted_when_on(
    size: usize,
    choose: impl FnOnce(&Tally) -> Option<usize>,
    count: impl FnOnce(&Tally, usize, i64, NonNull<u8>) -> NonNull<u8>,
) -> Option<NonNull<u8>> {
    if size > class::FINE_MAX {
        unlikely();
        return None;
    }
    take_counted(here(), class::fine_offset(size), choose, count)
}

/// [`allocate_counted`] for any cached size.
#[inline]
pub(crate) fn allocate_small_counted(
    size: usize,
    choose: impl FnOnce(&Tally) -> Option<usize>,
    count: impl FnOnce(&Tally, usize, i64, NonNull<u8>) -> NonNull<u8>,
) -> Option<NonNull<u8>> {
    match class::offset(size) {
        0 => None,
        offset => take_counted(here_if_fast()?, offset, choose, count),
    }
}

#[inline(always)]
fn take_counted(
    thread: &Thread,
    offset: usize,
    choose: impl FnOnce(&Tally) -> Option<usize>,
    count: impl FnOnce(&Tally, usize, i64, NonNull<u8>) -> NonNull<u8>,
) -> Option<NonNull<u8>> {
    let Some(id) = choose(&thread.tally) else {
        unlikely();
        return None;
    };
    thread.enter();
    // SAFETY: the calling thread has entered; `choose` gives ids of heaps, and the offset is a
    // class's.
    let Some(block) = (unsafe { cache::pop(thread, id, offset) }) else {
        thread.leave();
        return None;
    };
    thread.leave();
    let recent = thread.tally.add(id, tally::bytes(offset));
    Some(count(&thread.tally, id, recent, block))
}

/// `block`, for the end of a function that hands it on: a compiler that knows the value keeps
/// it over the call instead, at the price of two instructions on the way that is taken.
#[inline(always)]
pub(crate) fn as_is(block: NonNull<u8>) -> NonNull<u8> {
    #[cfg(target_arch = "x86_64")]
    {
        let mut address = block.as_ptr();
        // SAFETY: no instruction at all; the address is what it was, and so not null.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) address,
                options(nostack, preserves_flags));
            NonNull::new_unchecked(address)
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    block
}

/// Frees a block and counts it; `false` if the slow path has to.
///
/// # Safety
/// `block` is null, a live block that is not used again, or not the library's.
#[inline(always)]
pub(crate) unsafe fn free_counted(block: *mut u8, count: impl FnOnce(&Tally, usize, i64)) -> bool {
    let Some((id, offset)) = page_map::fast_halves(block as usize) else {
        unlikely();
        return false;
    };
    let thread = here();
    thread.enter();
    // SAFETY: the calling thread has entered; the page map says whose the block is and of which
    // class, and the caller gives it up. Another address has an empty and full bin there.
    if !unsafe { cache::push_counted(thread, id, offset, block) } {
        thread.leave();
        return false;
    }
    thread.leave();
    let recent = thread.tally.add(id, -tally::bytes(offset));
    count(&thread.tally, id, recent);
    true
}

/// Keeps tests apart that the compiler would merge into one at the price of more
/// instructions on the way that is taken.
#[cold]
const fn unlikely() {}

#[inline(always)]
fn here_if_fast() -> Option<&'static Thread> {
    let Some(thread) = tls::current_if_fast() else {
        unlikely();
        return None;
    };
    // SAFETY: a record, none of which is ever unmapped.
    Some(unsafe { &*thread })
}

#[inline(always)]
fn here() -> &'static Thread {
    // SAFETY: the fast paths are on, so the variable is within reach; it holds a
    // record, none of which is ever unmapped.
    unsafe { &*tls::current_fast() }
}
