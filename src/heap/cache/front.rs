//! Bins of classes of which a heap has no blocks, where every block is aligned.
//!
//! The fast path looks for a size in the bin of its own class, whatever the heap: for 100 bytes in
//! the bin of 112. A heap whose blocks are aligned to 64 bytes has none of that class, and serves the
//! size by blocks of 128. So the bin of 112 gets blocks of 128 in a thread that often asks for such a
//! size. They are freed into the bin of 128; when the bin of 112 is empty, it takes over the magazine
//! that has been filled there.

use core::sync::atomic::Ordering;

use super::bin::{Cache, patience};
use super::stock;
use super::store::Store;
use crate::heap::base::class;
use crate::heap::thread::{Thread, tops};

/// Puts blocks of the class at `offset` into the bin of the class at `asked`, which is empty, if the
/// calling thread, which has entered, has often found it so.
pub(crate) fn fill(thread: &Thread, store: &'static Store, asked: usize, offset: usize) {
    let cache = thread.cache(store.arenas.id());
    if cache == tops::none() {
        return;
    }
    // SAFETY: the cache is this thread's, which has entered.
    let cache = unsafe { &*cache.cast::<Cache>() };
    let often = cache.count_miss(asked);
    let [front, bin] = [asked, offset].map(|offset| cache.bin(offset >> class::BIN_BITS));
    if !often || front.count() != 0 || !bin.has_magazine() {
        return;
    }
    let misses = &cache.misses[asked >> class::BIN_BITS];
    let wanted = usize::from(misses.load(Ordering::Relaxed) - patience(asked));
    let empty = front.unload();
    let previous = bin.take_previous();
    // SAFETY: each is null or was one of these bins', and is the calling thread's.
    unsafe {
        if previous.as_ref().is_some_and(|magazine| magazine.count > 0) {
            front.load(previous);
            bin.set_previous(empty);
        } else {
            bin.set_previous(previous);
            front.load(bin.unload());
            if empty.is_null() {
                bin.has_or_makes_magazine(offset);
            } else {
                bin.load(empty);
            }
        }
    }
    let more = wanted.min(front.places()).saturating_sub(front.count());
    let mut source = store.arenas.source(offset, class::size_of(offset));
    // SAFETY: the bin is the calling thread's, and its magazine has that many places left.
    unsafe { stock(&mut source, front, more) };
    // So that twice as many are put there next time.
    let found = u8::try_from(front.count()).unwrap_or(u8::MAX);
    let found = found.saturating_add(misses.load(Ordering::Relaxed));
    misses.store(found, Ordering::Relaxed);
}
