//! A forked child's own copy of its parent's files.
//!
//! Asked for by [`set_fork`], the child copies every file at once, into a new file in
//! the same directory, and maps that at the addresses of the old one: it begins with
//! its parent's data as of the fork, and neither sees what the other writes later. The
//! thread that forked waits meanwhile. What other threads of the parent write before
//! the copy is complete, the child may see.
//!
//! Copying is left to the file system where it can share blocks (FICLONE). Where there
//! is no room for a copy, the child gets private pages of the old file, all of them
//! copied at once too.
//!
//! Everything in the child is async-signal-safe and allocates nothing.

use core::ffi::c_int;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::blocks::{allocate_blocks, stat, statvfs};
use super::descriptor::temporary_file;
use super::piece::{PIECES, Span};
use super::record::File;
use crate::backing::base::page_size;
use crate::log;
use crate::sys::addresses::map_zeroes;

/// The places of the two ends in [`PIPE`].
const READ: usize = 0;
const WRITE: usize = 1;

/// Whether a forked child copies the files.
static COPIES: AtomicBool = AtomicBool::new(false);
/// The pipe by which a forked child tells its parent that it has its copies; -1 for none. Only one
/// fork at a time uses it, since the topology's lock is held over each.
static PIPE: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];

/// Sets whether a forked child copies the files at once, or gets private pages of them, each copied
/// when it is first written.
pub fn set_fork(copies: bool) {
    COPIES.store(copies, Ordering::Relaxed);
}

fn copies() -> bool {
    COPIES.load(Ordering::Relaxed)
}

/// Before a fork, if there are files in use.
pub fn prepare_fork() {
    if !copies() {
        return;
    }
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors. Without a pipe the parent does not wait.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == 0 {
        for (place, end) in PIPE.iter().zip(ends) {
            place.store(end, Ordering::Relaxed);
        }
    }
}

fn close(end: usize) {
    let fd = PIPE[end].swap(-1, Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: a descriptor of `prepare_fork`.
        unsafe { libc::close(fd) };
    }
}

/// After a fork, in the parent: waits until the child has its copies, or is gone.
pub fn parent_after_fork() {
    let errno = log::errno();
    close(WRITE);
    let fd = PIPE[READ].load(Ordering::Relaxed);
    if fd >= 0 {
        let mut byte = 0_u8;
        // SAFETY: reads one byte into a byte.
        while unsafe { libc::read(fd, (&raw mut byte).cast(), 1) } < 0
            && log::errno() == libc::EINTR
        {}
        close(READ);
    }
    log::set_errno(errno);
}

/// After a fork, in the child, when all is copied.
pub fn child_after_fork() {
    let fd = PIPE[WRITE].load(Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: writes one byte. The child has the other end open too, so there is no SIGPIPE.
        unsafe { libc::write(fd, c"".as_ptr().cast(), 1) };
    }
    close(READ);
    close(WRITE);
}

impl File {
    /// Makes the memory the child's own, in a child that has just been forked: with
    /// [`set_fork`] a copy of the file, otherwise, and where a copy is impossible,
    /// private mappings. Of these, pages that the child has not written may still
    /// follow the parent's later writes; a copy that failed leaves none such.
    /// Async-signal-safe.
    pub fn after_fork_in_child(&self) {
        if self.inherited.load(Ordering::Relaxed) {
            return;
        }
        let copies = copies();
        if copies && self.copy_in_child() {
            return;
        }
        self.inherited.store(true, Ordering::Relaxed);
        for index in 0..PIECES {
            let lost = self.is_lost(index);
            let own = if lost {
                self.copy_to_memory(index)
            } else {
                self.map_again(index, libc::MAP_PRIVATE)
            };
            if !own {
                log::fatal!("A forked child cannot make its file-backed memory private.");
                // To go on would let the child corrupt its parent's heap.
                // SAFETY: _exit has no preconditions.
                unsafe { libc::_exit(127) };
            }
            if copies && !lost {
                self.copy_private_pages(index);
            }
        }
    }

    /// Whether the heap has anything in the file.
    pub fn is_in_use(&self) -> bool {
        self.pieces[0].span().is_some()
    }

    /// The pieces that are in the file which begins with piece `first`.
    fn pieces_from(&self, first: usize) -> Range<usize> {
        let next = (first + 1..PIECES).find(|index| self.begins_file(*index));
        first..next.unwrap_or(PIECES)
    }

    fn begins_file(&self, index: usize) -> bool {
        index == 0 || self.pieces[index].fd.load(Ordering::Relaxed) >= 0
    }

    /// Copies every file and maps the copies; `false` when that is not possible for
    /// all of them. What has been copied stays so.
    pub(super) fn copy_in_child(&self) -> bool {
        self.ahead.store(0, Ordering::Relaxed);
        (0..PIECES)
            .filter(|index| self.begins_file(*index))
            .all(|first| self.copy_file(first))
    }

    /// Copies the file which begins with piece `first`. One that has not been used yet
    /// is still the parent's: the child needs its own.
    fn copy_file(&self, first: usize) -> bool {
        let pieces = self.pieces_from(first);
        if self.is_lost(first) {
            return false;
        }
        let (old, _) = self.piece_file(first);
        let Ok(new) = temporary_file(self.dir()) else {
            return false;
        };
        let copied = stat(old).is_some_and(|status| {
            (share_blocks(old, new, &status) || self.copy_data(old, new, &status, pieces.clone()))
                && self.allocate_taken(new, pieces.clone())
        });
        // SAFETY: both are descriptors of ours. The copy takes the place of the old
        // file in this process only.
        let replaced = unsafe {
            let replaced = copied && libc::dup3(new, old, libc::O_CLOEXEC) >= 0;
            libc::close(new);
            replaced
        };
        if replaced {
            self.identity_of(first).set(old);
        }
        replaced
            && pieces
                .into_iter()
                .all(|index| self.map_again(index, libc::MAP_SHARED))
    }

    /// Copies the used parts of some pieces, which are in the file `old`, to the file `new`.
    fn copy_data(&self, old: c_int, new: c_int, status: &libc::stat, pieces: Range<usize>) -> bool {
        // SAFETY: a file of ours.
        if unsafe { libc::ftruncate(new, status.st_size) } != 0 {
            return false;
        }
        let used = |index: usize| self.pieces[index].used.load(Ordering::Relaxed);
        let used_pieces = pieces.filter(|index| used(*index) != 0);
        used_pieces.into_iter().all(|index| {
            let base = self.pieces[index].span().map_or(0, |span| span.base);
            let (_, start) = self.piece_file(index);
            for_each_data(old, start, start + used(index), |from, to| {
                write_at(new, base + (from - start), to - from, from)
            })
        })
    }

    /// Allocates blocks in a copy for memory that the heap has taken and not written to: otherwise
    /// a full file system would be noticed by a write into memory.
    fn allocate_taken(&self, new: c_int, pieces: Range<usize>) -> bool {
        pieces.into_iter().all(|index| {
            let piece = &self.pieces[index];
            let used = piece.used.load(Ordering::Relaxed);
            let (_, start) = self.piece_file(index);
            piece.pages.after_fork_in_child(used);
            let mut ranges = piece.pages.taken(used);
            ranges.all(|range| allocate_blocks(new, start + range.start, range.len()).is_ok())
        })
    }

    /// Maps a piece again at its addresses, in place of its old mapping.
    pub(super) fn map_again(&self, index: usize, sharing: c_int) -> bool {
        let Some(Span { base, length }) = self.pieces[index].span() else {
            return true;
        };
        let (fd, offset) = self.piece_file(index);
        // SAFETY: replaces a mapping of ours by one of the same length; the process has
        // only this thread.
        let mapped = unsafe {
            libc::mmap(
                base as *mut _,
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                sharing | libc::MAP_FIXED | libc::MAP_NORESERVE,
                fd,
                offset as libc::off_t,
            )
        };
        mapped != libc::MAP_FAILED
    }

    /// Replaces a piece whose file is lost by a copy in private memory, in a child that has just
    /// been forked.
    pub(super) fn copy_to_memory(&self, index: usize) -> bool {
        let used = self.pieces[index].used.load(Ordering::Relaxed);
        let Some(Span { base, length }) = self.pieces[index].span() else {
            return true;
        };
        let Some(copy) = map_zeroes(length) else {
            return false;
        };
        // SAFETY: a fresh mapping, which then replaces one of ours of the same length; the
        // process has only this thread.
        unsafe {
            copy_present(base, copy as usize, used)
                && libc::mremap(
                    copy.cast(),
                    length,
                    length,
                    libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                    base as *mut libc::c_void,
                ) != libc::MAP_FAILED
        }
    }

    /// Copies every page of a private mapping that has data.
    pub(super) fn copy_private_pages(&self, index: usize) {
        let used = self.pieces[index].used.load(Ordering::Relaxed);
        let Some(Span { base, .. }) = self.pieces[index].span() else {
            return;
        };
        let (fd, start) = self.piece_file(index);
        for_each_data(fd, start, start + used, |from, to| {
            for position in (from..to).step_by(page_size()) {
                let byte = (base + (position - start)) as *mut u8;
                // SAFETY: inside the piece; the byte is written with what it was.
                unsafe { byte.write_volatile(byte.read_volatile()) };
            }
            true
        });
    }
}

/// Calls `each` with every part of the file that is not a hole, until it says `false`.
fn for_each_data(
    fd: c_int,
    start: usize,
    end: usize,
    mut each: impl FnMut(usize, usize) -> bool,
) -> bool {
    // SAFETY: only moves the position in the file, which nothing else uses.
    let seek = |from: usize, whence| unsafe { libc::lseek(fd, from as libc::off_t, whence) };
    let mut position = start;
    while position < end {
        let data = seek(position, libc::SEEK_DATA);
        if data < 0 {
            // ENXIO: there is no more data.
            return log::errno() == libc::ENXIO;
        }
        let data = data as usize;
        if data >= end {
            return true;
        }
        let hole = seek(data, libc::SEEK_HOLE);
        if hole < 0 {
            return false;
        }
        let hole = (hole as usize).min(end);
        if !each(data, hole) {
            return false;
        }
        position = hole;
    }
    true
}

/// Makes one file share the other's blocks, if the file system can and has room to
/// copy them later.
fn share_blocks(old: c_int, new: c_int, old_status: &libc::stat) -> bool {
    // SAFETY: both are files of ours.
    has_room(new, old_status.st_blocks as u64 * 512)
        && unsafe { libc::ioctl(new, libc::FICLONE, old) } == 0
}

/// Whether the file system has room for `bytes`: shared blocks are copied when one side writes, and
/// must find room then.
fn has_room(fd: c_int, bytes: u64) -> bool {
    let left = |status: libc::statvfs| status.f_bavail.saturating_mul(status.f_frsize);
    statvfs(fd).map(left).is_some_and(|left| left >= bytes)
}

/// Writes memory into a file. This is faster than copy_file_range(2), which goes page by
/// page where blocks cannot be shared.
fn write_at(fd: c_int, memory: usize, size: usize, position: usize) -> bool {
    let mut done = 0;
    while done < size {
        // SAFETY: the caller's range is mapped and readable.
        let part = unsafe {
            libc::pwrite(
                fd,
                (memory + done) as *const _,
                size - done,
                (position + done) as libc::off_t,
            )
        };
        if part > 0 {
            done += part as usize;
        } else if part == 0 || log::errno() != libc::EINTR {
            return false;
        }
    }
    true
}

/// Copies `size` bytes of a mapped file, without its missing pages. The kernel reads, so that a
/// missing page is an error and not a signal. Where it may not, as in some sandboxes, such a page ends
/// the child.
///
/// # Safety
/// `from` must be mapped and `to` writable for `size` bytes, which do not overlap.
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
            _ if log::errno() == libc::EFAULT => done = (done / page_size() + 1) * page_size(),
            _ if matches!(log::errno(), libc::EPERM | libc::ENOSYS) => {
                let (from, to) = ((from + done) as *const u8, (to + done) as *mut u8);
                // SAFETY: what is left of bytes that are mapped, writable and apart, by the caller's promise.
                unsafe { core::ptr::copy_nonoverlapping(from, to, size - done) };
                return true;
            }
            _ => return false,
        }
    }
    true
}
