//! The thread pointer: what the processor has of a thread without a call.

/// A number that no two threads share: the thread pointer.
pub(crate) fn thread_pointer() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let pointer: usize;
        // SAFETY: the thread pointer's first word is the pointer itself.
        unsafe {
            core::arch::asm!(
                "mov {pointer}, qword ptr fs:[0]",
                pointer = lateout(reg) pointer,
                options(nostack, preserves_flags, readonly),
            );
        }
        pointer
    }
    #[cfg(target_arch = "aarch64")]
    {
        let pointer: usize;
        // SAFETY: reads the thread pointer.
        unsafe {
            core::arch::asm!(
                "mrs {pointer}, tpidr_el0",
                pointer = out(reg) pointer,
                options(nomem, nostack, preserves_flags),
            );
        }
        pointer
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: pthread_self(3) has no preconditions.
        unsafe { libc::pthread_self() as usize }
    }
}
