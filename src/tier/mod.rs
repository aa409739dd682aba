//! memtier: several kinds behind one malloc (libmemtier(3), libmemtier(7)).
//!
//! A [`Builder`] collects tiers and settings, a [`Memory`] made from it chooses a
//! kind for every block as its policy says, and the `kind_*` functions allocate
//! from a given kind. All of them count the bytes they hand out, per kind; blocks
//! of the plain memkind functions are not counted.
//!
//! * `builder`, `memory`: before and after construction;
//! * `policy`: which tier, as arithmetic; `counters`: how many bytes;
//! * `property`: the names of settings.
//!
//! Allocating takes no lock and no memory of its own. Depends on `kind` alone, and
//! on nothing of how a kind gets its memory.

mod builder;
mod counters;
mod memory;
pub mod policy;
mod property;

pub use builder::{Builder, Setting, Value, ValueType};
pub use memory::Memory;

use crate::error::Error;
use crate::kind::{self, Kind};
use crate::log;
use policy::{Threshold, Tuning};

/// Counts what `kind` has just handed out; nothing counts as 0 bytes.
#[inline]
fn counted(kind: &Kind, result: Result<*mut u8, Error>) -> Result<*mut u8, Error> {
    let block = result.unwrap_or(core::ptr::null_mut());
    // SAFETY: the block is null, or live and known to no one else yet.
    let size = unsafe { kind::usable_size(block) };
    counters::add(kind.partition(), size);
    result
}

/// [`Kind::malloc`], counted.
///
/// # Errors
/// Those of [`Kind::malloc`].
pub fn kind_malloc(kind: &'static Kind, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.malloc(size))
}

/// [`Kind::calloc`], counted.
///
/// # Errors
/// Those of [`Kind::calloc`].
pub fn kind_calloc(kind: &'static Kind, num: usize, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.calloc(num, size))
}

/// [`Kind::memalign`], counted.
///
/// # Errors
/// Those of [`Kind::memalign`].
pub fn kind_memalign(kind: &'static Kind, align: usize, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.memalign(align, size))
}

/// [`Kind::realloc`], counted; without a kind the block stays in its own.
/// A null block is allocated, size 0 frees.
///
/// # Errors
/// Those of [`Kind::realloc`], and `InvalidArgument` if no kind is given and none
/// can be detected. The block and the counters stay as they were.
///
/// # Safety
/// `ptr` is null or a live block; it is dead after success.
pub unsafe fn kind_realloc(
    kind: Option<&'static Kind>,
    ptr: *mut u8,
    size: usize,
) -> Result<*mut u8, Error> {
    if !ptr.is_null() && size == 0 {
        // SAFETY: the caller's promise.
        unsafe { kind_free(kind, ptr) };
        return Ok(core::ptr::null_mut());
    }
    let owner = kind::detect(ptr).or(kind);
    let target = kind.or(owner).ok_or(Error::InvalidArgument)?;
    if ptr.is_null() {
        return kind_malloc(target, size);
    }
    // SAFETY: the caller's promise.
    let before = unsafe { kind::usable_size(ptr) };
    // SAFETY: the caller's promise.
    let block = unsafe { target.realloc(ptr, size) }?;
    counters::sub(owner.unwrap_or(target).partition(), before);
    // A kind may resize a foreign block where it is, so ask whose it is now.
    counted(kind::detect(block).unwrap_or(target), Ok(block))
}

/// Frees a block of any kind, counted for its own kind, or for the given one if
/// its own is unknown. Null is a no-op.
///
/// # Safety
/// `ptr` is null or a live block, dead afterwards.
pub unsafe fn kind_free(kind: Option<&'static Kind>, ptr: *mut u8) {
    if ptr.is_null() {
        return;
    }
    if let Some(owner) = kind::detect(ptr).or(kind) {
        // SAFETY: the caller's promise.
        let size = unsafe { kind::usable_size(ptr) };
        counters::sub(owner.partition(), size);
    }
    // SAFETY: the caller's promise.
    unsafe { kind::free(ptr) };
}

/// Usable bytes in live memtier blocks of the kind. Later decisions know them too.
pub fn allocated_size(kind: &Kind) -> usize {
    counters::allocated(kind.partition())
}

/// Forgets the blocks of a kind that is being destroyed, so that the next kind
/// with its partition starts at 0.
pub fn forget_kind(partition: usize) {
    counters::forget(partition);
}

fn describe_tier(index: usize, kind: &Kind, ratio: f64) {
    log::info!("Tier {index} - memory kind {}", kind.name());
    log::info!("Tier normalized ratio {ratio:.6}");
}

fn describe_thresholds(thresholds: impl Iterator<Item = Threshold>, tuning: &Tuning) {
    let mut none = true;
    for (index, threshold) in thresholds.enumerate() {
        none = false;
        log::info!("Threshold {index} - minimum {}", threshold.min);
        log::info!("Threshold {index} - current value {}", threshold.val);
        log::info!("Threshold {index} - maximum {}", threshold.max);
    }
    if none {
        log::info!("No thresholds configuration found");
    }
    log::info!("Threshold trigger value {:.6}", tuning.trigger);
    log::info!("Threshold degree value {:.6}", tuning.degree);
    log::info!("Threshold counter setting value {}", tuning.check_cnt);
}
