//! The facts and settings on which a choice is decided.
#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::error::Error;
use crate::topology::mask::NodeMask;
use crate::topology::nodes::{Attributes, Machine};

/// The values of the environment variables; `None` where one is unset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// MEMKIND_HBW_NODES.
    pub hbw_nodes: Option<&'a CStr>,
    /// MEMKIND_HBW_THRESHOLD.
    pub hbw_threshold: Option<&'a CStr>,
    /// MEMKIND_DAX_KMEM_NODES.
    pub dax_kmem_nodes: Option<&'a CStr>,
    /// MEMKIND_PREFERRED_TIES.
    pub preferred_ties: Option<&'a CStr>,
}

/// The facts on which a choice is decided.
///
/// Facts that are expensive to find are functions, since most choices do not need them; each is
/// called at most once.
pub struct Facts<'a> {
    /// The nodes.
    pub machine: &'a Machine,
    /// Bandwidth, latency and locality.
    pub attributes: &'a dyn Fn() -> Result<&'a Attributes, Error>,
    /// The nodes of DAX devices in use as RAM.
    pub dax_kmem: &'a dyn Fn() -> NodeMask,
    /// Whether the kernel can prefer several nodes at once.
    pub prefers_many: &'a dyn Fn() -> bool,
}
