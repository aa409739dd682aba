//! Fresh mappings of private memory, and cutting them down.

use core::ptr;

use crate::backing::base::{UNIT, page_size};
use crate::error::Error;
use crate::log;

/// Access to memory that is used.
pub(super) const READ_WRITE: libc::c_int = libc::PROT_READ | libc::PROT_WRITE;

/// The page size of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// The processor's pages.
    Base,
    /// 2 MiB from the kernel's pool.
    Huge2M,
    /// 2 MiB pages in mappings of whole GiB (deprecated GBTLB kinds).
    Huge1G,
}

impl PageSize {
    /// Mappings are a multiple of this many bytes.
    pub fn granule(self) -> usize {
        match self {
            Self::Base => page_size(),
            Self::Huge2M => UNIT,
            Self::Huge1G => 1 << 30,
        }
    }

    /// Bytes of a page.
    pub fn size(self) -> usize {
        match self {
            Self::Base => page_size(),
            Self::Huge2M | Self::Huge1G => UNIT,
        }
    }

    const fn flags(self) -> libc::c_int {
        match self {
            Self::Base => 0,
            Self::Huge2M | Self::Huge1G => libc::MAP_HUGETLB | libc::MAP_HUGE_2MB,
        }
    }

    /// Addresses for `length` bytes at a multiple of `align`, more than a page, if there are `more`
    /// bytes besides, which are not kept.
    pub(super) fn map_aligned(
        self,
        length: usize,
        align: usize,
        more: usize,
        access: libc::c_int,
    ) -> Result<usize, Error> {
        // Beside an earlier one, whether the kernel maps downwards or, with an unlimited stack, upwards.
        // It makes one mapping of both when their policies and names are equal.
        if length % align == 0 && more == 0 {
            let address = self.map(length, access)?;
            if address % align == 0 {
                return Ok(address);
            }
            // SAFETY: a fresh mapping, which no other code has seen.
            unsafe { unmap(address, length) };
        }
        let room = align.checked_add(more);
        let with_room = room.and_then(|room| room.checked_add(length));
        let with_room = with_room.ok_or(Error::NoMemory)?;
        Ok(trim(self.map(with_room, access)?, with_room, length, align))
    }

    pub(super) fn map(self, length: usize, access: libc::c_int) -> Result<usize, Error> {
        // SAFETY: a fresh anonymous mapping; no existing memory is touched.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                access,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | self.flags(),
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            if self != Self::Base {
                log::error!(
                    "Fewer huge pages of 2 MiB are free than are asked for: see vm.nr_hugepages."
                );
            }
            return Err(Error::NoMemory);
        }
        Ok(address as usize)
    }
}

/// Cuts a mapping of `size` bytes, at least `length + align`, down to `length` at the last multiple of
/// `align` there: most kernels map downwards, and it is beside an earlier one then.
fn trim(address: usize, size: usize, length: usize, align: usize) -> usize {
    let start = (address + size - length) & !(align - 1);
    let head = start - address;
    let tail = size - length - head;
    // SAFETY: parts of a fresh mapping, which no other code has seen.
    unsafe {
        unmap(address, head);
        if tail > 0 {
            unmap(start + length, tail);
        }
    }
    start
}

/// Unmaps a part of a mapping, or at least gives its pages back.
///
/// # Safety
/// It is a source's own, and is not used any more.
pub(super) unsafe fn unmap(address: usize, length: usize) {
    // SAFETY: the mapping is a source's, and nothing in this part of it is used.
    unsafe {
        // With as many mappings as may be, the kernel does not cut one out of a larger one.
        if libc::munmap(address as *mut _, length) != 0 {
            libc::madvise(address as *mut _, length, libc::MADV_DONTNEED);
        }
    }
}
