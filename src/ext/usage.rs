//! What a region or a pool uses, in numbers.
#![forbid(unsafe_code)]

use crate::backing::{PAGE, PageSize};
use crate::kind::Kind;

/// See memkind_usage: sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Usage {
    /// The most bytes that there may be; 0 for any number.
    pub limit: usize,
    /// Bytes taken from the kind.
    pub held: usize,
    /// Bytes handed out.
    pub in_use: usize,
    /// The most bytes that have been held so far.
    pub peak: usize,
    /// The page size of the kind.
    pub page_size: usize,
    /// Slabs.
    pub n_ranges: usize,
    /// Requests that got nothing.
    pub n_refused: usize,
}

/// The size of a kind's pages.
pub(super) fn page_size(kind: &Kind) -> usize {
    match kind.spec.page {
        PageSize::Base => PAGE,
        PageSize::Huge2M | PageSize::Huge1G => 2 << 20,
    }
}
