//! Bytes of known values: around blocks, and in those that have been freed.

use super::fault::Fault;
use super::record::{Record, State};
use super::settings::{OVERFLOW, USE, has};
use crate::backing::page_size;

/// The fewest bytes before a block that have a known value; their number is a multiple of what the
/// block has to be aligned to.
pub(super) const FRONT: usize = 32;
/// The fewest bytes behind a block that have a known value.
pub(super) const BEHIND: usize = 16;
/// The most bytes behind a block that have a known value.
const MOST: usize = 4096;
/// What the bytes around a block are filled with.
pub(crate) const CANARY: u8 = 0xca;
/// What freed blocks are filled with.
pub(crate) const FREED: u8 = 0xdf;
/// The bytes of a block from its base that can be used at all.
pub(super) fn opened(record: &Record) -> usize {
    record.whole - if record.guarded { page_size() } else { 0 }
}

/// Where the bytes of a known value are, and how many.
fn canaries(record: &Record) -> [(*mut u8, usize); 2] {
    let before = (record.front as usize).min(2 * FRONT);
    let behind = opened(record) - record.front as usize - record.size;
    let block = record.block();
    [
        (block.wrapping_sub(before), before),
        (block.wrapping_add(record.size), behind.min(MOST)),
    ]
}

/// The index of the first of `length` bytes from `start` that is not `value`.
///
/// # Safety
/// The range can be read.
pub(crate) unsafe fn other_than(value: u8, start: *const u8, length: usize) -> Option<usize> {
    // SAFETY: `length` bytes from `start` can be read.
    let bytes = unsafe { core::slice::from_raw_parts(start, length) };
    // SAFETY: bytes of any value make words.
    let (first, words, last) = unsafe { bytes.align_to::<usize>() };
    let all = usize::from_ne_bytes([value; size_of::<usize>()]);
    let differ = |bytes: &[u8]| bytes.iter().any(|byte| *byte != value);
    // Without a branch for each: most of the cost of checks would be here.
    if words.iter().fold(0, |sum, word| sum | (word ^ all)) == 0 && !differ(first) && !differ(last)
    {
        return None;
    }
    bytes.iter().position(|byte| *byte != value)
}

/// What is wrong with the bytes around a block, or in it if it is kept back.
///
/// # Safety
/// The block is live or kept back, the heap has not got it again, and no tool forbids to read it.
pub(super) unsafe fn damage(record: &Record) -> Option<Fault> {
    if record.shared {
        return None;
    }
    if has(OVERFLOW) {
        let [(before, length), (behind, most)] = canaries(record);
        // SAFETY: inside what the heap gave.
        unsafe {
            if other_than(CANARY, before, length).is_some() {
                let bytes = core::slice::from_raw_parts(before, length);
                let last = bytes.iter().rposition(|byte| *byte != CANARY)?;
                return Some(Fault::Before(length - last));
            }
            if let Some(byte) = other_than(CANARY, behind, most) {
                return Some(Fault::Behind(byte));
            }
        }
    }
    if record.state() == State::Kept && has(USE) {
        // SAFETY: the block, which is all ours.
        let byte = unsafe { other_than(FREED, record.block(), record.size) }?;
        return Some(Fault::After(byte));
    }
    None
}

/// Puts the bytes around a block.
///
/// # Safety
/// What the heap gave for the block is the caller's.
pub(super) unsafe fn lay(record: &Record) {
    for (start, length) in canaries(record) {
        // SAFETY: inside what the heap gave, outside of the program's part.
        unsafe { start.write_bytes(CANARY, length) };
    }
}
