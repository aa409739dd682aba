//! Growing where no lock is held: a heap on slabs has them made ready here, before jemalloc
//! cuts extents from them (`crate::backing::Slabs`).

use core::ptr;

use super::base::class;
use super::{Heap, je, page_map};
use crate::backing::{Backing, Slabs, round_up};
use crate::error::Error;
use crate::sys::ahead;
use crate::{cancel, log};

/// The most bytes of records that jemalloc keeps of a block of one page.
const RECORD: usize = 256;
/// Bytes that jemalloc maps for records besides: an entry of 8 bytes for each page, and more each time than
/// it needs.
const RECORDS: usize = 32 << 20;

impl Heap {
    fn slabs(&self) -> Option<&Slabs> {
        match self.backing() {
            Backing::Slabs(slabs) => Some(slabs),
            _ => None,
        }
    }

    /// A block that was refused, asked for again once the heap has grown; null if it cannot.
    pub(super) fn block_after_growth(
        &self,
        size: usize,
        align: usize,
        ask: impl Fn() -> *mut u8,
    ) -> *mut u8 {
        match self.slabs() {
            Some(slabs) => self.block_from(slabs, size, align, ask),
            None => ptr::null_mut(),
        }
    }

    #[cold]
    fn block_from(
        &self,
        slabs: &Slabs,
        size: usize,
        align: usize,
        ask: impl Fn() -> *mut u8,
    ) -> *mut u8 {
        let Some(need) = extent_size(size, align.max(1)) else {
            return ptr::null_mut();
        };
        let errno = log::errno();
        loop {
            let seen = slabs.turn();
            let block = ask();
            if !block.is_null() {
                log::set_errno(errno);
                return block;
            }
            // Other threads may take all of a slab that was made here. A block that is refused
            // although there is a slab with room for it would be refused with another one too.
            let fits_in_none = slabs.has_room(need) && slabs.turn() == seen;
            if fits_in_none || self.grow(slabs, need, seen).is_err() {
                return block;
            }
        }
    }

    fn grow(&self, slabs: &Slabs, need: usize, seen: usize) -> Result<(), Error> {
        let _deferred = cancel::defer();
        let publish = |start, size| page_map::set_owner(start, size, self.id());
        slabs.grow(need, seen, publish, |start, size| {
            page_map::change_owner(start, size, 0);
        })
    }

    /// Makes slabs ready, so that blocks of `size` bytes together need none, whatever the size of
    /// each; the calling thread's arena; and addresses for the records that jemalloc keeps of blocks.
    /// Where a limit does not allow such addresses, no more than `size` bytes are taken.
    ///
    /// # Errors
    /// `Invalid` for a heap without slabs; `NoMemory`, when nothing was made if it could be told
    /// in advance, and else what could be had.
    pub fn prepare(&'static self, size: usize) -> Result<(), Error> {
        let slabs = self.slabs().ok_or(Error::Invalid)?;
        let missing = |wanted: usize| wanted.saturating_sub(slabs.ready());
        if !slabs.may_have(missing(size)) {
            return Err(Error::NoMemory);
        }
        // Slabs may take what a limit leaves of addresses, and are of no use without an arena.
        self.arena().map_err(|_| Error::NoMemory)?;
        let take = |wanted: usize| {
            while missing(wanted) > 0 {
                self.grow(slabs, missing(wanted).min(slabs.plan().page), slabs.turn())?;
            }
            Ok(())
        };
        take(size).map_err(|_: Error| Error::NoMemory)?;
        // A size is at most a quarter below its class, and a block has a page besides.
        let most = slabs.room().saturating_add(slabs.ready());
        let wanted = size.saturating_add(size / 2).min(most);
        // Before the rest of the slabs, which may take all addresses that are left.
        if ahead::map(RECORDS + wanted / je::PAGE * RECORD) {
            let _ = take(wanted);
        }
        Ok(())
    }

    /// Gives up the heap in a forked child that does not have its memory: nothing more is handed
    /// out, and what was handed out is no block any more.
    pub fn abandon(&self) {
        self.backing().for_each_range(|start, size| {
            page_map::take_blocks(start, size);
        });
        self.store.arenas.close();
        // SAFETY: no other thread is in the child, and this one is handed nothing any more.
        unsafe { self.store.forget() };
    }
}

/// The most bytes that jemalloc asks for when it has no room for a block.
fn extent_size(size: usize, align: usize) -> Option<usize> {
    if size <= class::SLAB_MAX && align <= je::PAGE {
        return Some(class::least_pages(size.max(align)));
    }
    let size = size.max(class::SLAB_MAX + 1);
    let class = round_up(size, 1 << ((size - 1).ilog2() - 2))?;
    let more = if align > je::PAGE { align } else { 0 };
    class.checked_add(je::PAGE)?.checked_add(more)
}

#[cfg(test)]
mod tests {
    use super::{Heap, class, extent_size, je};
    use crate::backing::{Backing, Bind, Options, Plan, Slabs, page_size};
    use crate::topology::NodeMask;
    use core::cell::Cell;
    use core::ptr;

    #[test]
    fn what_fits_into_no_slab_fills_no_limit() {
        let slab = 2 << 20;
        let plan = Plan {
            options: Options::default(),
            page: page_size(),
            required: false,
            slab,
            limit: 16 * slab,
            bind: Bind::None,
            nodes: NodeMask::EMPTY,
        };
        let slabs = Slabs::new(plan).expect("there is memory");
        // The last heap that a kind of a test could have.
        let heap = Heap::new(Backing::Slabs(slabs), crate::heap::KINDS as u32, None);
        let Backing::Slabs(slabs) = heap.backing() else {
            unreachable!()
        };
        let asked = Cell::new(0);
        let refuse = || {
            asked.set(asked.get() + 1);
            ptr::null_mut()
        };
        assert!(heap.block_from(slabs, 100, 1, refuse).is_null());
        assert_eq!(asked.get(), 2);
        assert_eq!(slabs.ready(), slab);
    }

    #[test]
    fn large_sizes_are_rounded_to_their_class() {
        assert_eq!(extent_size(100, 1), Some(7 * je::PAGE));
        let large = class::SLAB_MAX / 7 * 8;
        assert_eq!(extent_size(large, 1), Some(large + je::PAGE));
        assert_eq!(extent_size(large + 1, 1), Some(large / 4 * 5 + je::PAGE));
        assert_eq!(extent_size(1 << 30, 1), Some((1 << 30) + je::PAGE));
        assert_eq!(extent_size((1 << 30) + 1, 1), Some((5 << 28) + je::PAGE));
        let aligned = extent_size(100, 16 * je::PAGE);
        assert_eq!(aligned, Some(large + 17 * je::PAGE));
        assert_eq!(extent_size(usize::MAX, 1), None);
    }
}
