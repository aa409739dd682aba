//! The memory policy of a mapping: `mbind(2)` without libnuma.

use crate::error::Error;
use crate::topology::NodeMask;

/// How a mapping is tied to its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Not at all: the policy of the thread that touches a page decides.
    None,
    /// Only these nodes (MPOL_BIND).
    Bind,
    /// These nodes first, then any (MPOL_PREFERRED).
    Preferred,
    /// Page by page over these nodes (MPOL_INTERLEAVE).
    Interleave,
}

impl Bind {
    /// The number that mbind(2) takes, `None` for no policy.
    const fn mode(self) -> Option<libc::c_int> {
        match self {
            Self::None => None,
            Self::Bind => Some(libc::MPOL_BIND),
            Self::Preferred => Some(libc::MPOL_PREFERRED),
            Self::Interleave => Some(libc::MPOL_INTERLEAVE),
        }
    }

    /// Sets the policy of a mapping. `NoMemory` when there is no node to bind to,
    /// `Mbind` when the kernel refuses (a container may forbid the call).
    pub fn apply(self, address: usize, size: usize, nodes: &NodeMask) -> Result<(), Error> {
        let Some(mode) = self.mode() else {
            return Ok(());
        };
        // Nothing to prefer is local memory, as mbind(2) says; nothing to bind to is none.
        if nodes.is_empty() && self != Self::Preferred {
            return Err(Error::NoMemory);
        }
        let words = nodes.as_words();
        // The kernel counts one bit less than it is told.
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
        if status == 0 {
            return Ok(());
        }
        crate::log::error!("syscall mbind() failed: errno={}.", crate::log::errno());
        Err(Error::Mbind)
    }
}
