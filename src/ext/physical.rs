//! Physical addresses, from /proc/self/pagemap.

use crate::backing::{Options, page_size};
use crate::error::Error;
use crate::kind::{self, Kind};
use crate::log;

/// Bit of an entry: the page is in memory.
const PRESENT: u64 = 1 << 63;
/// Bits of an entry: the number of the page frame.
const NUMBER: u64 = (1 << 55) - 1;

/// The physical address of the byte at `address`, and how many bytes from there are contiguous.
///
/// # Errors
/// `Invalid` where pages may be moved: outside of pinned kinds on huge pages; `Unavailable` if
/// the kernel does not tell this process.
pub fn of(address: usize) -> Result<(u64, usize), Error> {
    let slabs = kind::detect(address as *const u8).and_then(Kind::slabs);
    let slabs = slabs.filter(|slabs| slabs.plan().options.has(Options::PIN));
    let found = slabs.and_then(|slabs| slabs.look_up(address));
    let Some((page, ..)) = found.filter(|(page, ..)| *page > page_size()) else {
        return Err(Error::Invalid);
    };
    let entry = entry(address)?;
    if entry & PRESENT == 0 {
        // A child that has not inherited it.
        return Err(Error::Invalid);
    }
    // Without the permission, page 0 is told.
    if entry & NUMBER == 0 {
        log::error!("The kernel tells physical addresses only to processes with CAP_SYS_ADMIN.");
        return Err(Error::Unavailable);
    }
    let physical = (entry & NUMBER) * page_size() as u64 + (address % page_size()) as u64;
    Ok((physical, page - address % page))
}

fn entry(address: usize) -> Result<u64, Error> {
    let mut entry = 0u64;
    let place = (address / page_size() * size_of::<u64>()) as libc::off_t;
    // SAFETY: a name that ends with NUL; the descriptor is ours; as many bytes are writable.
    let read = unsafe {
        let file = libc::open(
            c"/proc/self/pagemap".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        );
        if file < 0 {
            return Err(Error::Unavailable);
        }
        let read = libc::pread(file, (&raw mut entry).cast(), size_of::<u64>(), place);
        libc::close(file);
        read
    };
    if read == size_of::<u64>() as isize {
        Ok(entry)
    } else {
        Err(Error::Unavailable)
    }
}
