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

/// The most trails, and the most frames of the library's own code whose size is known.
const TRAILS: usize = 4096;
const FRAMES: usize = 256;
/// The most frames of the library's own on the way to its caller.
const DEEPEST: usize = 24;

/// A frame of the library's own: the return address into it, and the distance from the
/// place that holds that to the place that holds the next one.
#[derive(Clone, Copy)]
struct Frame {
    address: usize,
    size: usize,
}

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

fn is_own(address: usize) -> bool {
    let [start, end] = [&OWN[0], &OWN[1]].map(|bound| bound.load(Ordering::Relaxed));
    (start..end).contains(&address)
}

impl Trails {
    pub(super) const fn new() -> Self {
        Self {
            trails: core::ptr::null_mut(),
            frames: core::ptr::null_mut(),
            start: 0,
        }
    }

    fn frame(&self, address: usize) -> *mut Frame {
        // SAFETY: below the number of frames, which have been mapped.
        unsafe { self.frames.add(spread(address) % FRAMES) }
    }

    fn trail(&self, first: usize, address: usize) -> *mut Trail {
        // SAFETY: below the number of trails, which have been mapped.
        unsafe {
            self.trails
                .add(spread(first ^ address.rotate_left(29)) % TRAILS)
        }
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
            while is_own(address) {
                let frame = *self.frame(address);
                left = left.checked_sub(1)?;
                if frame.address != address {
                    return None;
                }
                place = place.wrapping_add(frame.size);
                address = word(place);
            }
            let trail = &*self.trail(place, address);
            if trail.first != place || trail.callers[0] != address || trail.thread != thread() {
                return None;
            }
            for (caller, distance) in trail.callers.iter().zip(&trail.distances).skip(1) {
                if *caller == 0 {
                    break;
                }
                if word(place + *distance as usize) != *caller {
                    return None;
                }
            }
            Some(trail.place)
        }
    }

    /// Notes what unwinding has found, and the number of the place.
    pub(super) fn note(&mut self, stack: usize, steps: &Steps, number: u32) {
        let thread = thread();
        let (Some(first), false) = (steps.first(), thread == 0 || !steps.are_words) else {
            return;
        };
        if self.trails.is_null() {
            let frames = map_zeroes(FRAMES * size_of::<Frame>());
            let trails = map_zeroes(TRAILS * size_of::<Trail>());
            let (Some(frames), Some(trails)) = (frames, trails) else {
                return;
            };
            self.frames = frames.cast();
            self.trails = trails.cast();
        }
        let own = steps.own();
        let start = own.first().map_or(first.place, |step| step.place);
        self.start = start.wrapping_sub(stack);
        for (index, step) in own.iter().enumerate() {
            let next = own.get(index + 1).map_or(first.place, |next| next.place);
            // SAFETY: `frame` gives places of ours.
            unsafe {
                *self.frame(step.address) = Frame {
                    address: step.address,
                    size: next - step.place,
                };
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
        // SAFETY: `trail` gives places of ours.
        unsafe { *self.trail(first.place, first.address) = trail };
    }
}
