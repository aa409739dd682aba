//! The record of an object of a pool that serves as a buffer: it counts the references to it.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

/// The record of a buffer.
#[repr(C, align(64))]
pub(super) struct Buffer {
    /// References: vectors, and the stream that cuts from it.
    refs: UnsafeCell<u64>,
    /// The first byte of the buffer.
    pub(super) data: *mut u8,
    /// The size of the buffer in bytes.
    size: usize,
    /// The handle of its pool.
    pub(super) pool: usize,
}

// SAFETY: the count is atomic, or used by one thread at a time, as the caller of a LOCAL vector
// promises; the rest does not change.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The record of a buffer that nothing refers to.
    pub(super) fn new(data: *mut u8, size: usize, pool: usize) -> Self {
        Self {
            refs: UnsafeCell::new(0),
            data,
            size,
            pool,
        }
    }

    /// The count of a buffer that one thread at a time uses (LOCAL).
    pub(super) fn plain(&self) -> *mut u64 {
        self.refs.get()
    }

    /// The count of a buffer that any thread may use (SHARED).
    pub(super) fn atomic(&self) -> &AtomicU64 {
        // SAFETY: aligned, live, and never used in another way while it is shared.
        unsafe { AtomicU64::from_ptr(self.refs.get()) }
    }

    /// Whether anything refers to it.
    pub(super) fn is_used(&self) -> bool {
        self.atomic().load(Ordering::Acquire) != 0
    }

    /// The address behind the last byte of the buffer.
    pub(super) fn end(&self) -> usize {
        self.data as usize + self.size
    }

    /// The owner that vectors of the buffer name: the address of its record, and [`LOCAL`] where the
    /// count is plain.
    pub(super) fn owner(&self, shared: bool) -> usize {
        ptr::from_ref(self) as usize | if shared { 0 } else { LOCAL }
    }

    /// The buffer of a vector; `None` for 0.
    ///
    /// # Safety
    /// `owner` is 0 or from [`Buffer::owner`], and something refers to the buffer.
    pub(super) unsafe fn of_owner(owner: usize) -> Option<&'static Buffer> {
        // SAFETY: 0 gives none; else a reference keeps the buffer, so that it is live.
        unsafe { ((owner & !LOCAL) as *const Buffer).as_ref() }
    }
}

/// Bit of an owner that says that the count is plain.
pub(super) const LOCAL: usize = 1;

/// Adds a reference to the buffer of `owner`; `false` for 0.
///
/// # Safety
/// `owner` is 0 or of a live vector; with [`LOCAL`] the vector is the calling thread's.
#[inline(always)]
pub(super) unsafe fn add_ref(owner: usize) -> bool {
    if owner & LOCAL != 0 {
        // SAFETY: a LOCAL vector is this thread's, and keeps its buffer live: no other thread
        // changes the count.
        unsafe { *(*((owner - LOCAL) as *const Buffer)).plain() += 1 };
        true
    } else if owner != 0 {
        // SAFETY: the vector keeps its buffer live.
        unsafe { &*(owner as *const Buffer) }
            .atomic()
            .fetch_add(1, Ordering::Relaxed);
        true
    } else {
        false
    }
}
