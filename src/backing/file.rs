//! A temporary file, mapped in a few large pieces and filled from the front.
//!
//! A piece is mapped as a whole and unmapped only with the kind: unmapping parts of
//! it would let jemalloc join extents of two kinds that happen to be neighbours. The
//! file system's blocks are allocated before the heap sees the memory, so a full file
//! system is ENOMEM and never SIGBUS, and are given back as holes.
//!
//! After fork the mappings would be shared, and the child would write into its
//! parent's heap. `after_fork_in_child` turns the child's into private copies.

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::ffi::CString;

use super::{Extent, PAGE, keeps_freed_memory, round_up};
use crate::error::Error;
use crate::log;

/// Pieces a file can have; unlimited kinds double them from 64 MiB, 128 TiB in all.
const PIECES: usize = 21;
const FIRST_PIECE: usize = 64 << 20;
/// Pieces start at a multiple of this, so that huge and DAX pages fit.
const PIECE_ALIGN: usize = 2 << 20;

/// A mapped part of the file.
struct Piece {
    /// Address, 0 while not mapped.
    base: AtomicUsize,
    /// Bytes handed out, from the front.
    used: AtomicUsize,
}

/// A temporary file as a source of extents.
///
/// Compiled programs read the first fields through the kind's `priv` pointer, hence
/// the layout.
#[repr(C)]
pub struct File {
    fd: c_int,
    offset: AtomicUsize,
    max_size: usize,
    /// Where the original has its mutex; unused here.
    lock: [u8; 40],
    current_size: AtomicUsize,
    dir: *const c_char,
    pieces: [Piece; PIECES],
    current: AtomicUsize,
    /// Set in a forked child: the file belongs to the parent.
    inherited: AtomicBool,
    /// Set once the file system has refused to punch a hole.
    no_holes: AtomicBool,
}

// SAFETY: `dir` is only written at creation and points at memory the value owns; all
// other state is atomic or constant.
unsafe impl Sync for File {}
// SAFETY: as above, nothing is tied to the creating thread.
unsafe impl Send for File {}

impl File {
    /// Creates the file in `dir`; it has no name left and holds no blocks yet.
    /// `limit` is the most bytes it may hold, 0 for as many as the file system has.
    /// `Invalid` with `errno` when the directory cannot be used.
    pub fn create(dir: &CStr, limit: usize) -> Result<Self, Error> {
        let fd = temporary_file(dir)?;
        Ok(Self {
            fd,
            offset: AtomicUsize::new(0),
            max_size: limit,
            lock: [0; 40],
            current_size: AtomicUsize::new(0),
            dir: CString::from(dir).into_raw(),
            pieces: [const {
                Piece {
                    base: AtomicUsize::new(0),
                    used: AtomicUsize::new(0),
                }
            }; PIECES],
            current: AtomicUsize::new(0),
            inherited: AtomicBool::new(false),
            no_holes: AtomicBool::new(false),
        })
    }

    /// The descriptor, open for the life of the kind.
    pub const fn descriptor(&self) -> i32 {
        self.fd
    }

    /// The most bytes the file may hold: its limit or the size of the file system.
    pub fn capacity(&self) -> Result<usize, Error> {
        if self.max_size != 0 {
            return Ok(self.max_size);
        }
        let mut stat = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: fstatvfs fills the buffer when it answers 0.
        let stat = unsafe {
            if libc::fstatvfs(self.fd, stat.as_mut_ptr()) != 0 {
                return Err(Error::Runtime);
            }
            stat.assume_init()
        };
        usize::try_from(stat.f_blocks * stat.f_frsize).map_err(|_| Error::Runtime)
    }

    /// Length of a piece, and its position in the file. Both are fixed by its number.
    const fn piece_span(&self, index: usize) -> (usize, usize) {
        if self.max_size != 0 {
            (self.max_size, self.max_size * index)
        } else {
            (FIRST_PIECE << index, FIRST_PIECE * ((1 << index) - 1))
        }
    }

    pub(super) fn take(&self, size: usize, align: usize) -> Result<Extent, Error> {
        self.charge(size)?;
        let result = self.take_charged(size, align);
        if result.is_err() {
            self.current_size.fetch_sub(size, Ordering::Relaxed);
        }
        result
    }

    fn take_charged(&self, size: usize, align: usize) -> Result<Extent, Error> {
        loop {
            let index = self.current.load(Ordering::Acquire);
            let piece = self.pieces.get(index).ok_or(Error::NoMemory)?;
            let (length, _) = self.piece_span(index);
            let base = match piece.base.load(Ordering::Acquire) {
                0 => self.map_piece(index)?,
                base => base,
            };
            let used = piece.used.load(Ordering::Relaxed);
            let address = round_up(base + used, align).ok_or(Error::NoMemory)?;
            let after = address.checked_add(size).ok_or(Error::NoMemory)? - base;
            if after > length {
                if size > length && self.max_size != 0 {
                    return Err(Error::NoMemory);
                }
                let _ = self.current.compare_exchange(
                    index,
                    index + 1,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
                continue;
            }
            let taken =
                piece
                    .used
                    .compare_exchange_weak(used, after, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_err() {
                continue;
            }
            if let Err(error) = self.fill(address, size) {
                // Nobody else took more meanwhile: the addresses are free again.
                let _ =
                    piece
                        .used
                        .compare_exchange(after, used, Ordering::Relaxed, Ordering::Relaxed);
                return Err(error);
            }
            return Ok(Extent {
                address,
                zeroed: true,
            });
        }
    }

    /// Counts `size` bytes against the limit.
    fn charge(&self, size: usize) -> Result<(), Error> {
        let limit = if self.max_size == 0 {
            usize::MAX
        } else {
            self.max_size
        };
        self.current_size
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                now.checked_add(size).filter(|sum| *sum <= limit)
            })
            .map(|_| ())
            .map_err(|_| Error::NoMemory)
    }

    /// Maps a piece unless another thread does; its address.
    fn map_piece(&self, index: usize) -> Result<usize, Error> {
        let (length, offset) = self.piece_span(index);
        let base = map_shared(self.fd, length, offset)?;
        let piece = &self.pieces[index];
        match piece
            .base
            .compare_exchange(0, base, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(base),
            Err(theirs) => {
                // SAFETY: nobody has seen our mapping.
                unsafe { libc::munmap(base as *mut _, length) };
                Ok(theirs)
            }
        }
    }

    /// The position in the file of an address inside a piece.
    fn position(&self, address: usize) -> Option<usize> {
        (0..PIECES).find_map(|index| {
            let base = self.pieces[index].base.load(Ordering::Acquire);
            let (length, offset) = self.piece_span(index);
            (base != 0 && address >= base && address - base < length)
                .then(|| offset + (address - base))
        })
    }

    /// Puts zeroed memory behind a range.
    fn fill(&self, address: usize, size: usize) -> Result<(), Error> {
        if self.inherited.load(Ordering::Relaxed) {
            return map_over(address, size);
        }
        let position = self.position(address).ok_or(Error::NoMemory)?;
        let (Ok(start), Ok(length)) =
            (libc::off_t::try_from(position), libc::off_t::try_from(size))
        else {
            return Err(Error::NoMemory);
        };
        // SAFETY: allocates blocks of our own file.
        let status = unsafe { libc::posix_fallocate(self.fd, start, length) };
        if status != 0 {
            log::error!("posix_fallocate() failed: errno={}.", status);
            return Err(Error::NoMemory);
        }
        self.offset.fetch_max(position + size, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        self.charge(size)?;
        let result = self.fill(address, size);
        if result.is_err() {
            self.current_size.fetch_sub(size, Ordering::Relaxed);
        }
        result
    }

    pub(super) fn give_back(&self, address: usize, size: usize) -> bool {
        if keeps_freed_memory()
            || self.inherited.load(Ordering::Relaxed)
            || self.no_holes.load(Ordering::Relaxed)
        {
            return false;
        }
        // SAFETY: the heap vouches that no live block lies in the range.
        if unsafe { libc::madvise(address as *mut _, size, libc::MADV_REMOVE) } != 0 {
            if log::errno() == libc::EOPNOTSUPP && !self.no_holes.swap(true, Ordering::Relaxed) {
                log::error!("Filesystem doesn't support FALLOC_FL_PUNCH_HOLE.");
            }
            return false;
        }
        self.current_size.fetch_sub(size, Ordering::Relaxed);
        true
    }

    /// Turns the shared mappings into private ones, in a child that has just been
    /// forked: it sees its parent's data and changes only its own copy. Pages that
    /// the child has not written may still follow the parent's later writes.
    /// Async-signal-safe.
    pub fn after_fork_in_child(&self) {
        if self.inherited.swap(true, Ordering::Relaxed) {
            return;
        }
        for (index, piece) in self.pieces.iter().enumerate() {
            let base = piece.base.load(Ordering::Acquire);
            if base == 0 {
                continue;
            }
            let (length, offset) = self.piece_span(index);
            // SAFETY: replaces a mapping of ours by one of the same file and length;
            // the child has only this thread.
            let status = unsafe {
                libc::mmap(
                    base as *mut _,
                    length,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE,
                    self.fd,
                    offset as libc::off_t,
                )
            };
            if status == libc::MAP_FAILED {
                log::fatal!("A forked child cannot make its file-backed memory private.");
                // SAFETY: going on would let the child corrupt its parent's heap.
                unsafe { libc::_exit(127) };
            }
        }
    }

    pub(super) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        for piece in &self.pieces {
            let base = piece.base.load(Ordering::Acquire);
            let used = piece.used.load(Ordering::Relaxed);
            if base != 0 && used != 0 {
                each(base, used);
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for index in 0..PIECES {
            let base = *self.pieces[index].base.get_mut();
            if base != 0 {
                let (length, _) = self.piece_span(index);
                // SAFETY: our own mapping; the heap on it has been destroyed.
                unsafe { libc::munmap(base as *mut _, length) };
            }
        }
        // SAFETY: our own descriptor; `dir` came from CString::into_raw.
        unsafe {
            libc::close(self.fd);
            drop(CString::from_raw(self.dir.cast_mut()));
        }
    }
}

/// Maps part of a file shared, at a multiple of `PIECE_ALIGN`.
fn map_shared(fd: c_int, length: usize, offset: usize) -> Result<usize, Error> {
    let padded = length.checked_add(PIECE_ALIGN).ok_or(Error::NoMemory)?;
    let offset = libc::off_t::try_from(offset).map_err(|_| Error::NoMemory)?;
    // SAFETY: reserves fresh addresses, then maps the file inside them; the parts cut
    // off have not been seen by anybody.
    unsafe {
        let reserved = libc::mmap(
            ptr::null_mut(),
            padded,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if reserved == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            return Err(Error::NoMemory);
        }
        let reserved = reserved as usize;
        let base = (reserved + PIECE_ALIGN - 1) & !(PIECE_ALIGN - 1);
        let mapped = libc::mmap(
            base as *mut _,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED,
            fd,
            offset,
        );
        if mapped == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            libc::munmap(reserved as *mut _, padded);
            return Err(Error::NoMemory);
        }
        if base > reserved {
            libc::munmap(reserved as *mut _, base - reserved);
        }
        let tail = reserved + padded - (base + length);
        if tail > 0 {
            libc::munmap((base + length) as *mut _, tail);
        }
        Ok(base)
    }
}

/// Puts anonymous memory over a range of a private mapping, in a forked child.
fn map_over(address: usize, size: usize) -> Result<(), Error> {
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
        Err(Error::NoMemory)
    } else {
        Ok(())
    }
}

/// Opens a file without a name in `dir`, mode 0600, closed on exec. Signals are
/// blocked while it has a name, so that none can leave it behind.
fn temporary_file(dir: &CStr) -> Result<c_int, Error> {
    const TEMPLATE: &[u8] = b"/memkind.XXXXXX\0";
    let dir = dir.to_bytes();
    let mut path = [0_u8; libc::PATH_MAX as usize + TEMPLATE.len()];
    if dir.len() > libc::PATH_MAX as usize {
        log::error!("Could not create temporary file: too long path.");
        return Err(Error::Invalid);
    }
    path[..dir.len()].copy_from_slice(dir);
    path[dir.len()..dir.len() + TEMPLATE.len()].copy_from_slice(TEMPLATE);
    let before = log::errno();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are filled before use; the path is writable and ends in NUL.
    let (fd, errno) = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        let fd = libc::mkostemp(path.as_mut_ptr().cast(), libc::O_CLOEXEC);
        let errno = log::errno();
        if fd >= 0 {
            libc::unlink(path.as_ptr().cast());
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
