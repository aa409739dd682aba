//! Facts about nodes and CPUs that only a system call tells.

use core::ffi::{c_int, c_long, c_ulong};
use core::ptr;
use core::sync::atomic::{AtomicI32, Ordering};

use super::mask::{N_NODES, NodeMask};
use crate::log;

/// `MPOL_F_MEMS_ALLOWED` of get_mempolicy(2); the libc crate lacks it for glibc.
const MPOL_F_MEMS_ALLOWED: c_ulong = 1 << 2;

/// The nodes that the cpuset of the process allows; `None` when the kernel has no NUMA.
pub(super) fn mems_allowed() -> Option<NodeMask> {
    let mut words = [0u64; N_NODES / 64];
    // SAFETY: the kernel writes the mode never (NULL) and at most 1024 bits, the size
    // of `words`, since it takes off one from the number of bits given.
    let status = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            ptr::null_mut::<c_int>(),
            words.as_mut_ptr(),
            (N_NODES + 1) as c_ulong,
            ptr::null_mut::<u8>(),
            MPOL_F_MEMS_ALLOWED,
        )
    };
    let mask = NodeMask::from_words(words);
    (status == 0 && !mask.is_empty()).then_some(mask)
}

/// Whether the kernel has the NUMA system calls; `errno` is kept.
pub fn numa_available() -> bool {
    let errno = log::errno();
    // SAFETY: with NULL for both results and no flags the kernel writes nothing.
    let status = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            ptr::null_mut::<c_int>(),
            ptr::null_mut::<c_ulong>(),
            0 as c_ulong,
            ptr::null_mut::<u8>(),
            0 as c_ulong,
        )
    };
    let missing = status < 0 && log::errno() == libc::ENOSYS;
    log::set_errno(errno);
    !missing
}

/// Whether mbind(2) may be called and knows a mode; asked once for each mode. Nothing is
/// bound: the range is empty, and Linux looks at the mode first. `errno` is kept.
///
/// # Errors
/// The `errno` of mbind(2): EINVAL for a mode that is unknown, EPERM where a seccomp
/// filter forbids the call, ENOSYS without NUMA.
pub fn mbind_mode(mode: c_int) -> Result<(), i32> {
    const UNKNOWN: i32 = -1;
    static ANSWERS: [AtomicI32; 8] = [const { AtomicI32::new(UNKNOWN) }; 8];
    let answer = usize::try_from(mode)
        .ok()
        .and_then(|mode| ANSWERS.get(mode));
    let answer = answer.ok_or(libc::EINVAL)?;
    let mut failure = answer.load(Ordering::Relaxed);
    if failure == UNKNOWN {
        let errno = log::errno();
        // SAFETY: no address lies in an empty range, and a NULL mask is not read.
        let status = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                0 as c_ulong,
                0 as c_ulong,
                mode,
                ptr::null::<c_ulong>(),
                0 as c_ulong,
                0 as c_ulong,
            )
        };
        failure = if status == 0 { 0 } else { log::errno() };
        log::set_errno(errno);
        answer.store(failure, Ordering::Relaxed);
    }
    if failure == 0 { Ok(()) } else { Err(failure) }
}

/// The CPU of the calling thread; 0 when the kernel does not tell.
pub fn current_cpu() -> usize {
    // SAFETY: sched_getcpu has no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// The node of the CPU that the calling thread runs on; 0 where the kernel does not tell.
pub fn current_node() -> u16 {
    current_cpu_and_node().1
}

/// The CPU that the calling thread runs on, and the node of that; 0 where the kernel does not tell.
pub fn current_cpu_and_node() -> (usize, u16) {
    let (mut cpu, mut node): (libc::c_uint, libc::c_uint) = (0, 0);
    let none = ptr::null_mut::<libc::c_uint>();
    // SAFETY: two arguments are writable, the last may be null.
    unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, &raw mut node, none) };
    (cpu as usize, u16::try_from(node).unwrap_or(0))
}

/// The CPUs that libc counts, online or not; at least 1.
pub(super) fn n_cpus() -> usize {
    // SAFETY: sysconf has no preconditions.
    let n_cpus: c_long = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    usize::try_from(n_cpus).map_or(1, |n_cpus| n_cpus.max(1))
}

/// A number of the calling thread that no other live thread has; never 0.
pub(super) fn thread() -> usize {
    // SAFETY: pthread_self has no preconditions.
    (unsafe { libc::pthread_self() }) as usize
}

/// The node of the page at each address, or a negative `errno` value: -ENOENT for a
/// page that is not populated, -EFAULT for an address that is not mapped.
/// The addresses are not read through.
///
/// # Errors
/// The `errno` of move_pages(2); EINVAL when the slices differ in length.
pub fn node_of_pages(addrs: &[*const u8], nodes: &mut [i32]) -> Result<(), i32> {
    if addrs.len() != nodes.len() {
        return Err(libc::EINVAL);
    }
    let errno = log::errno();
    // SAFETY: both arrays have `addrs.len()` elements; with NULL for the nodes to move
    // to, no page is moved and only `nodes` is written.
    let status = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0 as c_int,
            addrs.len() as c_ulong,
            addrs.as_ptr(),
            ptr::null::<c_int>(),
            nodes.as_mut_ptr(),
            0 as c_int,
        )
    };
    let failure = log::errno();
    log::set_errno(errno);
    if status < 0 { Err(failure) } else { Ok(()) }
}

/// Whether the CPU is a Knights Landing or Knights Mill (family 6, models 0x57, 0x85).
#[cfg(target_arch = "x86_64")]
pub(super) fn knights() -> bool {
    #[allow(
        unused_unsafe,
        reason = "CPUID is safe to call in newer compilers only"
    )]
    // SAFETY: every x86-64 CPU has the CPUID instruction and leaf 1.
    let version = unsafe { core::arch::x86_64::__cpuid(1) }.eax;
    let family = version >> 8 & 0xf;
    let model = version >> 4 & 0xf | version >> 12 & 0xf0;
    family == 6 && matches!(model, 0x57 | 0x85)
}

/// Whether the CPU is a Xeon Phi: never, on other architectures.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn knights() -> bool {
    false
}

/// `MPOL_PREFERRED_MANY` of mbind(2), Linux 5.15; the libc crate lacks it.
pub const PREFERRED_MANY: core::ffi::c_int = 5;

/// Whether the kernel can prefer several nodes at once.
pub fn prefers_many() -> bool {
    mbind_mode(PREFERRED_MANY).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{mbind_mode, mems_allowed, n_cpus, node_of_pages, numa_available, ptr};

    #[test]
    fn modes_of_policy_are_known_or_not() {
        for mode in [-1, 7, 8, 1000] {
            assert!(mbind_mode(mode).is_err(), "{mode}");
        }
        match mbind_mode(libc::MPOL_PREFERRED) {
            Ok(()) => assert_eq!(mbind_mode(7), Err(libc::EINVAL)),
            Err(errno) => eprintln!("skipped: mbind failed with errno {errno}"),
        }
    }

    #[test]
    fn the_kernel_answers() {
        if !numa_available() {
            eprintln!("skipped: the kernel has no NUMA system calls");
            return;
        }
        assert!(mems_allowed().is_some());
        assert!(n_cpus() >= 1);
        let page = Box::new([1u8; 64]);
        let addrs = [page.as_ptr(), ptr::null()];
        let mut nodes = [-1000, -1000];
        match node_of_pages(&addrs, &mut nodes) {
            Ok(()) => {
                assert!(nodes[0] >= 0, "{nodes:?}");
                assert_eq!(nodes[1], -libc::EFAULT);
            }
            Err(errno) => eprintln!("skipped: move_pages failed with errno {errno}"),
        }
        assert_eq!(node_of_pages(&addrs, &mut [0]), Err(libc::EINVAL));
    }
}
