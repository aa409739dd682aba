//! Checks that the pages of a range are on high-bandwidth nodes, for hbw_verify_memory_region().

use core::ffi::c_int;
use core::ptr;

use crate::backing::page_size;
use crate::topology::{self, Choice, Nodes, Reach, Take};

/// Pages asked about in one system call.
const BATCH: usize = 64;

/// Writes the first byte of every page of a range back to it.
///
/// # Safety
/// The range is readable and writable, and no other thread writes to it.
pub(super) unsafe fn touch(start: *mut u8, size: usize) {
    let end = start as usize + size;
    let mut page = start as usize;
    while page < end {
        let byte = page as *mut u8;
        // SAFETY: the address is inside the range, which is readable and writable.
        unsafe { ptr::write_volatile(byte, ptr::read_volatile(byte)) };
        page = (page & !(page_size() - 1)) + page_size();
    }
}

/// 0 if every page is on a high-bandwidth node, -1 if not, EFAULT if unknown.
pub(super) fn verify(start: usize, size: usize) -> c_int {
    let choice = Choice {
        nodes: Nodes::HighBandwidth,
        reach: Reach::All,
        take: Take::Many,
    };
    let nodes = match topology::targets(choice) {
        Ok(targets) => targets.all(),
        Err(_) => return -1,
    };
    let end = start + size;
    let mut page = start & !(page_size() - 1);
    while page < end {
        let count = (end - page).div_ceil(page_size()).min(BATCH);
        let mut addresses = [ptr::null::<u8>(); BATCH];
        for (index, address) in addresses[..count].iter_mut().enumerate() {
            *address = (page + index * page_size()) as *const u8;
        }
        let mut places = [0; BATCH];
        if topology::node_of_pages(&addresses[..count], &mut places[..count]).is_err() {
            return libc::EFAULT;
        }
        let inside = places[..count]
            .iter()
            .all(|node| u16::try_from(*node).is_ok_and(|node| nodes.contains(node)));
        if !inside {
            return -1;
        }
        page += count * page_size();
    }
    0
}
