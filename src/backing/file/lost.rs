//! Descriptors that the program has closed, as daemons do with all that they do not know.
//!
//! The number may mean a file of the program's by then, into which the heap must not write.
//! So before a file is asked for anything it is looked at: is it still the one that was
//! opened? A file that is lost keeps what is mapped of it. More is taken from another one.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::super::{PAGE, populate};
use super::blocks::Fill;
use super::pieces::Span;
use super::{File, temporary_file};
use crate::log;

/// Which file a descriptor has meant.
pub(super) struct Identity {
    device: AtomicU64,
    /// 0 until it is known.
    inode: AtomicU64,
    /// A page of it that is mapped, without access: a file without a name and a descriptor
    /// would be gone, and its number another file's.
    page: AtomicUsize,
    /// Whether its loss has been told.
    told: AtomicBool,
}

impl Identity {
    pub(super) const fn new() -> Self {
        Self {
            told: AtomicBool::new(false),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            page: AtomicUsize::new(0),
        }
    }

    /// That of an open file.
    pub(super) fn of(fd: c_int) -> Self {
        let identity = Self::new();
        identity.set(fd);
        identity
    }

    /// Takes that of an open file. Without it the file is never found lost.
    pub(super) fn set(&self, fd: c_int) {
        let errno = log::errno();
        self.inode.store(0, Ordering::Relaxed);
        self.release();
        // SAFETY: a fresh mapping.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_NONE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        if let Some((device, inode)) = look(fd).filter(|_| page != libc::MAP_FAILED) {
            self.page.store(page as usize, Ordering::Relaxed);
            self.device.store(device, Ordering::Relaxed);
            self.inode.store(inode, Ordering::Release);
        }
        log::set_errno(errno);
    }

    fn release(&self) {
        let page = self.page.swap(0, Ordering::Relaxed);
        if page != 0 {
            // SAFETY: our own mapping, which nobody reads or writes.
            unsafe { libc::munmap(page as *mut _, PAGE) };
        }
    }

    /// Whether two files are on one file system.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let device = |identity: &Self| {
            let known = identity.inode.load(Ordering::Acquire) != 0;
            known.then(|| identity.device.load(Ordering::Relaxed))
        };
        device(self).is_some_and(|own| device(other) == Some(own))
    }

    /// Whether the descriptor still means that file.
    pub(super) fn is(&self, fd: c_int) -> bool {
        match self.inode.load(Ordering::Acquire) {
            // Another thread has just opened it.
            0 => true,
            inode => look(fd) == Some((self.device.load(Ordering::Relaxed), inode)),
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.release();
    }
}

/// The device and the inode of an open file; `errno` is kept.
fn look(fd: c_int) -> Option<(u64, u64)> {
    let errno = log::errno();
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat fills the buffer when it answers 0.
    let status =
        unsafe { (libc::fstat(fd, status.as_mut_ptr()) == 0).then(|| status.assume_init()) };
    log::set_errno(errno);
    status.map(|status| (status.st_dev, status.st_ino))
}

impl File {
    /// Whether the descriptor of a piece's file no longer means that file.
    pub(super) fn is_lost(&self, index: usize) -> bool {
        let (fd, _) = self.piece_file(index);
        let identity = self.identity_of(index);
        let lost = !identity.is(fd);
        if lost && !identity.told.swap(true, Ordering::Relaxed) {
            log::error!("Descriptor {fd} of a file-backed kind was closed by the program.");
        }
        lost
    }

    /// That of a piece's file.
    pub(super) fn identity_of(&self, index: usize) -> &Identity {
        let begins = (0..=index)
            .rev()
            .find(|first| self.pieces[*first].fd.load(Ordering::Acquire) >= 0);
        begins.map_or(&self.identity, |first| &self.pieces[first].identity)
    }

    /// Lets a piece that is not mapped yet be in a file of its own, for its file is lost.
    pub(super) fn begin_anew(&self, index: usize) -> bool {
        let piece = &self.pieces[index];
        let before = piece.fd.load(Ordering::Acquire);
        let Ok(fd) = temporary_file(self.dir()) else {
            return false;
        };
        let installed = piece
            .fd
            .compare_exchange(before, fd, Ordering::AcqRel, Ordering::Relaxed);
        if installed.is_ok() {
            piece.identity.set(fd);
        } else {
            // Another thread was faster. SAFETY: nobody has seen our descriptor.
            unsafe { libc::close(fd) };
        }
        true
    }

    /// [`File::fill`] where the file is lost: what it has had can have blocks again by being
    /// written to, where the kernel does so without a signal when there are none.
    pub(super) fn fill_lost(&self, address: usize, size: usize) -> Result<(), Fill> {
        if populate(address, size) {
            Ok(())
        } else {
            Err(Fill::Lost)
        }
    }

    /// Puts a copy in ordinary memory in the place of a piece whose file is lost, in a child
    /// that has just been forked.
    pub(super) fn copy_to_memory(&self, index: usize) -> bool {
        let used = self.pieces[index].used.load(Ordering::Relaxed);
        let Some(Span { base, length }) = self.pieces[index].span() else {
            return true;
        };
        // SAFETY: a fresh mapping, which then replaces one of ours of the same length; the
        // process has only this thread.
        unsafe {
            let copy = libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            copy != libc::MAP_FAILED
                && copy_present(base, copy as usize, used)
                && libc::mremap(
                    copy,
                    length,
                    length,
                    libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                    base as *mut libc::c_void,
                ) != libc::MAP_FAILED
        }
    }
}

/// Copies the pages that a file has; the kernel reads, and finds out where the file ends.
///
/// # Safety
/// `to` must be writable for `size` bytes.
unsafe fn copy_present(from: usize, to: usize, size: usize) -> bool {
    let part = |start: usize, size: usize| libc::iovec {
        iov_base: start as *mut libc::c_void,
        iov_len: size,
    };
    let mut done = 0;
    while done < size {
        let (local, remote) = (part(to + done, size - done), part(from + done, size - done));
        // SAFETY: writes into `to` only; what cannot be read is an error.
        let copied = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
        match copied {
            1.. => done += copied as usize,
            _ if log::errno() == libc::EFAULT => done = (done / PAGE + 1) * PAGE,
            _ => return false,
        }
    }
    true
}
