//! Files without a name, and whether they are mapped straight to persistent memory.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr;

use super::PAGE;
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

/// A file that never had a name, where the file system has such files. Why there is none is
/// found out with a name.
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
            // Its blocks would stay when the process has ended.
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
        let mut errno = libc::posix_fallocate(fd, 0, PAGE as libc::off_t);
        if errno == 0 {
            let page = libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC,
                fd,
                0,
            );
            errno = if page == libc::MAP_FAILED {
                log::errno()
            } else {
                libc::munmap(page, PAGE)
            };
        }
        libc::close(fd);
        errno
    };
    log::set_errno(if errno == 0 { before } else { errno });
    if errno == 0 { Ok(()) } else { Err(Error::Mmap) }
}
