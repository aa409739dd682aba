//! The nodes from which a kind takes memory, per CPU.
//!
//! A choice is pure code in [`select`] on tables that are read once, when first
//! needed: nodes from sysfs, bandwidth and locality from libhwloc. This module owns
//! the one lock under which they are read and keeps every answer, errors too.
//!
//! libhwloc and libc allocate with libc's malloc. When a preloaded malloc built on
//! this library gets such a request, the same thread comes back here; it gets an error instead of
//! waiting for itself.

mod hwloc;
mod hwloc_sys;
mod linux;
mod load;

pub mod container;
pub mod huge;
pub mod left;
pub mod listed;
pub mod mask;
pub mod named;
pub mod nodes;
pub mod nodestring;
pub mod note;
pub mod select;
pub mod sysfs;
pub mod targets;
pub mod trouble;

pub use container::Container;
pub use huge::HugePages;
pub use left::Left;
pub use linux::{
    PREFERRED_MANY, current_cpu, current_cpu_and_node, current_node, mbind_mode, node_of_pages,
    numa_available, prefers_many,
};
pub use load::{
    attributes, child_after_fork, container, dax_kmem_nodes, everywhere, huge_pages_available,
    machine, parent_after_fork, prepare_fork, targets,
};
pub use mask::NodeMask;
pub use named::named;
pub use select::{Attribute, Choice, Nodes, Reach, Take};
pub use targets::Targets;

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;
use crate::log;
use sysfs::Sysfs;

/// Bytes of memory of the nodes together (MemTotal), read at each call; nodes that do not exist
/// count 0.
pub fn capacity(mask: &NodeMask) -> u64 {
    let total = |node| Sysfs::HOST.memory(node).unwrap_or_default().total;
    mask.iter().map(total).sum()
}

/// Total and free bytes of memory of a node, read at each call.
pub fn memory(node: u16) -> Option<sysfs::Memory> {
    Sysfs::HOST.memory(node)
}

/// The nodes that have memory, whether this process may use them or not.
pub fn memory_nodes() -> NodeMask {
    Sysfs::HOST.nodes_with_memory()
}

/// Number of CPUs of the machine, online or not; at least 1. Read once.
pub fn n_cpus_configured() -> usize {
    static N_CPUS: AtomicUsize = AtomicUsize::new(0);
    let known = N_CPUS.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // libc may allocate for its answer; sysfs needs no memory.
    let failures = trouble::count();
    let n_cpus = Sysfs::HOST.n_cpus().unwrap_or_else(linux::n_cpus);
    if trouble::count() == failures {
        N_CPUS.store(n_cpus, Ordering::Relaxed);
    }
    n_cpus
}

/// Bytes of all 2 MiB pages of the machine, persistent ones and those that overcommit allows; read
/// at each call.
pub fn huge_pages_capacity() -> u64 {
    huge::capacity(&Sysfs::HOST)
}

/// The node with memory for this process that is nearest to a node.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets()`]; [`Error::NoMemory`] if there is none.
pub fn nearest(node: u16) -> Result<u16, Error> {
    let machine = machine()?;
    let distance = |other: &u16| machine.distance(node, *other);
    machine
        .allowed
        .iter()
        .min_by_key(distance)
        .ok_or(Error::NoMemory)
}

/// The huge pages of the machine, read at each call.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets()`].
pub fn huge_pages() -> Result<HugePages, Error> {
    let failures = trouble::count();
    let pages = HugePages::read(&Sysfs::HOST);
    if trouble::count() != failures {
        log::error!(
            "The sizes of huge pages could not be read: no descriptor or memory was left, or a read failed. The next call tries again."
        );
        return Err(Error::OperationFailed);
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::{NodeMask, capacity, current_cpu, memory, memory_nodes, n_cpus_configured};

    #[test]
    fn this_machine() {
        let nodes = memory_nodes();
        assert!(!nodes.is_empty());
        // Memory may be plugged in or out between two looks.
        let equal = |_| {
            let sum = nodes.iter().filter_map(memory).map(|memory| memory.total);
            capacity(&nodes) == sum.sum::<u64>()
        };
        assert!((0..10).any(equal));
        assert!(capacity(&nodes) > 0);
        assert_eq!(capacity(&NodeMask::EMPTY), 0);
        assert_eq!(capacity(&NodeMask::single(1023)), 0);
        assert_eq!(n_cpus_configured(), super::linux::n_cpus());
        assert!(current_cpu() < n_cpus_configured());
    }
}
