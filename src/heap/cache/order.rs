//! Free blocks in the order of their addresses.
//!
//! Programs walk through what they have built in a row, and processors fetch ahead: blocks
//! that are handed out in ascending order and lie close together are faster to use
//! (bench/preload/espresso.c is such a program). Magazines that are filled as blocks are
//! freed have no such order, and putting them into it costs instructions for each block that
//! goes through the depot. So it is done only when asked for ([`want`]).
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

/// Up to this size, in bytes, order matters. Larger blocks are rows of cache lines by
/// themselves.
pub(crate) const SIZE_MAX: usize = 128;

/// Words of the set of addresses. Blocks further apart than it reaches, 256 KiB to 4 MiB,
/// gain nothing from being in order. The first blocks of a process lie apart from all others.
const WORDS: usize = 512;

static WANTED: AtomicBool = AtomicBool::new(false);

/// Says whether freed blocks are put into order.
pub fn want(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
}

/// Whether freed blocks of a size are put into order.
pub(crate) fn is_wanted(size: usize) -> bool {
    size <= SIZE_MAX && WANTED.load(Ordering::Relaxed)
}

/// Moves the blocks with the lower addresses to `low` and the others to `high`, as many each
/// as before, so that both give them in ascending order when they are taken from the end.
/// `size` is that of the blocks; addresses are multiples of the largest power of two in it.
/// Blocks that lie far from most are given last, in any order; if there is no such place where most
/// are, all stay as they are.
pub(crate) fn part(low: &mut [usize], high: &mut [usize], size: usize) {
    let Some(&first) = low.first().or(high.first()) else {
        return;
    };
    let shift = size.trailing_zeros();
    let differ = |all: &[usize]| all.iter().fold(0, |bits, block| bits | (block ^ first));
    let units = (differ(low) | differ(high)) >> shift;
    // Blocks that differ in no bit above these are in one group of as many words.
    let words = (units / 64 + 1).next_power_of_two();
    if words <= WORDS {
        let start = first & !(((words * 64) << shift) - 1);
        part_within(low, high, start, words, shift);
    } else {
        part_most(low, high, shift);
    }
}

/// [`part`] when the blocks lie far apart: where most are is around the one in the middle.
fn part_most(low: &mut [usize], high: &mut [usize], shift: u32) {
    let Some(&middle) = low.get(low.len() / 2) else {
        return;
    };
    let start = middle.saturating_sub((WORDS * 32) << shift);
    let is_far = |block: usize| block.wrapping_sub(start) >= (WORDS * 64) << shift;
    let count = |all: &[usize]| all.iter().filter(|block| is_far(**block)).count();
    let far = count(low) + count(high);
    if far > (low.len() + high.len()) / 2 || (!high.is_empty() && far > high.len()) {
        return;
    }
    let mut front = 0;
    if high.is_empty() {
        for at in 0..low.len() {
            if is_far(low[at]) {
                low.swap(at, front);
                front += 1;
            }
        }
        return part_within(&mut low[front..], high, start, WORDS, shift);
    }
    for at in 0..high.len() {
        if is_far(high[at]) {
            high.swap(at, front);
            front += 1;
        }
    }
    for block in &mut *low {
        if is_far(*block) {
            core::mem::swap(block, &mut high[front]);
            front += 1;
        }
    }
    part_within(low, &mut high[front..], start, WORDS, shift);
}

/// [`part`] when all blocks lie in the `words * 64` units from `start` on; `words` is at most [`WORDS`].
fn part_within(low: &mut [usize], high: &mut [usize], start: usize, words: usize, shift: u32) {
    // What is in a set is there once: it is sorted without a comparison.
    let mut set = [0_u64; WORDS];
    let set = &mut set[..words];
    for block in low.iter().chain(high.iter()) {
        let unit = (block - start) >> shift;
        set[unit / 64] |= 1 << (unit % 64);
    }
    // As many as places, but for a program that has freed a block twice.
    let mut places = low.iter_mut().rev().chain(high.iter_mut().rev());
    let mut from = start;
    for mut word in set.iter().copied() {
        while word != 0 {
            let Some(place) = places.next() else {
                return;
            };
            *place = from + ((word.trailing_zeros() as usize) << shift);
            word &= word - 1;
        }
        from += 64 << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of a size at such multiples of it, from an address.
    fn blocks(at: usize, size: usize, numbers: &[usize]) -> Vec<usize> {
        numbers.iter().map(|number| at + number * size).collect()
    }

    #[test]
    fn the_lower_ones_are_in_one_and_each_is_in_order() {
        for size in [8, 16, 48, 64, 80, 112, 128] {
            for at in [0x2000_0000, 0x7ffe_ffe0_1000] {
                let mut low = blocks(at, size, &[90, 3, 255, 41]);
                let mut high = blocks(at, size, &[7, 600, 0]);
                part(&mut low, &mut high, size);
                assert_eq!(low, blocks(at, size, &[41, 7, 3, 0]), "{size} {at:#x}");
                assert_eq!(high, blocks(at, size, &[600, 255, 90]), "{size} {at:#x}");
            }
        }
    }

    #[test]
    fn random_ones_are_as_if_sorted() {
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        for round in 0..200 {
            let mut numbers: Vec<usize> = (0..512).map(|i| i * 3 + random(3)).collect();
            for i in (1..numbers.len()).rev() {
                numbers.swap(i, random(i + 1));
            }
            let (at, size) = ((1 + random(1 << 20)) << 22, 16 << (round % 3));
            let all = blocks(at, size, &numbers);
            let (mut low, mut high) = (all[..256].to_vec(), all[256..].to_vec());
            part(&mut low, &mut high, size);
            let mut sorted = all;
            sorted.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!([high, low].concat(), sorted);
        }
    }

    #[test]
    fn few_that_lie_far_away_come_last() {
        let near = blocks(0x7000_0000, 48, &[5000, 3, 255, 41, 900, 1, 7, 30]);
        let far = blocks(0x10_0000, 48, &[1, 2]);
        let mut low = [&far[..1], &near[..4]].concat();
        let mut high = [&near[4..6], &far[1..], &near[6..]].concat();
        part(&mut low, &mut high, 48);
        assert_eq!(low, blocks(0x7000_0000, 48, &[41, 30, 7, 3, 1]));
        assert_eq!(high[2..], blocks(0x7000_0000, 48, &[5000, 900, 255]));
        high.truncate(2);
        high.sort_unstable();
        assert_eq!(high, far);
        let mut one = [&near[..3], &far[..], &near[3..]].concat();
        part(&mut one, &mut [], 48);
        assert_eq!(
            one[2..],
            blocks(0x7000_0000, 48, &[5000, 900, 255, 41, 30, 7, 3, 1])
        );
    }

    #[test]
    fn what_cannot_be_ordered_stays() {
        let far = vec![4096, 4096 + (64 << 20), 4096 + (128 << 20)];
        let (mut low, mut high) = (far.clone(), vec![8192]);
        part(&mut low, &mut high, 64);
        assert_eq!((low, high), (far, vec![8192]));
        part(&mut [], &mut [], 64);
        let mut one = [4096];
        part(&mut [], &mut one, 64);
        assert_eq!(one, [4096]);
        // Freed twice: everything is still a block that was freed.
        let (mut low, mut high) = (vec![4096, 4096 + 64], vec![4096, 4096 + 128]);
        part(&mut low, &mut high, 64);
        let all = [low, high].concat();
        assert!(all.iter().all(|block| [4096, 4160, 4224].contains(block)));
        assert!([4096, 4160, 4224].iter().all(|block| all.contains(block)));
    }
}
