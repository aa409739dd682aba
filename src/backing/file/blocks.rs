//! Calls to the file system: allocating blocks, giving them back, and its free bytes.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use crate::log;

/// The reason why a range could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// The file system or memory is full.
    NoSpace,
    /// The file may not become so large.
    FileTooLarge,
    /// The program has closed the descriptor.
    Lost,
}

/// Allocates blocks of a file, zeroed. Where that fails the range is empty afterwards.
pub(super) fn allocate_blocks(fd: c_int, position: usize, size: usize) -> Result<(), Fill> {
    match try_allocate_blocks(fd, position, size) {
        0 => Ok(()),
        libc::EFBIG => Err(Fill::FileTooLarge),
        status => {
            log::error!("posix_fallocate() failed: errno={status}.");
            // The blocks that were allocated go back.
            punch(fd, position, size);
            Err(Fill::NoSpace)
        }
    }
}

/// Allocates the blocks that are missing in a range of a file, zeroed; returns 0 or an error
/// number. After an error some may be allocated, and unwritten ones may have gone back.
pub(super) fn try_allocate_blocks(fd: c_int, position: usize, size: usize) -> c_int {
    match (libc::off_t::try_from(position), libc::off_t::try_from(size)) {
        // SAFETY: changes a file of ours, and nothing that has been written to it.
        (Ok(start), Ok(length)) => unsafe { libc::posix_fallocate(fd, start, length) },
        _ => libc::ENOSPC,
    }
}

/// Gives the blocks of a range back, in which no live block of the heap is. `false` where holes
/// cannot be punched: they stay until the file is closed.
pub(super) fn punch(fd: c_int, position: usize, size: usize) -> bool {
    let (Ok(start), Ok(length)) = (libc::off_t::try_from(position), libc::off_t::try_from(size))
    else {
        return false;
    };
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: changes a file of ours, where the heap has nothing.
    unsafe { libc::fallocate(fd, mode, start, length) == 0 }
}

/// Gives the blocks of a range of mapped addresses back, in which no live block of the heap is;
/// `false` with `errno`.
pub(super) fn remove(address: usize, size: usize) -> bool {
    // SAFETY: our own mapping, where the heap has nothing.
    unsafe { libc::madvise(address as *mut _, size, libc::MADV_REMOVE) == 0 }
}

/// Whether the file system of a file finds room for a page at the first write into memory,
/// and refuses that write if there is none.
pub(super) fn touching_allocates(fd: c_int) -> bool {
    const XFS_SUPER_MAGIC: i64 = 0x5846_5342;
    // SAFETY: fstatfs fills the structure when it answers 0.
    let Some(status) = (unsafe { filled(|status| libc::fstatfs(fd, status)) }) else {
        return false;
    };
    [
        libc::TMPFS_MAGIC,
        libc::EXT4_SUPER_MAGIC,
        XFS_SUPER_MAGIC,
        libc::BTRFS_SUPER_MAGIC,
    ]
    .contains(&(status.f_type as _))
}

/// Free bytes of the file system of a file; `None` where they are not known, as in a ramfs.
pub(super) fn free_bytes(fd: c_int) -> Option<u64> {
    let status = statvfs(fd).filter(|status| status.f_blocks != 0)?;
    Some(status.f_bfree * status.f_frsize)
}

pub(super) fn statvfs_of_dir(dir: &CStr) -> Option<libc::statvfs> {
    // SAFETY: statvfs fills the structure when it answers 0.
    unsafe { filled(|status| libc::statvfs(dir.as_ptr(), status)) }
}

pub(super) fn statvfs(fd: c_int) -> Option<libc::statvfs> {
    // SAFETY: fstatvfs fills the structure when it answers 0.
    unsafe { filled(|status| libc::fstatvfs(fd, status)) }
}

pub(super) fn stat(fd: c_int) -> Option<libc::stat> {
    // SAFETY: fstat fills the structure when it answers 0.
    unsafe { filled(|status| libc::fstat(fd, status)) }
}

/// The structure that a system call fills; `None` with `errno`.
///
/// # Safety
/// `call` fills it when it answers 0.
unsafe fn filled<T>(call: impl FnOnce(*mut T) -> c_int) -> Option<T> {
    let mut status = MaybeUninit::uninit();
    // SAFETY: filled, by the caller's promise.
    (call(status.as_mut_ptr()) == 0).then(|| unsafe { status.assume_init() })
}

/// Maps anonymous memory over a range of a private mapping, in a forked child.
pub(super) fn map_over(address: usize, size: usize) -> Result<(), Fill> {
    // SAFETY: the range is our own and the heap vouches that no live block is in it.
    let status = unsafe {
        libc::mmap(
            address as *mut _,
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if status == libc::MAP_FAILED {
        Err(Fill::NoSpace)
    } else {
        Ok(())
    }
}
