//! The variables of the static kinds. Each holds the address of a row of `kind/table.rs`.

use super::super::answer::handle_at;
use super::types::memkind_t;

/// Memory of nodes that have CPUs.
#[unsafe(no_mangle)]
pub static mut MEMKIND_REGULAR: memkind_t = handle_at(11);
/// Standard memory, standard pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DEFAULT: memkind_t = handle_at(0);
/// Standard memory in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HUGETLB: memkind_t = handle_at(5);
/// The nearest high-bandwidth memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW: memkind_t = handle_at(1);
/// High-bandwidth memory, the nearest node being chosen when a page is first written.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_ALL: memkind_t = handle_at(12);
/// The nearest high-bandwidth memory, then standard memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_PREFERRED: memkind_t = handle_at(3);
/// MEMKIND_HBW in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_HUGETLB: memkind_t = handle_at(2);
/// MEMKIND_HBW_ALL in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_ALL_HUGETLB: memkind_t = handle_at(13);
/// MEMKIND_HBW_PREFERRED in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_PREFERRED_HUGETLB: memkind_t = handle_at(4);
/// High-bandwidth memory, page by page over its nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_INTERLEAVE: memkind_t = handle_at(9);
/// Page by page over all nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_INTERLEAVE: memkind_t = handle_at(10);
/// The nearest persistent memory that the kernel uses as RAM.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM: memkind_t = handle_at(14);
/// Any persistent memory that the kernel uses as RAM.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_ALL: memkind_t = handle_at(15);
/// The nearest persistent memory, then any other memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_PREFERRED: memkind_t = handle_at(16);
/// Persistent memory, page by page over its nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_INTERLEAVE: memkind_t = handle_at(17);
/// The nodes with the most memory of the machine.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY: memkind_t = handle_at(18);
/// The node with the most memory, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_PREFERRED: memkind_t = handle_at(19);
/// The local node with the most memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_LOCAL: memkind_t = handle_at(20);
/// The local node with the most memory, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED: memkind_t = handle_at(21);
/// The local node with the lowest latency.
#[unsafe(no_mangle)]
pub static mut MEMKIND_LOWEST_LATENCY_LOCAL: memkind_t = handle_at(22);
/// The local node with the lowest latency, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED: memkind_t = handle_at(23);
/// The local node with the highest bandwidth.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_BANDWIDTH_LOCAL: memkind_t = handle_at(24);
/// The local node with the highest bandwidth, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED: memkind_t = handle_at(25);
