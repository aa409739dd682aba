//! What a thread was refused last.
//!
//! jemalloc grows an arena by more than it needs, first by addresses, then by memory for
//! the part in use. When there is no memory for that part, the addresses stay with the
//! arena, and the next attempt takes more: a program that is refused a thousand times
//! would be left with a thousand mappings. So an arena is not grown for what a thread has
//! just been refused; jemalloc then asks for an extent of the size that is needed, which
//! goes when it cannot be had.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// A heap that had no memory for the thread the last time it asked. Written by its thread.
pub(crate) struct Refused {
    /// The heap's id; 0 for none.
    heap: AtomicU32,
    /// The fewest bytes it has refused since it granted any.
    bytes: AtomicUsize,
}

impl Refused {
    pub(crate) const fn new() -> Self {
        Self {
            heap: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Notes whether a heap had memory of this size.
    pub(crate) fn note(&self, heap: u32, bytes: usize, granted: bool) {
        let again = self.heap.load(Ordering::Relaxed) == heap;
        if granted {
            if again {
                self.heap.store(0, Ordering::Relaxed);
            }
            return;
        }
        let fewest = if again {
            bytes.min(self.bytes.load(Ordering::Relaxed))
        } else {
            bytes
        };
        self.heap.store(heap, Ordering::Relaxed);
        self.bytes.store(fewest, Ordering::Relaxed);
    }

    /// Whether a request of `bytes` may be for what the heap has just refused.
    pub(crate) fn covers(&self, heap: u32, bytes: usize) -> bool {
        self.heap.load(Ordering::Relaxed) == heap && bytes >= self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Refused;

    #[test]
    fn a_refusal_stands_until_something_is_granted() {
        let refused = Refused::new();
        assert!(!refused.covers(1, 4096));
        refused.note(1, 8192, false);
        refused.note(1, 1 << 30, false);
        assert!(refused.covers(1, 8192) && refused.covers(1, 1 << 30));
        assert!(!refused.covers(1, 4096) && !refused.covers(2, 1 << 30));
        refused.note(2, 1, true);
        assert!(refused.covers(1, 8192));
        refused.note(1, 4096, true);
        assert!(!refused.covers(1, 8192));
        refused.note(1, 8192, false);
        refused.note(2, 100, false);
        assert!(refused.covers(2, 100) && !refused.covers(1, 8192));
    }
}
