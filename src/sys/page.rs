//! The size of the processor's pages, in bytes.

/// Bytes of a page: this processor has pages of one size only.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub const fn page_size() -> usize {
    4096
}

#[cfg(not(target_arch = "x86_64"))]
pub use by_kernel::page_size;

#[cfg(not(target_arch = "x86_64"))]
mod by_kernel {
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// The bytes of a page that the kernel has told; 0 before it is asked.
    static SIZE: AtomicUsize = AtomicUsize::new(0);

    /// Bytes of a page, which the kernel's configuration decides: 4, 16 or 64 KiB.
    #[inline]
    pub fn page_size() -> usize {
        match SIZE.load(Ordering::Relaxed) {
            0 => ask(),
            size => size,
        }
    }

    /// Reads the size of a page, which the kernel tells each program at its start. Two threads that
    /// ask get the same answer.
    #[cold]
    fn ask() -> usize {
        // SAFETY: no preconditions.
        let told = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
        // What is whole pages of the largest is whole pages of any.
        let size = if told == 0 { 64 << 10 } else { told };
        SIZE.store(size, Ordering::Relaxed);
        size
    }
}

#[cfg(test)]
mod tests {
    use super::page_size;

    #[test]
    fn it_is_what_the_c_library_says() {
        // SAFETY: no preconditions.
        let told = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        assert_eq!(page_size() as i64, told);
    }
}
