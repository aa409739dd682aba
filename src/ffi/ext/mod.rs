//! memkind_ext.h: what this library adds to the original's interface. cbindgen reads this file and
//! the modules below, in this order.

pub mod usage;

pub mod config;

pub mod device;

pub mod map;

pub mod region;

pub mod pool;

pub mod iovec;

pub mod checks;

use core::ffi::{CStr, c_char, c_int, c_uint};

use super::answer::kind_of;
use super::memkind::{hand_out, memkind_status, memkind_t};
use crate::backing::{self, Bind};
use crate::error::Error;
use crate::heap;
use crate::kind::{Kind, dynamic};
use crate::log::{self, refused};

/// What a forked child does with file-backed memory; see memkind_set_pmem_fork().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_pmem_fork_t {
    /// The child sees its parent's data and changes only its own view of it. A page is copied when
    /// the child first writes to it: until then it may follow what the parent writes. The default.
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
        _ => {
            return refused!(
                Error::Invalid.code(),
                "Cannot set what fork does: unknown mode {}.",
                mode.0
            );
        }
    }
    memkind_status::MEMKIND_SUCCESS as c_int
}

/// Which of the freed blocks is handed out next; see memkind_set_block_order().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_block_order_t {
    /// The one that was freed last: it is in the processor's cache. The default.
    MEMKIND_BLOCK_ORDER_RECENT = 0,
    /// Where more than some hundred blocks of a size are free, the last hundreds of them are handed
    /// out from the lowest address upwards: blocks allocated in a row are side by side.
    MEMKIND_BLOCK_ORDER_ADDRESS = 1,
}

/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawBlockOrder(c_uint);

/// Decides which freed block of at most 128 bytes is handed out next, for all kinds.
///
/// MEMKIND_BLOCK_ORDER_ADDRESS is for programs that build lists and trees of small blocks
/// and walk through them: processors fetch ahead what lies in a row. It costs some
/// nanoseconds for blocks that are freed when many of their size are free already, and
/// nothing otherwise.
///
/// \param order one of memkind_block_order_t
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for another order
/// \note MT-safe; it applies to blocks that are freed from then on
/// \note EXPERIMENTAL API; libmemtier(7) and autohbw(7) ask for the order of addresses
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_block_order(order: RawBlockOrder) -> c_int {
    const RECENT: c_uint = memkind_block_order_t::MEMKIND_BLOCK_ORDER_RECENT as c_uint;
    const ADDRESS: c_uint = memkind_block_order_t::MEMKIND_BLOCK_ORDER_ADDRESS as c_uint;
    match order.0 {
        RECENT => heap::order::want(false),
        ADDRESS => heap::order::want(true),
        _ => {
            return refused!(
                Error::Invalid.code(),
                "Cannot set the order of blocks: unknown order {}.",
                order.0
            );
        }
    }
    memkind_status::MEMKIND_SUCCESS as c_int
}

/// How the memory of a kind is tied to its nodes; see memkind_create_nodes().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_nodes_policy_t {
    /// Memory of the kind's nodes only; allocations fail when they are full.
    MEMKIND_NODES_BIND = 0,
    /// Memory of the kind's nodes while they have room, then of others.
    MEMKIND_NODES_PREFERRED = 1,
    /// Memory of the kind's nodes in turn, page by page.
    MEMKIND_NODES_INTERLEAVE = 2,
}

/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawNodesPolicy(c_uint);

/// Creates a kind on NUMA nodes that the caller names.
///
/// \param nodes  node list as numa(3) has it for numa_parse_nodestring(): "0", "1-3,5",
///               "all"; '!' in front for the other nodes, '+' for numbers that count the
///               nodes that the process may use
/// \param policy one of memkind_nodes_policy_t; with MEMKIND_NODES_PREFERRED and several
///               nodes the kernel may prefer the first of them only
/// \param kind   where the handle goes; untouched on failure, but NULL with
///               MEMKIND_ERROR_TOOMANY
///
/// The kind is like a static one but for its nodes: memkind_check_available() is
/// MEMKIND_SUCCESS, memkind_get_capacity() the memory of its nodes (-1 with
/// MEMKIND_NODES_PREFERRED), memkind_detect_kind() finds it, and memkind_destroy_kind()
/// frees it with all its blocks. Kinds on the same nodes may exist side by side.
///
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, an unknown policy, a malformed
///         list and one that means no node; MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE for a node
///         that does not exist, has no memory or is not allowed by the cpuset;
///         MEMKIND_ERROR_UNAVAILABLE without NUMA in the kernel; MEMKIND_ERROR_TOOMANY;
///         MEMKIND_ERROR_ENVIRON; MEMKIND_ERROR_MALLOC; MEMKIND_ERROR_OPERATION_FAILED if the
///         nodes cannot be read for the moment: no descriptor or memory is left, or a file of
///         the system's cannot be read. MEMKIND_DEBUG tells what is wrong with a list.
/// \note MT-safe
/// \note EXPERIMENTAL API
///
/// # Safety
/// `nodes` must be NULL or a string, and `kind` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_nodes(
    nodes: *const c_char,
    policy: RawNodesPolicy,
    kind: *mut memkind_t,
) -> c_int {
    let Some(bind) = bind_of(policy.0) else {
        return Error::Invalid.code();
    };
    if nodes.is_null() || kind.is_null() {
        return null_argument("kind");
    }
    // SAFETY: not null, and a string by the caller's promise.
    let nodes = unsafe { CStr::from_ptr(nodes) };
    // SAFETY: not null, and writable by the caller's promise.
    unsafe { hand_out(dynamic::create_nodes(nodes, bind), kind) }
}

/// Logs that an argument of a function that makes a `what` is NULL; returns the function's code.
fn null_argument(what: &str) -> c_int {
    refused!(
        Error::Invalid.code(),
        "Cannot create {what}: an argument is NULL."
    )
}

/// The kind that a `what` is to be made of. `None`, and a message, when `kind` is not a living kind or
/// `place`, where the handle goes, is NULL.
fn made_of<T>(what: &str, kind: memkind_t, place: *mut T) -> Option<&'static Kind> {
    let found = kind_of(kind);
    if found.is_none() {
        log::error!("Cannot create {what}: its kind is NULL, was destroyed or never existed.");
    } else if place.is_null() {
        null_argument(what);
        return None;
    }
    found
}

/// How a policy of memkind_nodes_policy_t ties memory to nodes; `None` for an unknown one.
fn bind_of(policy: c_uint) -> Option<Bind> {
    const BIND: c_uint = memkind_nodes_policy_t::MEMKIND_NODES_BIND as c_uint;
    const PREFERRED: c_uint = memkind_nodes_policy_t::MEMKIND_NODES_PREFERRED as c_uint;
    const INTERLEAVE: c_uint = memkind_nodes_policy_t::MEMKIND_NODES_INTERLEAVE as c_uint;
    match policy {
        BIND => Some(Bind::Bind),
        PREFERRED => Some(Bind::Preferred),
        INTERLEAVE => Some(Bind::Interleave),
        other => {
            log::error!("Cannot create kind: unknown policy {other}.");
            None
        }
    }
}
