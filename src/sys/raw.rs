//! System calls by the processor's instruction.

use core::ffi::{CStr, c_long};

/// The answer of the kernel: a result, or a negative error number.
pub(super) type Answer = c_long;

/// Makes a system call with six arguments; a call with fewer ignores the rest.
///
/// # Safety
/// Each argument that the system call takes for an address is valid for what the call does there; memory
/// that it takes away is not used again.
#[inline]
pub(super) unsafe fn call(number: c_long, arguments: [usize; 6]) -> Answer {
    let answer;
    let [a, b, c, d, e, f] = arguments;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel's calling convention: only x0 is lost, memory is as the caller promises.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => answer,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's calling convention: rcx and r11 are lost, memory is as the caller
    // promises.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// The result as C functions return it: -1 and `errno` for an error.
#[inline]
pub(super) fn result(answer: Answer) -> c_long {
    if (-4095..0).contains(&answer) {
        crate::log::set_errno(-answer as i32);
        return -1;
    }
    answer
}

/// Reads the beginning of a file into `buffer` and returns the bytes read. `errno` stays as it is.
pub(super) fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    const AT_FDCWD: usize = libc::AT_FDCWD as usize;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
    let path = path.as_ptr() as usize;
    // SAFETY: the path is a string; the buffer is writable for as long as it says; the
    // descriptor is our own.
    let length = unsafe {
        let file = call(libc::SYS_openat, [AT_FDCWD, path, flags, 0, 0, 0]);
        let file = usize::try_from(file).ok()?;
        let start = buffer.as_mut_ptr() as usize;
        let length = call(libc::SYS_read, [file, start, buffer.len(), 0, 0, 0]);
        call(libc::SYS_close, [file, 0, 0, 0, 0, 0]);
        length
    };
    buffer.get(..usize::try_from(length).ok()?)
}
