//! A vector: what a program holds of a slice of a buffer.
#![forbid(unsafe_code)]

use core::ptr;

/// A reference to a slice; see memkind_iovec.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Vector {
    pub(super) data: *mut u8,
    pub(super) length: u32,
    /// The vector's number where it is checked; else 0.
    pub(super) number: u32,
    /// The buffer, as [`Buffer::owner`](super::buffer::Buffer::owner) says; 0 for an empty one,
    /// and where it is checked.
    pub(super) owner: usize,
}

impl Vector {
    /// Refers to nothing.
    pub(super) const EMPTY: Self = Self {
        data: ptr::null_mut(),
        length: 0,
        number: 0,
        owner: 0,
    };

    /// The part of a vector from `offset` on; `None` if the vector is shorter.
    pub(super) fn part(self, offset: u32, length: u32) -> Option<Vector> {
        let inside = offset <= self.length && length <= self.length - offset;
        inside.then(|| Vector {
            data: self.data.wrapping_add(offset as usize),
            length,
            ..self
        })
    }
}
