//! Fresh addresses: mappings of zeroes, and room from which a mapping at a multiple of a power of two
//! is cut.

use core::ffi::c_int;
use core::{mem, ptr};

/// Maps `size` bytes of zeroes, in whole pages; `None` when the kernel refuses. The kernel reserves
/// no memory for pages that are not written to.
pub(crate) fn map_zeroes(size: usize) -> Option<*mut u8> {
    map(size, libc::PROT_READ | libc::PROT_WRITE)
}

fn map(size: usize, access: c_int) -> Option<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping; no existing memory is touched.
    let address = unsafe { libc::mmap(ptr::null_mut(), size, access, flags, -1, 0) };
    (address != libc::MAP_FAILED).then_some(address.cast())
}

/// Addresses that no other code has, without access: room for a mapping, which go when dropped.
pub(crate) struct Reserved {
    start: usize,
    size: usize,
    /// The address at which the mapping is to be.
    base: usize,
    /// Bytes of the mapping.
    length: usize,
}

impl Reserved {
    /// Room for `length` bytes at a multiple of `align`, a power of two; `None` with `errno`.
    pub(crate) fn new(length: usize, align: usize) -> Option<Self> {
        let size = length.checked_add(align)?;
        let start = map(size, libc::PROT_NONE)? as usize;
        Some(Self {
            start,
            size,
            base: start.next_multiple_of(align),
            length,
        })
    }

    /// The first address.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Puts a mapping there that can be read and written; its address. `flags`, `file` and `offset`
    /// are those of mmap(2). `None` with `errno`, and nothing is left.
    pub(crate) fn map(self, flags: c_int, file: c_int, offset: libc::off_t) -> Option<usize> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = flags | libc::MAP_FIXED;
        // SAFETY: within the addresses that are reserved, which no other code has.
        let mapped = unsafe {
            libc::mmap(
                self.base as *mut _,
                self.length,
                access,
                flags,
                file,
                offset,
            )
        };
        if mapped == libc::MAP_FAILED {
            return None;
        }
        let behind = self.base + self.length;
        unmap(self.start, self.base - self.start);
        unmap(behind, self.start + self.size - behind);
        let base = self.base;
        mem::forget(self);
        Some(base)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        unmap(self.start, self.size);
    }
}

/// Unmaps a part of what is reserved; nothing for 0 bytes.
fn unmap(start: usize, size: usize) {
    if size > 0 {
        // SAFETY: addresses of a `Reserved`, which no other code has.
        unsafe { libc::munmap(start as *mut _, size) };
    }
}

#[cfg(test)]
mod tests {
    use super::Reserved;

    #[test]
    fn a_mapping_is_where_it_was_wanted_and_alone() {
        let (size, align) = (3 << 16, 1 << 22);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let room = Reserved::new(size, align).expect("addresses");
        let base = room.map(flags, -1, 0).expect("memory");
        assert_eq!(base % align, 0);
        // SAFETY: our own mapping, of this size.
        unsafe {
            let bytes = core::slice::from_raw_parts_mut(base as *mut u8, size);
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(1);
            assert_eq!(libc::munmap(base as *mut _, size), 0);
        }
        assert!(Reserved::new(usize::MAX, align).is_none());
        // A file that is none.
        assert!(
            Reserved::new(size, align)
                .and_then(|room| room.map(libc::MAP_SHARED, -1, 0))
                .is_none()
        );
    }
}
