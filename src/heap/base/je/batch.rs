//! Several small blocks at a time, from an arena and back. jemalloc fills and empties caches of its own
//! that way: it takes a lock for all of them, where a call for each block takes two.

use core::ffi::{c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::{initialise, is_started};
use crate::heap::base::class;
use crate::sys::thread_local;

/// jemalloc's list of places for blocks (`cache_bin_ptr_array_t`).
#[repr(C)]
struct Places {
    /// The number of blocks; used by jemalloc's own caches only.
    n: u16,
    first: *mut *mut c_void,
}

/// What jemalloc adds to the statistics of a bin (`cache_bin_stats_t`).
#[repr(C)]
struct Requests(u64);

// Names of jemalloc's that no header of the crate has; the version of the crate is pinned.
unsafe extern "C" {
    /// The first of the arenas by number (`atomic_p_t arenas[]`).
    #[link_name = "_rjem_je_arenas"]
    static ARENAS: AtomicPtr<c_void>;
    #[link_name = "_rjem_je_opt_junk_alloc"]
    static FILLS_WITH_JUNK: AtomicBool;
    #[link_name = "_rjem_je_opt_junk_free"]
    static FREES_WITH_JUNK: AtomicBool;
    #[link_name = "_rjem_je_opt_zero"]
    static FILLS_WITH_ZEROES: AtomicBool;
    /// Takes at least `least` and at most `most` blocks of the size class `index` from slabs of an
    /// arena, fewer only when memory is short, and returns how many. The caller's thread data may be null, for a
    /// thread that jemalloc knows.
    #[link_name = "_rjem_je_arena_ptr_array_fill_small"]
    fn fill_small(
        thread: *mut c_void,
        arena: *mut c_void,
        index: c_uint,
        places: *mut Places,
        least: u16,
        most: u16,
        requests: Requests,
    ) -> u16;
    /// Gives `n` blocks of the size class `index` back to their arenas. The caller's thread data is not null;
    /// `requests` is added to the statistics of `arena`.
    #[link_name = "_rjem_je_arena_ptr_array_flush"]
    fn flush_small(
        thread: *mut c_void,
        index: c_uint,
        places: *mut Places,
        n: c_uint,
        small: bool,
        arena: *mut c_void,
        requests: Requests,
    );
}

/// jemalloc's number of the class at `offset`: the classes are jemalloc's, but for that of no size.
fn index_of(offset: usize) -> c_uint {
    (offset >> class::BIN_BITS) as c_uint - 1
}

/// jemalloc's record of an arena; null if there is none.
///
/// # Safety
/// `arena` is a number of jemalloc's.
unsafe fn record_of(arena: u32) -> *mut c_void {
    // SAFETY: the arena's place in the list is within it, by the caller's promise.
    unsafe { (*(&raw const ARENAS).add(arena as usize)).load(Ordering::Acquire) }
}

/// Whether [`fill`] gives what `mallocx` does, for the class at `offset`.
pub(crate) fn can_fill(offset: usize) -> bool {
    // SAFETY: jemalloc's variables, which it sets when it starts.
    let fills = || unsafe {
        FILLS_WITH_JUNK.load(Ordering::Relaxed) || FILLS_WITH_ZEROES.load(Ordering::Relaxed)
    };
    offset != 0 && class::size_of(offset) <= class::SLAB_MAX && is_started() && !fills()
}

/// Takes blocks of the class at `offset`, for which [`can_fill`] holds, from an arena. Returns how many
/// have been put into `places`: fewer than there are places only when memory is short.
pub(crate) fn fill(arena: u32, offset: usize, places: &mut [MaybeUninit<*mut u8>]) -> usize {
    let count = places.len().min(u16::MAX.into()) as u16;
    if count == 0 || !initialise() {
        return 0;
    }
    let mut list = Places {
        n: count,
        first: places.as_mut_ptr().cast(),
    };
    let index = index_of(offset);
    // SAFETY: the arena exists, by the number that jemalloc has given it, and its place in the list
    // is within it; the index is one of a slab class, and there are as many places as blocks may come.
    unsafe {
        let arena = record_of(arena);
        if arena.is_null() {
            return 0;
        }
        let requests = Requests(count.into());
        fill_small(
            ptr::null_mut(),
            arena,
            index,
            &raw mut list,
            count,
            count,
            requests,
        )
        .into()
    }
}

/// Whether [`flush`] does what `dallocx` does, for the class at `offset`, on this processor.
pub(super) fn can_flush(offset: usize) -> bool {
    // SAFETY: a variable of jemalloc's, which it sets when it starts.
    let fills = || unsafe { FREES_WITH_JUNK.load(Ordering::Relaxed) };
    let knows_thread = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    let is_slab = offset != 0 && class::size_of(offset) <= class::SLAB_MAX;
    knows_thread && is_slab && is_started() && !fills()
}

/// Gives blocks of the class at `offset`, for which [`can_flush`] holds, back to their arenas, and changes
/// their order. What jemalloc counts of such calls is counted for `arena`.
///
/// # Safety
/// They are live blocks of jemalloc's and of that class, each is there once, and the calling thread has
/// freed one of jemalloc's before. There are at most `u16::MAX` of them. The arena exists.
pub(super) unsafe fn flush(arena: u32, offset: usize, blocks: &mut [*mut u8]) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if !blocks.is_empty() {
        let mut list = Places {
            n: blocks.len() as u16,
            first: blocks.as_mut_ptr().cast(),
        };
        // SAFETY: the blocks are as jemalloc wants them, by the caller's promise, and so is the
        // thread's data, whose variable has that name; the arena exists.
        unsafe {
            flush_small(
                thread_local::address!("_rjem_je_tsd_tls").cast(),
                index_of(offset),
                &raw mut list,
                blocks.len() as c_uint,
                true,
                record_of(arena),
                Requests(0),
            );
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    assert!(blocks.is_empty(), "can_flush: {arena} {offset}");
}

#[cfg(test)]
mod tests {
    use super::{MaybeUninit, can_fill, class, fill, ptr};
    use crate::heap::base::je;

    /// An arena of which no other test has blocks.
    fn own_arena() -> u32 {
        let (mut arena, mut size) = (0_u32, size_of::<u32>());
        // SAFETY: the control gives an unsigned.
        let error = unsafe {
            let place = (&raw mut arena).cast();
            let name = c"arenas.create".as_ptr();
            je::raw::mallctl(name, place, &raw mut size, ptr::null_mut(), 0)
        };
        assert_eq!(error, 0);
        arena
    }

    #[test]
    fn blocks_of_each_class_are_what_they_are_taken_for() {
        assert!(je::initialise());
        let arena = own_arena();
        let allocated = || {
            assert!(je::refresh_stats());
            je::arena_stat(arena, je::Stat::Allocated)
        };
        let slabs = (1..class::SMALL_COUNT).map(|class| class << class::BIN_BITS);
        for offset in slabs {
            let size = class::size_of(offset);
            assert_eq!(can_fill(offset), size <= class::SLAB_MAX);
            if !can_fill(offset) {
                continue;
            }
            let mut places = [MaybeUninit::uninit(); 100];
            assert_eq!(fill(arena, offset, &mut places), places.len());
            // SAFETY: `fill` has put a block into each place.
            let mut blocks = places.map(|place| unsafe { place.assume_init() });
            for block in blocks {
                // SAFETY: a live block of jemalloc's.
                unsafe {
                    assert_eq!(je::sallocx(block), size);
                    block.write_bytes(7, size);
                }
            }
            blocks.sort_unstable();
            assert!(
                blocks
                    .windows(2)
                    .all(|two| two[1] as usize - two[0] as usize >= size)
            );
            assert_eq!(allocated(), Some(blocks.len() * size));
            // SAFETY: live blocks, which are not used again.
            unsafe { je::give_back(offset, &mut blocks) };
            assert_eq!(allocated(), Some(0));
        }
    }
}
