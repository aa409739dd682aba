//! Node lists that a user has written: which nodes a list means on this machine, or what is wrong with it.
#![forbid(unsafe_code)]

use core::fmt;

use super::mask::NodeMask;
use super::nodes::Machine;
use super::nodestring::{self, Problem};
use crate::error::Error;

/// The fault of a list of nodes; displayed as the end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<'a> {
    /// The list is malformed.
    Malformed(Problem<'a>),
    /// The list names no node.
    Nothing,
    /// A number after `+` counts more nodes than these, which the process may use.
    Beyond(usize),
    /// The machine has no such node.
    Missing(u16),
    /// The node has no memory.
    WithoutMemory(u16),
    /// The cpuset of the process does not allow the node.
    NotAllowed(u16),
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Problem::Trailing) => f.write_str("something follows a complete list"),
            Self::Malformed(problem) => write!(f, "{problem}"),
            Self::Nothing => f.write_str("it means no node"),
            Self::Beyond(count) => write!(
                f,
                "after '+', 0 is the first of the nodes that the process may use and {} the last",
                count.saturating_sub(1)
            ),
            Self::Missing(node) => write!(f, "there is no node {node}"),
            Self::WithoutMemory(node) => write!(f, "node {node} has no memory"),
            Self::NotAllowed(node) => write!(f, "the cpuset does not allow node {node}"),
        }
    }
}

impl Refused<'_> {
    /// The error of functions that take a list.
    pub const fn error(self) -> Error {
        match self {
            Self::Malformed(Problem::OutOfRange(_) | Problem::LastOutOfRange(_))
            | Self::Beyond(_)
            | Self::Missing(_)
            | Self::WithoutMemory(_)
            | Self::NotAllowed(_) => Error::MemtypeNotAvailable,
            Self::Malformed(_) | Self::Nothing => Error::Invalid,
        }
    }
}

/// The nodes of a list on this machine.
///
/// # Errors
/// The first fault.
pub fn read<'a>(text: &'a [u8], machine: &Machine) -> Result<NodeMask, Refused<'a>> {
    let nodes =
        nodestring::parse(text, &machine.allowed, &machine.online()).map_err(|problem| {
            let counted = text.strip_prefix(b"!").unwrap_or(text).starts_with(b"+");
            match problem {
                Problem::OutOfRange(_) | Problem::LastOutOfRange(_) if counted => {
                    Refused::Beyond(machine.allowed.count())
                }
                Problem::OutOfRange(node) | Problem::LastOutOfRange(node) => u16::try_from(node)
                    .map_or(Refused::Malformed(problem), |node| why(node, machine)),
                _ => Refused::Malformed(problem),
            }
        })?;
    // `!` complements the nodes that exist; those of them that may be used are meant.
    let nodes = nodes.intersection(&machine.allowed);
    if nodes.is_empty() {
        return Err(Refused::Nothing);
    }
    Ok(nodes)
}

/// Why a list may not name the node with the number `node`.
fn why(node: u16, machine: &Machine) -> Refused<'static> {
    match machine.node(node) {
        None => Refused::Missing(node),
        Some(known) if known.capacity == 0 => Refused::WithoutMemory(node),
        Some(_) => Refused::NotAllowed(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::nodes::Node;

    #[test]
    fn reasons_tell_what_is_wrong_with_a_node() {
        let node = |number, capacity| Node {
            number,
            cpus: Vec::new(),
            offline: Vec::new(),
            capacity,
            distances: Vec::new(),
        };
        let machine = Machine {
            nodes: vec![node(0, 1), node(1, 0), node(2, 1), node(3, 1)],
            allowed: [0, 3].into_iter().collect(),
            knights: false,
        };
        let of = |nodes: &[u16]| Ok(nodes.iter().copied().collect());
        for (text, expected) in [
            ("0", of(&[0])),
            ("0,3", of(&[0, 3])),
            ("all", of(&[0, 3])),
            ("+1", of(&[3])),
            ("!0", of(&[3])),
            ("!0,3", Err(Refused::Nothing)),
            ("+2", Err(Refused::Beyond(2))),
            ("!+0-7", Err(Refused::Beyond(2))),
            ("1", Err(Refused::WithoutMemory(1))),
            ("0-2", Err(Refused::NotAllowed(2))),
            ("4", Err(Refused::Missing(4))),
            ("0;", Err(Refused::Malformed(Problem::Trailing))),
            ("0,x", Err(Refused::Malformed(Problem::Unparseable(b"x")))),
        ] {
            assert_eq!(read(text.as_bytes(), &machine), expected, "{text}");
        }
    }
}
