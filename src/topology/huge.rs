//! The numbers of huge pages of the machine, per node and page size.
#![forbid(unsafe_code)]

use super::mask::NodeMask;
use super::sysfs::Sysfs;
use crate::error::Error;
use crate::log::{error, info};

/// Bytes of the pages that memkind(3) calls huge.
const DEFAULT_SIZE: usize = 2 << 20;
/// The binary logarithms of the sizes, in KiB, that Linux can have on any architecture.
const SIZES_KIB: core::ops::RangeInclusive<u32> = 6..=24;

/// The huge pages of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pool {
    size_kib: usize,
    overcommit: u64,
    persistent: Vec<(u16, u64)>,
}

/// The huge pages of a machine, as they were when read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    pools: Vec<Pool>,
}

impl HugePages {
    /// Reads the pools of every page size and logs them, a line for the overcommit
    /// limit and one per node.
    pub fn read(sysfs: &Sysfs<'_>) -> Self {
        let nodes = sysfs.online_nodes();
        let pool = |size_kib: usize| {
            let overcommit = sysfs.huge_pages_overcommit(size_kib)?;
            // The unit is wrong and kept: programs look for the line.
            let bytes = size_kib * 1024;
            info!("Overcommit limit for {bytes} kB hugepages is {overcommit}.");
            let mut persistent = Vec::new();
            for node in &nodes {
                if let Some(n_pages) = sysfs.huge_pages_of_node(size_kib, node) {
                    info!("Number of {bytes} kB hugepages on node {node} equals {n_pages}.");
                    persistent.push((node, n_pages));
                }
            }
            Some(Pool {
                size_kib,
                overcommit,
                persistent,
            })
        };
        Self {
            pools: SIZES_KIB.filter_map(|lg_kib| pool(1 << lg_kib)).collect(),
        }
    }

    /// Whether the kernel has pages of `page_size` bytes, used or not.
    pub fn has_size(&self, page_size: usize) -> bool {
        let kib = page_size / 1024;
        page_size % 1024 == 0 && self.pools.iter().any(|pool| pool.size_kib == kib)
    }

    /// Whether pages of `page_size` bytes can be had on the given nodes, or on any.
    ///
    /// # Errors
    /// [`Error::HugeTlb`] when there are no persistent ones there and none may be
    /// made on demand, or when there is no such size.
    pub fn available(&self, page_size: usize, nodes: Option<&NodeMask>) -> Result<(), Error> {
        let meant = |node: u16| nodes.is_none_or(|nodes| nodes.contains(node));
        let has_any = |pool: &Pool| {
            let persistent = |(node, n_pages): &(u16, u64)| *n_pages > 0 && meant(*node);
            pool.overcommit > 0 || pool.persistent.iter().any(persistent)
        };
        let mut sizes = self.pools.iter();
        match sizes.find(|pool| pool.size_kib == page_size / 1024) {
            Some(pool) if has_any(pool) => Ok(()),
            _ => {
                error!("Persistent hugepages and overcommit hugepages are not available.");
                Err(Error::HugeTlb)
            }
        }
    }
}

/// Bytes of all 2 MiB pages, persistent ones and those that may be made on demand; read at each
/// call.
pub fn capacity(sysfs: &Sysfs<'_>) -> u64 {
    let size_kib = DEFAULT_SIZE / 1024;
    let persistent = sysfs.huge_pages(size_kib).unwrap_or(0);
    let overcommit = sysfs.huge_pages_overcommit(size_kib).unwrap_or(0);
    persistent
        .saturating_add(overcommit)
        .saturating_mul(DEFAULT_SIZE as u64)
}
