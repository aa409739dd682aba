//! Where the calling thread is, as the number of a place, without unwinding the stack each time.
//!
//! A trail is what unwinding found: the places on the stack that hold return addresses, and those
//! addresses. If a thread is at the same depth of its stack again, and all these places hold the
//! same, it is there by the same way. Which trail to compare with follows from the first return
//! address outside of the library, and that is found through the library's own frames, each
//! of which has a known size.

use super::trace::{Callers, DEPTH, OWN, Steps};
use crate::backing::map_zeroes;
use core::sync::atomic::Ordering;

/// The most trails.
const TRAILS: usize = 1 << 14;
/// How many trails are compared with at most, which begin at the same place and part farther out.
const BRANCHES: usize = 16;
/// The most frames of the library's own on the way to its caller.
const DEEPEST: usize = 24;

/// The size of a frame of the library's own, in words: the distance from the place that holds a
/// return address to the place that holds the next one. 0 where it is not known.
type Frame = u16;

/// Where return addresses are, the first one's by its address, the others by their distance
/// from it; all zero for none.
#[derive(Clone, Copy)]
struct Trail {
    /// The thread by where its thread-local variables are: another stack, another trail.
    thread: usize,
    first: usize,
    callers: Callers,
    distances: [u32; DEPTH],
    /// The number of the place.
    place: u32,
}

/// What is known of stacks.
pub(super) struct Trails {
    trails: *mut Trail,
    /// A frame for each byte of the library's code, by the return address into it.
    frames: *mut Frame,
    /// Distance from the place of `here` to the place of the first return address.
    start: usize,
}

/// A word of the calling thread's stack.
///
/// # Safety
/// The address is in a frame that has not returned.
unsafe fn word(address: usize) -> usize {
    // SAFETY: the word is in a frame that has not returned, so it is mapped; any bits are a number.
    unsafe { core::ptr::with_exposed_provenance::<usize>(address).read_volatile() }
}

/// The address of the calling thread's variables; 0 where stacks are not known to be as on x86-64.
#[inline(always)]
fn thread() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let thread: usize;
        // SAFETY: the first word there is its own address.
        unsafe {
            core::arch::asm!("mov {}, fs:0", out(reg) thread, options(pure, readonly, nostack));
        }
        thread
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

fn spread(word: usize) -> usize {
    (word ^ word >> 17).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// How far an address is into the library's own code; `None` outside of it.
fn own_offset(address: usize) -> Option<usize> {
    let [start, end] = own();
    (start..end).contains(&address).then(|| address - start)
}

fn own() -> [usize; 2] {
    [&OWN[0], &OWN[1]].map(|bound| bound.load(Ordering::Relaxed))
}

/// The key of trails that begin with a return address at a place of the stack.
fn key(first: usize, address: usize) -> usize {
    first ^ address.rotate_left(29)
}

/// The key of a trail that begins like the one at `key` and differs from it at `parting`.
fn branch(key: usize, parting: usize) -> usize {
    (key ^ parting).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Trail {
    fn begins(&self, thread: usize, first: usize, address: usize) -> bool {
        self.first == first && self.callers[0] == address && self.thread == thread
    }

    /// The first word of the stack that is not the trail's return address for that place, mixed with how
    /// far out it is; `None` if all words are the trail's.
    ///
    /// # Safety
    /// The first word is the trail's, and its frame has not returned.
    unsafe fn parting(&self) -> Option<usize> {
        let mut index = 1;
        while index < DEPTH && self.callers[index] != 0 {
            // SAFETY: the word is in the frame of the function that the return address before it leads
            // to; that address is still on the stack, so the function has not returned.
            let word = unsafe { word(self.first + self.distances[index] as usize) };
            if word != self.callers[index] {
                return Some(word.rotate_left(7 * index as u32));
            }
            index += 1;
        }
        None
    }
}

impl Trails {
    pub(super) const fn new() -> Self {
        Self {
            trails: core::ptr::null_mut(),
            frames: core::ptr::null_mut(),
            start: 0,
        }
    }

    fn trail(&self, key: usize) -> *mut Trail {
        // SAFETY: below the number of trails, which have been mapped.
        unsafe { self.trails.add(spread(key) % TRAILS) }
    }

    /// The place where the calling thread is, if it is known. `stack` is an address in the
    /// frame of a function of the library's, from which [`Steps`] were taken before.
    ///
    /// # Safety
    /// The function has not returned.
    pub(super) unsafe fn find(&self, stack: usize) -> Option<u32> {
        if self.trails.is_null() {
            return None;
        }
        let mut place = stack.wrapping_add(self.start);
        // SAFETY: the place of that function's return address, by the size of its frame, and
        // then of each caller's: those are still there. A trail goes on where the frames are that
        // its return addresses are in, each compared before the next is read.
        unsafe {
            let mut address = word(place);
            let mut left = DEEPEST;
            while let Some(offset) = own_offset(address) {
                let size = *self.frames.add(offset);
                left = left.checked_sub(1)?;
                if size == 0 {
                    return None;
                }
                place = place.wrapping_add(usize::from(size) * size_of::<usize>());
                address = word(place);
            }
            let mut key = key(place, address);
            for _ in 0..BRANCHES {
                let trail = &*self.trail(key);
                if !trail.begins(thread(), place, address) {
                    return None;
                }
                match trail.parting() {
                    None => return Some(trail.place),
                    Some(parting) => key = branch(key, parting),
                }
            }
            None
        }
    }

    /// Notes what unwinding has found, and the number of the place.
    pub(super) fn note(&mut self, stack: usize, steps: &Steps, number: u32) {
        let thread = thread();
        let (Some(first), false) = (steps.first(), thread == 0 || !steps.are_words) else {
            return;
        };
        if self.trails.is_null() {
            let [start, end] = own();
            let frames = map_zeroes(((end - start) * size_of::<Frame>()).max(1));
            let trails = map_zeroes(TRAILS * size_of::<Trail>());
            let (Some(frames), Some(trails)) = (frames, trails) else {
                return;
            };
            self.frames = frames.cast();
            self.trails = trails.cast();
        }
        let own_steps = steps.own();
        let start = own_steps.first().map_or(first.place, |step| step.place);
        self.start = start.wrapping_sub(stack);
        for (index, step) in own_steps.iter().enumerate() {
            let next = own_steps
                .get(index + 1)
                .map_or(first.place, |next| next.place);
            let words = next.wrapping_sub(step.place) / size_of::<usize>();
            if let (Some(offset), Ok(size)) = (own_offset(step.address), Frame::try_from(words)) {
                // SAFETY: `frames` has an entry for each offset into the library's code.
                unsafe { *self.frames.add(offset) = size };
            }
        }
        let mut trail = Trail {
            thread,
            first: first.place,
            callers: [0; DEPTH],
            distances: [0; DEPTH],
            place: number,
        };
        for (index, step) in steps.callers().iter().enumerate() {
            let Ok(distance) = u32::try_from(step.place.wrapping_sub(first.place)) else {
                break;
            };
            trail.callers[index] = step.address;
            trail.distances[index] = distance;
        }
        let mut key = key(first.place, first.address);
        for _ in 1..BRANCHES {
            // SAFETY: `trail` gives places of ours; a trail that begins here goes on where the frames
            // are that its return addresses are in.
            let parting = unsafe {
                let known = &*self.trail(key);
                let begins = known.begins(thread, first.place, first.address);
                begins.then(|| known.parting()).flatten()
            };
            match parting {
                Some(parting) => key = branch(key, parting),
                None => break,
            }
        }
        // SAFETY: `trail` gives places of ours.
        unsafe { *self.trail(key) = trail };
    }
}
