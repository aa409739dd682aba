//! Remarks about a choice, as values, for a person who debugs.
//!
//! `select` hands them out, `super` prints them, tests compare them. The words of the
//! lines that memkind 1.14 prints are kept.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::fmt;

use super::listed::Refused;
use super::mask::NodeMask;
use super::nodestring::{self, Problem};
use crate::log::{self, Bytes, Level};

/// A remark; displayed as its message line without prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// A node list is malformed (libnuma's words).
    NodeList(Problem<'a>),
    /// The variable with this value is malformed.
    InvalidVariable(&'a CStr),
    /// The list of nodes in a variable cannot be used; the original has no such line.
    ListRefused {
        /// The name of the variable.
        variable: &'a CStr,
        /// What is wrong with the list.
        refused: Refused<'a>,
    },
    /// MEMKIND_HBW_THRESHOLD is set.
    ThresholdDetected(&'a CStr),
    /// MEMKIND_HBW_THRESHOLD is malformed.
    ThresholdInvalid,
    /// MEMKIND_PREFERRED_TIES has an unknown value.
    TiesInvalid(&'a CStr),
    /// MEMKIND_PREFERRED_TIES allows ties, and the kernel cannot prefer several nodes.
    TiesUnsupported,
    /// A Xeon Phi has nodes without CPUs.
    KnightsDetected,
    /// A Xeon Phi has no nodes without CPUs.
    KnightsWithout,
    /// No node has CPUs: the system's files on nodes cannot be read. The original has no such line.
    NoneWithCpus,
    /// A node is no starting point, having no CPU.
    NoCpus(u16),
    /// An attribute of this pair is not known.
    Unknown {
        /// The node whose CPUs ask.
        initiator: u16,
        /// The node whose memory is meant.
        target: u16,
    },
    /// The CPUs of this node have no high-bandwidth memory.
    NoFastNode(u16),
    /// The CPUs of this node have no local memory with a known attribute.
    NoLocalNode(u16),
    /// Several nodes are equally near to this one, and one is wanted.
    DistanceTie(u16),
    /// Several nodes have the most capacity, and one is wanted.
    CapacityTie,
    /// There are nodes of the type that is asked for, but the cpuset allows none of them.
    NoneAllowed {
        /// The nodes of that type.
        nodes: &'a NodeMask,
        /// The nodes that the cpuset allows.
        allowed: &'a NodeMask,
    },
}

impl Note<'_> {
    /// Prints the remark, if messages are on; the warning about a node list always,
    /// once per process.
    pub fn log(self) {
        let level = match self {
            Self::NodeList(problem) => return nodestring::warn(problem),
            Self::ThresholdDetected(_)
            | Self::KnightsDetected
            | Self::NoCpus(_)
            | Self::Unknown { .. } => Level::Info,
            _ => Level::Error,
        };
        log::message(level, format_args!("{self}"));
    }
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeList(problem) => write!(f, "{problem}"),
            Self::InvalidVariable(value) => write!(
                f,
                "Invalid value of environment variable {}.",
                Bytes(value.to_bytes())
            ),
            Self::ListRefused { variable, refused } => {
                write!(f, "Cannot use {}: {refused}.", Bytes(variable.to_bytes()))
            }
            Self::ThresholdDetected(value) => write!(
                f,
                "Environment variable MEMKIND_HBW_THRESHOLD detected: {}.",
                Bytes(value.to_bytes())
            ),
            Self::ThresholdInvalid => {
                f.write_str("Environment variable MEMKIND_HBW_THRESHOLD is invalid value.")
            }
            Self::TiesInvalid(value) => write!(
                f,
                "Environment variable MEMKIND_PREFERRED_TIES is \"{}\"; its one value is \"many\".",
                Bytes(value.to_bytes())
            ),
            Self::TiesUnsupported => f.write_str(
                "MEMKIND_PREFERRED_TIES=many has no effect: this kernel cannot prefer several nodes (MPOL_PREFERRED_MANY, Linux 5.15)."
            ),
            Self::KnightsDetected => f.write_str("Detected High Bandwidth Memory."),
            Self::KnightsWithout => {
                f.write_str("High Bandwidth Memory is not supported by this NUMA configuration.")
            }
            Self::NoneWithCpus => f.write_str(
                "No node with CPUs was found in /sys/devices/system/node: is /sys mounted?"
            ),
            Self::NoCpus(node) => {
                write!(
                    f,
                    "Node {node} skipped - no CPU detected in initiator Node."
                )
            }
            Self::Unknown { initiator, target } => write!(
                f,
                "Node skipped - cannot read initiator Node {initiator} and target Node {target}."
            ),
            Self::NoFastNode(node) => write!(f, "No HBW Nodes for init node {node}."),
            Self::NoLocalNode(node) => {
                write!(f, "No memory attribute Nodes for init node {node}.")
            }
            Self::DistanceTie(node) => {
                write!(f, "Invalid Numa Configuration for Node {node}")
            }
            Self::CapacityTie => f.write_str("Multiple NUMA Nodes have the same highest capacity."),
            Self::NoneAllowed { nodes, allowed } => write!(
                f,
                "Nodes {nodes} have the requested memory, but this process may only use nodes {allowed} (cpuset, Mems_allowed)."
            ),
        }
    }
}
