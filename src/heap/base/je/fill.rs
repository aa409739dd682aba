//! Several small blocks of an arena at a time. jemalloc fills caches of its own that way: 30 instructions
//! for a block, where a call for each block takes 400.

use core::ffi::{c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::{initialise, is_started};
use crate::heap::base::class;

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
    // The classes are jemalloc's, but for that of no size.
    let index = (offset >> class::BIN_BITS) as c_uint - 1;
    // SAFETY: the arena exists, by the number that jemalloc has given it, and its place in the list
    // is within it; the index is one of a slab class, and there are as many places as blocks may come.
    unsafe {
        let arena = (&raw const ARENAS).add(arena as usize);
        let arena = (*arena).load(Ordering::Acquire);
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

#[cfg(test)]
mod tests {
    use super::{MaybeUninit, can_fill, class, fill};
    use crate::heap::base::je;

    #[test]
    fn blocks_of_each_class_are_what_they_are_taken_for() {
        assert!(je::initialise());
        let slabs = (1..class::SMALL_COUNT).map(|class| class << class::BIN_BITS);
        for offset in slabs {
            let size = class::size_of(offset);
            assert_eq!(can_fill(offset), size <= class::SLAB_MAX);
            if !can_fill(offset) {
                continue;
            }
            let mut places = [MaybeUninit::uninit(); 100];
            assert_eq!(fill(je::RECORDS, offset, &mut places), places.len());
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
            for block in blocks {
                // SAFETY: a live block, which is not used again.
                unsafe { je::dallocx(block, je::TCACHE_NONE) };
            }
        }
    }
}
