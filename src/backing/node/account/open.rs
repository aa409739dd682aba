//! Opening an account: the capacity of nodes or control groups, and the part that is left alone.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::super::known::{Counted, Refusal};
use super::super::thp;
use super::{ALL, Account, Pages};
use crate::backing::ranges::Ranges;
use crate::boxed::boxed;
use crate::env;
use crate::error::Error;
use crate::topology::{self, Container, Left, NodeMask, trouble};

/// Bytes that the kernel keeps of a node, besides a part of its memory, where it reports nothing.
const KEPT: u64 = 4 << 20;
/// Bytes left alone on each node, besides those that the kernel keeps, for its own allocations.
const MARGIN: u64 = 1 << 20;
/// Bytes that a CPU may take from a node in advance: 32 batches of 63 pages. When a node is full,
/// no other CPU gets the rest of a batch, although the kernel counts it as free.
const BATCH: u64 = 8 << 20;
/// The part of the nodes' memory, one in this many, that all batches together take at most: not
/// all CPUs allocate there at a time.
const BATCHES_PART: u64 = 64;
/// The part of the nodes' memory, one in this many, after whose return the kernel is asked again.
const GONE_PART: u64 = 256;

impl Account {
    /// The account for `nodes`, opened at the first call for them. `None` when memory is not to
    /// be counted, or cannot be.
    ///
    /// # Errors
    /// `OperationFailed` when the kernel could not be asked, for a reason that passes;
    /// `Malloc`.
    pub(in super::super) fn of(
        nodes: &NodeMask,
        pages: Pages,
    ) -> Result<Option<&'static Account>, Error> {
        let off = env::get(env::OVERCOMMIT).is_some_and(|value| value.to_bytes() == b"1");
        if off || nodes.is_empty() {
            return Ok(None);
        }
        let groups = topology::container()?;
        Self::known_or(&NodeMask::EMPTY, pages, || {
            Some(Self::of_groups(groups, pages))
        })?;
        Self::known_or(nodes, pages, || Self::open(nodes, pages))
    }

    /// The account for `nodes`, made by `open` if there is none. The account of the control groups
    /// has no nodes.
    fn known_or(
        nodes: &NodeMask,
        pages: Pages,
        open: impl Fn() -> Option<Self>,
    ) -> Result<Option<&'static Account>, Error> {
        let mut fresh: Option<Box<Account>> = None;
        loop {
            let first = ALL.load(Ordering::Acquire);
            let known = Self::all().find(|known| known.nodes == *nodes && known.pages == pages);
            if known.is_some() {
                return Ok(known);
            }
            let failures = trouble::count();
            let mut account = match fresh.take() {
                Some(account) => account,
                None => match open() {
                    _ if trouble::count() != failures => return Err(Error::OperationFailed),
                    Some(account) => boxed(account)?,
                    None => return Ok(None),
                },
            };
            *account.next.get_mut() = first;
            let account = Box::into_raw(account);
            match ALL.compare_exchange(first, account, Ordering::AcqRel, Ordering::Relaxed) {
                // SAFETY: the account stays from now on.
                Ok(_) => return Ok(Some(unsafe { &*account })),
                // SAFETY: made by `into_raw`, and not seen by another thread.
                Err(_) => fresh = Some(unsafe { Box::from_raw(account) }),
            }
        }
    }

    fn open(nodes: &NodeMask, pages: Pages) -> Option<Self> {
        let everywhere = topology::memory_nodes().difference(nodes).is_empty();
        let capacity = measure(nodes, everywhere);
        let (kept, rise) = Left::HOST.kept(nodes).unwrap_or((capacity / 64 + KEPT, 0));
        let batches = BATCH * topology::n_cpus_configured() as u64;
        let margin = batches
            .min(capacity / BATCHES_PART)
            .max(MARGIN * nodes.count() as u64);
        let account = Self {
            everywhere,
            // The kernel's figure for all memory leaves out its reserve, but not the rise of watermarks.
            kept: margin + if everywhere { rise } else { kept },
            huge_pages: pages == Pages::Huge
                || (Left::HOST.huge_pages_unasked() && !thp::are_too_large()),
            ..Self::new(*nodes, pages, None, capacity)
        };
        account.left()?;
        Some(account)
    }

    /// Bytes that the nodes have now, used or not.
    pub(super) fn measure(&self) -> u64 {
        measure(&self.nodes, self.everywhere)
    }

    fn of_groups(groups: &'static Container, pages: Pages) -> Self {
        let limit = match pages {
            Pages::Base => groups.memory_limit(),
            Pages::Huge => groups.huge_page_limit(),
        };
        let limit = limit.map_or(u64::MAX, |(bytes, _)| bytes);
        Self::new(NodeMask::EMPTY, pages, Some(groups), limit)
    }

    fn new(
        nodes: NodeMask,
        pages: Pages,
        groups: Option<&'static Container>,
        capacity: u64,
    ) -> Self {
        Self {
            nodes,
            pages,
            groups,
            everywhere: false,
            capacity: AtomicUsize::new(usize::try_from(capacity).unwrap_or(usize::MAX)),
            kept: 0,
            huge_pages: pages == Pages::Huge,
            promised: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            most_gone: usize::try_from(capacity / GONE_PART).unwrap_or(usize::MAX),
            counted: Counted::new(),
            refusal: Refusal::new(),
            ranges: Ranges::new(),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// Bytes that `nodes` have, used or not; `everywhere` if they are all that have memory.
fn measure(nodes: &NodeMask, everywhere: bool) -> u64 {
    match (topology::capacity(nodes), everywhere) {
        // The nodes do not report it.
        (0, _) => Left::HOST.memory_of_all().unwrap_or(u64::MAX),
        // Nodes of some virtual machines do not count the memory that was added to them.
        (bytes, true) => bytes.max(Left::HOST.memory_of_all().unwrap_or(0)),
        (bytes, false) => bytes,
    }
}
