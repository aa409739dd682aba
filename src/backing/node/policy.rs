//! The memory policy of a mapping: `mbind(2)` without libnuma.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::error::Error;
use crate::log::{self, errno};
use crate::topology::{self, NodeMask, PREFERRED_MANY};

/// `MPOL_WEIGHTED_INTERLEAVE`, Linux 6.9; the libc crate lacks it.
const WEIGHTED_INTERLEAVE: libc::c_int = 6;

/// Whether memory is interleaved by the kernel's weights.
static WEIGHTED: AtomicBool = AtomicBool::new(false);

/// The policy that binds a mapping to its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// No policy: that of the thread that first touches a page decides.
    None,
    /// Memory of the nodes only (MPOL_BIND).
    Bind,
    /// Memory of the nodes first, then of any (MPOL_PREFERRED; of several, MPOL_PREFERRED_MANY).
    Preferred,
    /// Page by page over these nodes (MPOL_INTERLEAVE, or MPOL_WEIGHTED_INTERLEAVE after
    /// [`interleave_by_weights`]).
    Interleave,
}

/// Interleaves memory by the kernel's weights from now on; `false` if the kernel has none.
pub fn interleave_by_weights() -> bool {
    let known = topology::mbind_mode(WEIGHTED_INTERLEAVE).is_ok();
    WEIGHTED.store(known, Ordering::Relaxed);
    known
}

/// Whether memory is interleaved by weights.
pub fn interleaves_by_weights() -> bool {
    WEIGHTED.load(Ordering::Relaxed)
}

impl Bind {
    /// The number that mbind(2) takes, `None` for no policy.
    fn mode(self, nodes: &NodeMask) -> Option<libc::c_int> {
        match self {
            Self::None => None,
            Self::Bind => Some(libc::MPOL_BIND),
            Self::Preferred if nodes.count() > 1 => Some(PREFERRED_MANY),
            Self::Preferred => Some(libc::MPOL_PREFERRED),
            Self::Interleave if interleaves_by_weights() => Some(WEIGHTED_INTERLEAVE),
            Self::Interleave => Some(libc::MPOL_INTERLEAVE),
        }
    }

    /// The mode for these nodes in words.
    pub fn name(self, nodes: &NodeMask) -> &'static str {
        match self.mode(nodes) {
            Some(libc::MPOL_BIND) => "bind",
            Some(libc::MPOL_PREFERRED) => "preferred",
            Some(libc::MPOL_INTERLEAVE) => "interleave",
            Some(PREFERRED_MANY) => "preferred-many",
            Some(WEIGHTED_INTERLEAVE) => "weighted-interleave",
            _ => "default",
        }
    }

    /// Whether mappings can be bound. Found and reported once; a later prohibition is found when
    /// memory is mapped.
    ///
    /// # Errors
    /// [`Error::Mbind`] where a container forbids mbind(2) or the kernel lacks it.
    pub fn check(self) -> Result<(), Error> {
        match (self, topology::mbind_mode(libc::MPOL_BIND)) {
            (Self::None, _) | (_, Ok(())) => Ok(()),
            (_, Err(errno @ (libc::EPERM | libc::EACCES | libc::ENOSYS))) => {
                static SAID: AtomicBool = AtomicBool::new(false);
                if !SAID.swap(true, Ordering::Relaxed) {
                    log_refusal(errno, &NodeMask::EMPTY);
                }
                Err(Error::Mbind)
            }
            // Other errors are reported when memory is bound.
            _ => Ok(()),
        }
    }

    /// Sets the policy of a mapping; `home` is the node that pages are to be near to, if that
    /// is not the one whose CPU touches them.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when there is no node to bind to, [`Error::Mbind`] when the kernel
    /// refuses (a container may forbid the call).
    pub fn apply(
        self,
        address: usize,
        size: usize,
        nodes: &NodeMask,
        home: Option<u16>,
    ) -> Result<(), Error> {
        let Some(mode) = self.mode(nodes) else {
            return Ok(());
        };
        // Preferring no node means local memory (mbind(2)); binding to no node is an error.
        if nodes.is_empty() && self != Self::Preferred {
            return Err(Error::NoMemory);
        }
        let words = nodes.as_words();
        // The kernel uses one bit less than the number passed to it.
        let bits = words.len() * 64 + 1;
        // SAFETY: the mask has `bits - 1` bits; a policy does not change contents.
        let status = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                address,
                size,
                mode,
                words.as_ptr(),
                bits,
                0,
            )
        };
        if status != 0 {
            log_refusal(errno(), nodes);
            return Err(Error::Mbind);
        }
        if let (Self::Bind, Some(home)) = (self, home) {
            set_home(address, size, home);
        }
        Ok(())
    }
}

/// Gives a bound mapping a home node. The mapping stays bound without one, so a kernel that lacks
/// the call (before Linux 5.17) is asked once only.
fn set_home(address: usize, size: usize, home: u16) {
    static MISSING: AtomicBool = AtomicBool::new(false);
    if MISSING.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: sets the policy of our own mapping, and changes no contents.
    let status = unsafe {
        libc::syscall(
            libc::SYS_set_mempolicy_home_node,
            address,
            size,
            libc::c_ulong::from(home),
            0 as libc::c_ulong,
        )
    };
    if status != 0 && !MISSING.swap(true, Ordering::Relaxed) {
        log::info!(
            "syscall set_mempolicy_home_node() failed: errno={}. Of a kind's nodes the one nearest to the CPU that touches a page first is taken.",
            errno()
        );
    }
}

/// Reports that mbind(2) was refused and, unless the last refusal was the same, the reason and the
/// remedy.
#[cold]
fn log_refusal(errno: i32, nodes: &NodeMask) {
    static EXPLAINED: AtomicI32 = AtomicI32::new(0);
    log::error!("syscall mbind() failed: errno={errno}.");
    if EXPLAINED.swap(errno, Ordering::Relaxed) == errno {
        return;
    }
    match errno {
        libc::EPERM | libc::EACCES => log::error!(
            "This process may not bind memory to nodes: a seccomp filter forbids mbind(2), as those of Docker and Podman do by default. Start the container with the capability SYS_NICE (--cap-add=SYS_NICE) or with a seccomp profile that allows mbind."
        ),
        libc::ENOSYS => log::error!(
            "This process cannot bind memory to nodes: the kernel is built without NUMA (CONFIG_NUMA), or a sandbox hides mbind(2)."
        ),
        libc::EINVAL => log::error!(
            "The kernel does not accept nodes {nodes}: since they were chosen they have gone offline, or the cpuset of the process has been made smaller (cpuset.mems; Mems_allowed in /proc/self/status). A program that is started again chooses other nodes."
        ),
        libc::EFAULT => log::error!(
            "A part of the memory to be bound is not mapped: something other than this library has unmapped it."
        ),
        libc::ENOMEM => {
            log::error!("The kernel has no memory left for the policy of another mapping.");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Bind, interleave_by_weights};
    use crate::topology::NodeMask;

    #[test]
    fn modes_follow_from_nodes() {
        let (one, two) = (NodeMask::single(3), [1, 2].into_iter().collect());
        assert_eq!(Bind::None.name(&one), "default");
        assert_eq!(Bind::Bind.name(&two), "bind");
        for nodes in [NodeMask::EMPTY, one] {
            assert_eq!(Bind::Preferred.name(&nodes), "preferred");
        }
        assert_eq!(Bind::Preferred.name(&two), "preferred-many");
        assert_eq!(Bind::Interleave.name(&two), "interleave");
        let expected = match interleave_by_weights() {
            true => "weighted-interleave",
            false => "interleave",
        };
        assert_eq!(Bind::Interleave.name(&two), expected);
    }
}
