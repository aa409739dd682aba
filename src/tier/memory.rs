//! The tiers at work: a kind for every block.

use super::policy::{self, Border, Borders, Tuning};
use super::{allocated_size, counters, describe_thresholds, describe_tier};
use super::{kind_calloc, kind_malloc, kind_memalign, kind_realloc};
use crate::error::Error;
use crate::kind::Kind;
use crate::log;

/// One tier of a memory.
pub(super) struct Tier {
    pub(super) kind: &'static Kind,
    /// See [`policy::normalized`].
    pub(super) ratio: f32,
}

/// Tiers with a policy; shared by any number of threads.
pub struct Memory {
    /// Never empty.
    pub(super) tiers: Box<[Tier]>,
    /// The borders of the dynamic policy; `None` is the static ratio.
    pub(super) borders: Option<Borders>,
}

impl Memory {
    /// The kind for the next block, of `size` bytes.
    fn choose(&self, size: usize) -> Result<&'static Kind, Error> {
        let index = match &self.borders {
            Some(borders) => borders.tier(size),
            None if self.tiers.len() == 1 => 0,
            None => policy::least_filled(
                self.estimate(0),
                self.tiers
                    .iter()
                    .skip(1)
                    .map(|tier| (counters::estimate(tier.kind.partition()), tier.ratio)),
            ),
        };
        self.tiers
            .get(index)
            .map(|tier| tier.kind)
            .ok_or(Error::NoMemory)
    }

    fn estimate(&self, tier: usize) -> usize {
        self.tiers
            .get(tier)
            .map_or(0, |tier| counters::estimate(tier.kind.partition()))
    }

    /// Lets the policy learn that an operation has been tried.
    #[inline]
    fn count(&self) {
        if let Some(borders) = &self.borders {
            borders.count(|tier| self.estimate(tier));
        }
    }

    /// Allocates from the tier that the policy chooses; null for size 0.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn malloc(&self, size: usize) -> Result<*mut u8, Error> {
        let result = kind_malloc(self.choose(size)?, size);
        self.count();
        result
    }

    /// Allocates a zeroed array from the tier that the policy chooses for its size.
    ///
    /// # Errors
    /// Those of [`Kind::calloc`].
    pub fn calloc(&self, num: usize, size: usize) -> Result<*mut u8, Error> {
        let result = kind_calloc(self.choose(num.saturating_mul(size))?, num, size);
        self.count();
        result
    }

    /// Allocates aligned memory from the tier that the policy chooses.
    ///
    /// # Errors
    /// Those of [`Kind::memalign`].
    pub fn memalign(&self, align: usize, size: usize) -> Result<*mut u8, Error> {
        let result = kind_memalign(self.choose(size)?, align, size);
        self.count();
        result
    }

    /// Resizes within the kind of the block; null is allocated, size 0 is freed.
    ///
    /// # Errors
    /// Those of [`Kind::realloc`], and `InvalidArgument` for a block that is not
    /// of this library. The block and the counters stay as they were.
    ///
    /// # Safety
    /// `ptr` is null or a live block; it is dead after success.
    pub unsafe fn realloc(&self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        // SAFETY: the caller's promise.
        let result = unsafe { kind_realloc(None, ptr, size) };
        self.count();
        result
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        log::info!("Number of memory tiers {}", self.tiers.len());
        for (index, tier) in self.tiers.iter().enumerate() {
            describe_tier(index, tier.kind, f64::from(tier.ratio));
            log::info!("Tier allocated size {}", allocated_size(tier.kind));
        }
        match &self.borders {
            Some(borders) => {
                describe_thresholds(borders.iter().map(Border::threshold), borders.tuning());
                log::info!("Threshold counter current value {}", borders.left());
            }
            None => {
                describe_thresholds(core::iter::empty(), &Tuning::NONE);
                log::info!("Threshold counter current value 0");
            }
        }
    }
}
