//! From an address to the heap that owns it and the class of the blocks there: two
//! levels, one entry per page. A page of the map has 4 KiB, whatever the processor's have: those
//! are multiples.
//!
//! A root of 2^17 leaves covers the 47 bits of user addresses of x86-64, one of 2^18 the 48 bits of
//! other processors; a leaf covers 1 GiB with four bytes a page and is mapped when first needed. The
//! root says where a leaf would begin if it held all pages from address 0 on, so that the page's number
//! leads to its entry. Reading follows two loads and never faults, whatever the address. The owner
//! changes when pages get memory, when a kind is destroyed, and when a pool of TBB or a slab that was
//! refused gives its addresses back, so a freed block still tells its kind.
//! The class is written by the code that hands a block out; a slab holds one class, so it is right for
//! every live block.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::class::NO_BLOCKS;
use super::mapped;
pub use crate::backing::END;
use crate::backing::map_zeroes;
use crate::error::Error;

const PAGE_BITS: u32 = 12;
const LEAF_BITS: u32 = 18;
const LEAF_PAGES: usize = 1 << LEAF_BITS;
const N_LEAVES: usize = END >> (PAGE_BITS + LEAF_BITS);

/// Bytes of a page of the map.
pub const UNIT: usize = 1 << PAGE_BITS;

type Leaf = [AtomicU32; LEAF_PAGES];

/// Where the entry of page 0 would be, for each leaf; null for a missing leaf.
type Root = [AtomicPtr<AtomicU32>; N_LEAVES];

static ROOT: Root = [const { AtomicPtr::new(ptr::null_mut()) }; N_LEAVES];

/// All leaves missing: what the fast path sees until it may be used.
static NOTHING: Root = [const { AtomicPtr::new(ptr::null_mut()) }; N_LEAVES];
/// The root for the fast path.
static FAST: AtomicPtr<Root> = AtomicPtr::new(ptr::from_ref(&NOTHING).cast_mut());

/// Memory of zeroes for the next leaf, or null.
static READY_LEAF: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
const _: () = assert!(size_of::<Root>() >= size_of::<Leaf>());

/// Lets the fast path see the map. `alone` says that the process has no other thread, which
/// might be looking at [`NOTHING`] still: that is at least as large as a leaf, and becomes one. Where
/// addresses are limited, a small program needs no mapping for the map then.
pub(crate) fn enable_fast(alone: bool) {
    FAST.store(ptr::from_ref(&ROOT).cast_mut(), Ordering::Release);
    if alone {
        READY_LEAF.store(NOTHING.as_ptr().cast_mut().cast(), Ordering::Release);
    }
}

/// Lets the fast path see nothing again: [`NOTHING`] may have become a leaf, so it gets another
/// root without any. `false` when there is no memory for that.
pub(crate) fn disable_fast() -> bool {
    let Some(root) = map_zeroes(size_of::<Root>()) else {
        return false;
    };
    FAST.store(root.cast(), Ordering::Release);
    true
}

/// The heap's id and the bin offset in the entry of the page at `address`, for the fast path: `None`
/// where there is no entry, and while the path is not enabled.
/// Each is loaded by itself: to take them apart is an instruction more. The entry does not
/// change while blocks on the page are live; for any other address both are numbers that some
/// entry has had.
#[inline(always)]
pub(crate) fn fast_halves(address: usize) -> Option<(usize, usize)> {
    // SAFETY: a static root, or one that `disable_fast` has mapped: neither ever goes.
    let (first, page) = place(unsafe { &*FAST.load(Ordering::Relaxed) }, address)?;
    #[cfg(target_arch = "x86_64")]
    {
        let (id, offset): (usize, usize);
        // SAFETY: loads of the two halves of an entry, which is never unmapped. (The compiler
        // would extend a half that it has loaded once more.)
        unsafe {
            core::arch::asm!(
                "movzx {id:e}, word ptr [{first} + 4 * {page} + 2]",
                "movzx {page:e}, word ptr [{first} + 4 * {page}]",
                first = in(reg) first,
                page = inout(reg) page => offset,
                id = out(reg) id,
                options(nostack, preserves_flags, readonly),
            );
        }
        Some((id, offset))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: `place` found a leaf, which is never unmapped, and the entry is in it.
        let entry = unsafe { &*first.wrapping_add(page) }.load(Ordering::Relaxed) as usize;
        Some((entry >> 16, entry & 0xffff))
    }
}

/// The entry of the page at `address`: a heap's id in the upper half, the bin offset
/// of its blocks in the lower; 0 where nothing was set.
pub fn entry(address: usize) -> u32 {
    slot(address)
        .map(|slot| slot.load(Ordering::Relaxed))
        .unwrap_or(0)
}

/// The entry of the page at `address`, if there is a leaf for it.
#[inline(always)]
fn slot(address: usize) -> Option<&'static AtomicU32> {
    let (first, page) = place(&ROOT, address)?;
    // SAFETY: a leaf that was installed, and is never unmapped or moved, holds the entry
    // of each page whose address has its index.
    Some(unsafe { &*first.wrapping_add(page) })
}

/// Where the entry of the page at `address` is, if there is a leaf for it: that of page 0 would
/// be at the pointer, and this one as many entries further as the number says.
#[inline(always)]
fn place(root: &Root, address: usize) -> Option<(*mut AtomicU32, usize)> {
    let leaf = root.get(shifted::<{ PAGE_BITS + LEAF_BITS }>(address))?;
    let first = leaf.load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    Some((first, shifted::<PAGE_BITS>(address)))
}

/// `address >> BITS`, by an instruction that the compiler does not see into. When it sees the shift,
/// it joins it with the comparison or the multiplication that follows, at the price of another
/// instruction.
#[inline(always)]
fn shifted<const BITS: u32>(address: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut shifted = address;
        // SAFETY: a shift, nothing else.
        unsafe {
            core::arch::asm!(
                "shr {shifted}, {bits}",
                shifted = inout(reg) shifted,
                bits = const BITS,
                options(pure, nomem, nostack),
            );
        }
        shifted
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        address >> BITS
    }
}

/// The heap that owns the page at `address`, 0 for none.
pub fn owner(address: usize) -> usize {
    match (entry(address) >> 16) as usize {
        0 => mapped::owner(address),
        id => id,
    }
}

/// Whether blocks that can be freed may lie on the page at `address`, if it is a heap's.
pub fn has_blocks(address: usize) -> bool {
    match entry(address) as usize {
        0 => mapped::block(address).is_some(),
        entry => entry & 0xffff != NO_BLOCKS,
    }
}

/// Says of all pages of a block that they hold no blocks: addresses there are the heap's, but
/// none to be freed. Whole pages; returns what the first one's entry was, for [`give_blocks`].
pub fn take_blocks(start: usize, size: usize) -> u32 {
    let before = entry(start);
    if before == 0 && mapped::take(start).is_some() {
        return before;
    }
    let id = before as usize >> 16;
    change_entries(start, size, (id << 16 | NO_BLOCKS) as u32);
    before
}

/// Undoes [`take_blocks`], so that the block can be freed.
pub fn give_blocks(start: usize, size: usize, first: u32) {
    if first == 0 && mapped::give(start) {
        return;
    }
    let id = first as usize >> 16;
    change_owner(start, size, id);
    set_class(start as *mut u8, id, first as usize & 0xffff);
}

/// Says what class the blocks on a block's first page are of. The page is the heap's.
#[inline]
pub(crate) fn set_class(block: *mut u8, id: usize, offset: usize) {
    let value = (id << 16 | offset) as u32;
    let entry = slot(block as usize);
    // Most pages hold one class for long: do not dirty the line for nothing.
    if let Some(entry) = entry.filter(|entry| entry.load(Ordering::Relaxed) != value) {
        entry.store(value, Ordering::Relaxed);
    }
}

/// Sets the owner of all pages of `[start, start + size)`, with no class yet; both are
/// multiples of the page.
pub fn set_owner(start: usize, size: usize, id: usize) -> Result<(), Error> {
    let end = start.checked_add(size).ok_or(Error::NoMemory)?;
    if end > END {
        return Err(Error::NoMemory);
    }
    let mut page = start >> PAGE_BITS;
    let last = end >> PAGE_BITS;
    while page < last {
        let leaf = leaf(page >> LEAF_BITS)?;
        page += set_in_leaf(leaf, page, last, (id << 16) as u32);
    }
    Ok(())
}

/// Sets the owner of pages where the map has leaves, without making any: pages elsewhere have no
/// owner. `id` 0 takes the owner away.
pub fn change_owner(start: usize, size: usize, id: usize) {
    change_entries(start, size, (id << 16) as u32);
}

/// Takes the owner of the pages of a mapping away, which is about to go. A block that is all of it
/// has no entries.
pub(crate) fn forget_mapping(start: usize, size: usize, before: usize) {
    if mapped::begins(start) {
        mapped::clear(start, size);
    } else {
        change_owner(start, size, before);
    }
}

/// The heap that has said that the page at `address` is its own; 0 for none. Not that of a block
/// which is a mapping.
pub(crate) fn owner_of_page(address: usize) -> usize {
    (entry(address) >> 16) as usize
}

fn change_entries(start: usize, size: usize, value: u32) {
    let mut page = start >> PAGE_BITS;
    let last = (start + size) >> PAGE_BITS;
    while page < last {
        page += match known_leaf(page >> LEAF_BITS) {
            Some(leaf) => set_in_leaf(leaf, page, last, value),
            None => LEAF_PAGES - (page & (LEAF_PAGES - 1)),
        };
    }
}

/// Sets the entries of the pages from `page` to `last` that are in a leaf; how many.
fn set_in_leaf(leaf: &Leaf, page: usize, last: usize, value: u32) -> usize {
    let first = page & (LEAF_PAGES - 1);
    let count = (LEAF_PAGES - first).min(last - page);
    for entry in &leaf[first..first + count] {
        // What was never written takes no memory, and is to stay so.
        if entry.load(Ordering::Relaxed) != value {
            entry.store(value, Ordering::Relaxed);
        }
    }
    count
}

/// The leaf at `index`, if there is one.
fn known_leaf(index: usize) -> Option<&'static Leaf> {
    let first = ROOT.get(index)?.load(Ordering::Acquire);
    // SAFETY: a leaf that was installed is never unmapped or moved.
    (!first.is_null()).then(|| unsafe { &*first.wrapping_add(index << LEAF_BITS).cast::<Leaf>() })
}

/// The leaf at `index`, mapped on first use.
fn leaf(index: usize) -> Result<&'static Leaf, Error> {
    if let Some(leaf) = known_leaf(index) {
        return Ok(leaf);
    }
    let size = size_of::<Leaf>();
    let ready = READY_LEAF.swap(ptr::null_mut(), Ordering::AcqRel);
    let fresh = if ready.is_null() {
        map_zeroes(size).ok_or(Error::NoMemory)?
    } else {
        ready
    };
    let first = fresh.cast::<AtomicU32>().wrapping_sub(index << LEAF_BITS);
    if first.is_null() {
        // Just there it would look missing. It stays, so that the next is elsewhere.
        return self::leaf(index);
    }
    // The mapping is zeroed, which is a valid leaf.
    let none = ptr::null_mut();
    if ROOT[index]
        .compare_exchange(none, first, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        if ready.is_null() {
            // SAFETY: our own mapping, which was never installed.
            unsafe { libc::munmap(fresh.cast(), size) };
        } else {
            READY_LEAF.store(ready, Ordering::Release);
        }
    }
    known_leaf(index).ok_or(Error::NoMemory)
}

#[cfg(test)]
mod tests {
    use super::{END, UNIT, change_owner, owner, set_owner};

    #[test]
    fn ranges_across_leaves_keep_their_edges() {
        // Addresses that no test maps: the map does not look behind them.
        let start = (1 << 40) + (1 << 30) - 8192;
        assert!(set_owner(start, 16384, 7).is_ok());
        assert_eq!(owner(start - 1), 0);
        assert_eq!(owner(start), 7);
        assert_eq!(owner(start + 8192), 7);
        assert_eq!(owner(start + 16383), 7);
        assert_eq!(owner(start + 16384), 0);
        // Over the ends of the leaves, where there are none.
        change_owner(start - (4 << 30), 8 << 30, 8);
        assert_eq!((owner(start), owner(start + 16383)), (8, 8));
        assert_eq!(owner(start - (2 << 30)), 0);
        change_owner(start, 16384, 0);
        assert_eq!((owner(start), owner(start + 16383)), (0, 0));
    }

    #[test]
    fn addresses_beyond_the_map_have_no_owner() {
        assert_eq!(owner(END), 0);
        assert_eq!(owner(usize::MAX), 0);
        assert!(set_owner(END - UNIT, 2 * UNIT, 1).is_err());
        assert!(set_owner(usize::MAX - UNIT + 1, 2 * UNIT, 1).is_err());
    }
}
