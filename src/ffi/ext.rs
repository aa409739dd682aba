//! memkind_ext.h: what this library adds to the original's interface.

use core::ffi::{c_int, c_uint};

use super::memkind::memkind_status;
use crate::backing;

/// What a forked child does with file-backed memory; see memkind_set_pmem_fork().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_pmem_fork_t {
    /// The child sees its parent's data and changes only its own view of it. A page is
    /// copied when the child first writes to it: until then it may follow what the
    /// parent writes. How it is unless asked for otherwise.
    MEMKIND_PMEM_FORK_PRIVATE = 0,
    /// The child copies the used part of the files before it goes on, in the same
    /// directories, and begins with its parent's data as of the fork.
    MEMKIND_PMEM_FORK_COPY = 1,
}

/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawPmemFork(c_uint);

/// Decides what fork(2) does with file-backed kinds, those that exist and those to come.
///
/// With MEMKIND_PMEM_FORK_COPY the call to fork returns in the parent when the child has
/// its copy: the file system shares the blocks where it can (FICLONE), else the time goes
/// with the memory in use. What other threads of the parent write meanwhile, the child
/// may see. Where there is no room for a copy, the child's pages are copied into memory.
/// vfork(2), posix_spawn(3) and clone(2) copy nothing.
///
/// \param mode one of memkind_pmem_fork_t
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for another mode
/// \note MT-safe; the child of a fork keeps the mode
/// \note EXPERIMENTAL API; libmemtier(7) copies unless told otherwise
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_pmem_fork(mode: RawPmemFork) -> c_int {
    const PRIVATE: c_uint = memkind_pmem_fork_t::MEMKIND_PMEM_FORK_PRIVATE as c_uint;
    const COPY: c_uint = memkind_pmem_fork_t::MEMKIND_PMEM_FORK_COPY as c_uint;
    match mode.0 {
        PRIVATE => backing::file::set_fork(false),
        COPY => backing::file::set_fork(true),
        _ => return memkind_status::MEMKIND_ERROR_INVALID as c_int,
    }
    memkind_status::MEMKIND_SUCCESS as c_int
}
