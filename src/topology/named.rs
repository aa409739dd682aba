//! Nodes that a program names by number.

use once_cell::race::OnceBox;

use super::listed::read;
use super::load::machine;
use super::mask::NodeMask;
use super::targets::Targets;
use crate::boxed::boxed;
use crate::error::Error;
use crate::log::{self, Bytes};

/// An element of the list of named sets of nodes.
struct Named {
    targets: Targets,
    next: OnceBox<Named>,
}

/// The list of all sets that were ever named. They are few: kinds on the same nodes share one.
static FIRST: OnceBox<Named> = OnceBox::new();

/// The nodes of the list `text`, which has the form of numa(3), the same for every CPU. A line under
/// MEMKIND_DEBUG tells the fault of a wrong list.
///
/// # Errors
/// `Invalid` for a malformed list and one that means no node, `MemtypeNotAvailable`
/// for a node that is not there or not for this process, `OperationFailed` as for
/// [`super::targets()`].
pub fn named(text: &[u8]) -> Result<&'static Targets, Error> {
    let nodes = read(text, machine()?).map_err(|refused| {
        log::error!("Cannot create kind: nodes \"{}\": {refused}.", Bytes(text));
        refused.error()
    })?;
    kept(nodes)
}

/// The record of a set of nodes.
///
/// # Errors
/// `Malloc`.
fn kept(nodes: NodeMask) -> Result<&'static Targets, Error> {
    let mut place = &FIRST;
    loop {
        let named = place.get_or_try_init(|| {
            boxed(Named {
                targets: Targets::everywhere(nodes),
                next: OnceBox::new(),
            })
        })?;
        if named.targets.all() == nodes {
            return Ok(&named.targets);
        }
        place = &named.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_nodes_are_kept_once() {
        let (two, three) = (NodeMask::single(2), NodeMask::single(3));
        let first = kept(two).expect("memory");
        assert!(core::ptr::eq(first, kept(two).expect("memory")));
        assert_eq!(*kept(three).expect("memory").of_cpu(5), three);
        assert!(core::ptr::eq(first, kept(two).expect("memory")));
    }

    #[test]
    fn codes_tell_a_wrong_list_from_a_node_that_is_not_there() {
        for text in ["", "x", "0;", "0-", "0,,0"] {
            assert_eq!(named(text.as_bytes()).err(), Some(Error::Invalid), "{text}");
        }
        for text in ["1023", "0-1023", "70000", "-1"] {
            let error = named(text.as_bytes()).err();
            assert_eq!(error, Some(Error::MemtypeNotAvailable), "{text}");
        }
        assert!(named(b"all").is_ok());
    }
}
