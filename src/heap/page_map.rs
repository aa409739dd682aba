//! From an address to the kind that owns it: two levels, one entry per page.
//!
//! A root of 2^17 leaves covers the 47 bits of user addresses; a leaf covers 1 GiB
//! with four bytes a page and is mapped when first needed. Reading follows two loads
//! and never faults, whatever the address. Entries change only when an extent is
//! mapped or a kind is destroyed, so a freed block still tells its kind.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::error::Error;

const PAGE_BITS: u32 = 12;
const LEAF_BITS: u32 = 18;
const ROOT_BITS: u32 = 17;
const LEAF_PAGES: usize = 1 << LEAF_BITS;

/// The first address that the map cannot hold.
pub const END: usize = 1 << (PAGE_BITS + LEAF_BITS + ROOT_BITS);

type Leaf = [AtomicU32; LEAF_PAGES];

static ROOT: [AtomicPtr<Leaf>; 1 << ROOT_BITS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; 1 << ROOT_BITS];

/// The owner of the page at `address`, 0 where none was set.
#[inline]
pub fn owner(address: usize) -> u32 {
    let page = address >> PAGE_BITS;
    let Some(slot) = ROOT.get(page >> LEAF_BITS) else {
        return 0;
    };
    let leaf = slot.load(Ordering::Acquire);
    if leaf.is_null() {
        return 0;
    }
    // SAFETY: a leaf that was installed is never unmapped or moved.
    unsafe { (&(*leaf))[page & (LEAF_PAGES - 1)].load(Ordering::Relaxed) }
}

/// Sets the owner of all pages of `[start, start + size)`; both are multiples of the page.
pub fn set_owner(start: usize, size: usize, owner: u32) -> Result<(), Error> {
    let end = start.checked_add(size).ok_or(Error::NoMemory)?;
    if end > END {
        return Err(Error::NoMemory);
    }
    let mut page = start >> PAGE_BITS;
    let last = end >> PAGE_BITS;
    while page < last {
        let leaf = leaf(page >> LEAF_BITS)?;
        let first = page & (LEAF_PAGES - 1);
        let count = (LEAF_PAGES - first).min(last - page);
        for entry in &leaf[first..first + count] {
            entry.store(owner, Ordering::Relaxed);
        }
        page += count;
    }
    Ok(())
}

/// The leaf at `index`, mapped on first use.
fn leaf(index: usize) -> Result<&'static Leaf, Error> {
    let slot = &ROOT[index];
    let known = slot.load(Ordering::Acquire);
    if !known.is_null() {
        // SAFETY: a leaf that was installed is never unmapped or moved.
        return Ok(unsafe { &*known });
    }
    let size = size_of::<Leaf>();
    // SAFETY: a fresh anonymous mapping; no existing memory is touched.
    let fresh = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if fresh == libc::MAP_FAILED {
        return Err(Error::NoMemory);
    }
    let fresh: *mut Leaf = fresh.cast();
    match slot.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: the mapping is zeroed, which is a valid leaf, and now permanent.
        Ok(_) => Ok(unsafe { &*fresh }),
        Err(theirs) => {
            // SAFETY: nobody else has seen our mapping; theirs is permanent.
            unsafe {
                libc::munmap(fresh.cast(), size);
                Ok(&*theirs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{END, owner, set_owner};

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
        assert!(set_owner(start, 16384, 0).is_ok());
        assert_eq!(owner(start), 0);
    }

    #[test]
    fn addresses_beyond_the_map_have_no_owner() {
        assert_eq!(owner(END), 0);
        assert_eq!(owner(usize::MAX), 0);
        assert!(set_owner(END - 4096, 8192, 1).is_err());
        assert!(set_owner(usize::MAX - 4095, 8192, 1).is_err());
    }
}
