//! What is known of one block or object that is checked.
//!
//! No word of it is the address of a block: a tool that looks for lost blocks would find it.
#![forbid(unsafe_code)]

use core::ptr;

use super::home::Home;
use crate::kind::head::Head;
use crate::log;

/// What has become of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum State {
    /// The program has it.
    Live = 1,
    /// Freed by the program, and on its way into the list of those that are kept back.
    Freeing = 2,
    /// Freed by the program and kept back, filled.
    Kept = 3,
    /// The heap has it again.
    Gone = 4,
}

/// What is known of one block or object. All zero is an empty place of the table.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Record {
    /// The block's address with all bits turned over; 0 for none.
    pub(super) key: usize,
    /// The bytes that the program asked for.
    pub(super) size: usize,
    /// The bytes that the heap gave, from `front` bytes before the block.
    pub(super) whole: usize,
    /// The head of the block's kind.
    pub(super) head: Option<&'static Head>,
    /// Where the block goes when it is freed, if not to a heap.
    pub(super) home: Option<&'static dyn Home>,
    /// Bytes from what the heap gave to the block.
    pub(super) front: u32,
    pub(super) state: u8,
    /// Whether the kind's memory is a file's.
    pub(super) of_file: bool,
    /// Whether a page without access is behind the block.
    pub(super) guarded: bool,
    /// What the page map said of the block before it was guarded.
    pub(super) entry: u32,
    /// Whether another process may write to the block: a forked child's view of a file.
    pub(super) shared: bool,
    /// Whether vectors count references to the block: what is alive are these vectors.
    pub(super) in_vectors: bool,
    /// The kernel's id of the thread that got the block.
    pub(super) made_by: u32,
    /// The kernel's id of the thread that freed the block.
    pub(super) freed_by: u32,
    /// The number of the place in the program where the block was allocated.
    pub(super) made_at: u32,
    /// The number of the place in the program where the block was freed.
    pub(super) freed_at: u32,
}

impl Record {
    pub(super) fn new(block: *mut u8, size: usize, whole: usize, front: usize) -> Self {
        Self {
            key: !block.addr(),
            size,
            whole,
            front: front as u32,
            state: State::Live as u8,
            of_file: false,
            head: None,
            guarded: false,
            entry: 0,
            shared: false,
            in_vectors: false,
            home: None,
            made_by: 0,
            freed_by: 0,
            made_at: 0,
            freed_at: 0,
        }
    }

    /// Notes that the calling thread gets it, at a place.
    pub(super) fn note_made(&mut self, place: u32) {
        self.made_by = log::thread();
        self.made_at = place;
    }

    /// Notes that the calling thread frees it, at a place.
    pub(super) fn note_freed(&mut self, place: u32) {
        self.freed_by = log::thread();
        self.freed_at = place;
    }

    /// The block.
    pub(super) const fn block(&self) -> *mut u8 {
        (!self.key) as *mut u8
    }

    /// What the heap gave.
    pub(super) const fn base(&self) -> *mut u8 {
        (!self.key - self.front as usize) as *mut u8
    }

    /// The first byte behind what the heap gave.
    pub(super) const fn end(&self) -> usize {
        !self.key - self.front as usize + self.whole
    }

    /// Whether the block is of the kind with this head.
    pub(super) fn is_of(&self, head: &Head) -> bool {
        self.head.is_some_and(|own| ptr::eq(own, head))
    }

    pub(super) fn state(&self) -> State {
        match self.state {
            1 => State::Live,
            2 => State::Freeing,
            3 => State::Kept,
            _ => State::Gone,
        }
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.state = state as u8;
    }

    /// Whether a place of the table holds a record.
    pub(super) const fn is_used(&self) -> bool {
        self.key != 0
    }
}
