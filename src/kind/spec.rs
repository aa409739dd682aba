//! The row of a kind, and what follows from it: nodes, availability, capacity.

use crate::backing::{Bind, PageSize, TransparentHuge};
use crate::error::Error;
use crate::log;
use crate::topology::{self, Choice, NodeMask, Targets};

use super::weights;

/// The source of a kind's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Private mappings without any policy: standard memory, always available.
    System,
    /// Private mappings, bound to nodes.
    Anonymous,
    /// A temporary file.
    File,
    /// An area that the program provides.
    Fixed,
}

/// The nodes from which a kind takes memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Any node.
    Any,
    /// The nodes that the topology chooses.
    Chosen(Choice),
    /// The nodes that the program named.
    Exactly(&'static Targets),
}

/// A kind's row.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The source of the memory.
    pub source: Source,
    /// The nodes.
    pub from: From,
    /// The policy that binds memory to the nodes.
    pub bind: Bind,
    /// The page size.
    pub page: PageSize,
    /// Whether the kernel may use transparent huge pages.
    pub thp: TransparentHuge,
}

impl Spec {
    /// The nodes for each CPU; `None` for a kind without a policy.
    ///
    /// # Errors
    /// Those of [`topology::targets()`], and those of [`weights::heed`] for kinds that interleave.
    pub fn targets(&self) -> Result<Option<&'static Targets>, Error> {
        if self.bind == Bind::Interleave {
            weights::heed()?;
        }
        match (self.from, self.bind) {
            (_, Bind::None) => Ok(None),
            (From::Any, _) => topology::everywhere().map(Some),
            (From::Chosen(choice), _) => topology::targets(choice).map(Some),
            (From::Exactly(targets), _) => Ok(Some(targets)),
        }
    }

    /// Whether memory of this kind can be had here.
    ///
    /// # Errors
    /// Those of [`Spec::targets`]; `HugeTlb` when there are no huge pages on the nodes, `Mbind`
    /// where memory may not be bound.
    pub fn check_available(&self) -> Result<(), Error> {
        let targets = self.targets().map_err(|error| {
            // The deprecated kinds have never told of anything but pages.
            let only_pages = self.page == PageSize::Huge1G && error != Error::OperationFailed;
            if only_pages { Error::HugeTlb } else { error }
        })?;
        if self.page != PageSize::Base {
            let nodes = self.huge_page_nodes(targets);
            topology::huge_pages_available(2 << 20, nodes.as_ref())?;
        }
        self.bind.check()
    }

    /// The nodes among `targets` from which the kind takes huge pages; `None` for all nodes, as
    /// for a kind that prefers some nodes and falls back to the others.
    pub fn huge_page_nodes(&self, targets: Option<&Targets>) -> Option<NodeMask> {
        let others_do = self.bind == Bind::Preferred || self.from == From::Any;
        targets.filter(|_| !others_do).map(Targets::all)
    }

    /// Bytes of all memory on the nodes of the calling thread's CPU.
    ///
    /// # Errors
    /// `OperationFailed` for kinds whose memory has no fixed place (preferred kinds,
    /// huge pages of chosen nodes but for the deprecated kind), else those of [`Spec::targets`].
    pub fn capacity(&self) -> Result<u64, Error> {
        let huge = self.page != PageSize::Base;
        if self.bind == Bind::Interleave {
            weights::heed()?;
        }
        match (self.from, self.bind) {
            (From::Any, _) if huge => Ok(topology::huge_pages_capacity()),
            (From::Any, _) => Ok(topology::capacity(&topology::memory_nodes())),
            (_, Bind::Preferred) => Err(Error::OperationFailed),
            _ if self.page == PageSize::Huge2M => Err(Error::OperationFailed),
            _ => Ok(topology::capacity(&self.nodes_here()?)),
        }
    }

    /// The nodes of the calling thread's CPU.
    ///
    /// # Errors
    /// Those of [`Spec::targets`].
    pub fn nodes_here(&self) -> Result<NodeMask, Error> {
        Ok(match self.targets()? {
            Some(targets) => {
                let place = targets.place_here(topology::current_cpu(), topology::current_node);
                *targets.of_place(place)
            }
            None => topology::memory_nodes(),
        })
    }

    /// Reports under MEMKIND_DEBUG why the kind with this name has no capacity.
    pub fn log_no_capacity(name: &str, error: Error) {
        if error == Error::OperationFailed {
            log::error!("memkind_get_capacity() failed. {name} kind is not supported.");
        } else {
            log::error!("get_mbind_nodemask() failed");
        }
    }
}
