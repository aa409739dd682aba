//! Descriptors of files without a name: opening one, and noticing that the program has closed it.
//!
//! Daemons close all descriptors that they do not know. The number may then mean a file of the
//! program's, into which the heap must not write. So before each use [`Identity`] tells whether
//! the descriptor still means the file that was opened. A file that is lost keeps its mapped
//! parts; further pieces are in a new file.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::blocks::stat;
use crate::backing::base::page_size;
use crate::error::Error;
use crate::log;

const TEMPLATE: &[u8] = b"/memkind.XXXXXX\0";

/// Opens a file without a name in `dir`, mode 0600, closed on exec.
pub(super) fn temporary_file(dir: &CStr) -> Result<c_int, Error> {
    const SHORT: usize = 256;
    const LONG: usize = libc::PATH_MAX as usize;
    let before = log::errno();
    if let Some(fd) = without_name(dir) {
        return Ok(fd);
    }
    log::set_errno(before);
    // Threads may have small stacks: few directories need room for the longest path.
    match dir.count_bytes() {
        length if length <= SHORT => open_in::<{ SHORT + TEMPLATE.len() }>(dir),
        length if length <= LONG => open_in::<{ LONG + TEMPLATE.len() }>(dir),
        _ => {
            log::error!("Could not create temporary file: too long path.");
            Err(Error::Invalid)
        }
    }
}

/// Opens a file that never has a name; `None` where the file system has no such files, or another
/// error that [`open_in`] will report.
fn without_name(dir: &CStr) -> Option<c_int> {
    let flags = libc::O_TMPFILE | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the path ends in NUL.
    let fd = unsafe { libc::open(dir.as_ptr(), flags, 0o600) };
    (fd >= 0).then_some(fd)
}

/// [`temporary_file`] with a path of at most `N` bytes, and with a name at first. Signals are
/// blocked while it has one, so that none can leave it behind.
#[inline(never)]
fn open_in<const N: usize>(dir: &CStr) -> Result<c_int, Error> {
    let dir = dir.to_bytes();
    let mut path = [0_u8; N];
    path[..dir.len()].copy_from_slice(dir);
    path[dir.len()..dir.len() + TEMPLATE.len()].copy_from_slice(TEMPLATE);
    let before = log::errno();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are filled before use; the path is writable and ends in NUL.
    let (fd, errno) = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        let mut fd = libc::mkostemp(path.as_mut_ptr().cast(), libc::O_CLOEXEC);
        let mut errno = log::errno();
        if fd >= 0 && libc::unlink(path.as_ptr().cast()) != 0 {
            // The file would stay when the process has ended.
            errno = log::errno();
            libc::close(fd);
            fd = -1;
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), ptr::null_mut());
        (fd, errno)
    };
    log::set_errno(if fd < 0 { errno } else { before });
    if fd < 0 {
        log::error!("Could not create temporary file: errno={errno}.");
        return Err(Error::Invalid);
    }
    Ok(fd)
}

/// Whether files in `dir` are mapped straight to persistent memory (DAX): `Runtime`
/// with `errno` when no file can be created there, `Mmap` with EOPNOTSUPP when the
/// file system has no DAX.
pub fn dax_path(dir: &CStr) -> Result<(), Error> {
    let before = log::errno();
    let fd = temporary_file(dir).map_err(|_| Error::Runtime)?;
    // SAFETY: maps one page of our own file and gives everything back.
    let errno = unsafe {
        let mut errno = libc::posix_fallocate(fd, 0, page_size() as libc::off_t);
        if errno == 0 {
            let page = libc::mmap(
                ptr::null_mut(),
                page_size(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC,
                fd,
                0,
            );
            errno = if page == libc::MAP_FAILED {
                log::errno()
            } else {
                libc::munmap(page, page_size())
            };
        }
        libc::close(fd);
        errno
    };
    log::set_errno(if errno == 0 { before } else { errno });
    if errno == 0 { Ok(()) } else { Err(Error::Mmap) }
}

/// The identity of the file that a descriptor has meant.
pub(super) struct Identity {
    device: AtomicU64,
    /// The inode; 0 until it is known.
    inode: AtomicU64,
    /// Address of a page of the file that is mapped without access. It keeps the file, and so its
    /// inode number, when the descriptor has been closed.
    page: AtomicUsize,
    /// Whether the loss of the file has been reported.
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

    /// Takes the identity of an open file. If that fails, the file is never found lost.
    pub(super) fn set(&self, fd: c_int) {
        let errno = log::errno();
        self.inode.store(0, Ordering::Relaxed);
        self.release();
        // SAFETY: a fresh mapping.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page_size(),
                libc::PROT_NONE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        if page != libc::MAP_FAILED {
            self.page.store(page as usize, Ordering::Relaxed);
            if let Ok((device, inode)) = look(fd) {
                self.device.store(device, Ordering::Relaxed);
                self.inode.store(inode, Ordering::Release);
            }
        }
        log::set_errno(errno);
    }

    fn release(&self) {
        let page = self.page.swap(0, Ordering::Relaxed);
        if page != 0 {
            // SAFETY: our own mapping, which is never read or written.
            unsafe { libc::munmap(page as *mut _, page_size()) };
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
            // Another thread has just opened the file.
            0 => true,
            inode => match look(fd) {
                Ok(found) => found == (self.device.load(Ordering::Relaxed), inode),
                // A file system may fail to tell about a file. That the program has put such a
                // file in this one's place is less likely than that it is this one.
                Err(errno) => errno != libc::EBADF,
            },
        }
    }

    /// Whether the loss of the file has not been reported yet; from then on it has.
    pub(super) fn is_news(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.release();
    }
}

/// The device and the inode of an open file, or why they are not known; `errno` is kept.
fn look(fd: c_int) -> Result<(u64, u64), c_int> {
    let errno = log::errno();
    let status = stat(fd);
    let why = log::errno();
    log::set_errno(errno);
    status
        .map(|status| (status.st_dev, status.st_ino))
        .ok_or(why)
}
