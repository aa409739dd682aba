//! The values that the kernel gives a process at its start: getauxval(3).

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::raw;

const UNKNOWN: u8 = 0;
const PLAIN: u8 = 1;
const SECURE: u8 = 2;
static PRIVILEGE: AtomicU8 = AtomicU8::new(UNKNOWN);
static VDSO: AtomicUsize = AtomicUsize::new(0);

/// Whether the program runs with privileges that its caller lacks, as secure_getenv(3) asks.
pub(super) fn is_secure() -> bool {
    if PRIVILEGE.load(Ordering::Acquire) == UNKNOWN {
        read();
    }
    PRIVILEGE.load(Ordering::Acquire) == SECURE
}

/// Address of the kernel's own shared library; 0 for none.
pub(super) fn vdso() -> usize {
    if PRIVILEGE.load(Ordering::Acquire) == UNKNOWN {
        read();
    }
    VDSO.load(Ordering::Relaxed)
}

/// Reads the values. Two threads that read them at the same time find the same.
fn read() {
    const PR_GET_AUXV: usize = 0x4155_5856;
    let mut pairs = [[0_usize; 2]; 64];
    let room = size_of_val(&pairs);
    let start = pairs.as_mut_ptr() as usize;
    // SAFETY: the pairs are plain numbers, and the slice is all of them.
    let bytes = unsafe { core::slice::from_raw_parts_mut(start as *mut u8, room) };
    // Under valgrind the file has the values of the emulated process, so the call comes first.
    let told = raw::read_file(c"/proc/self/auxv", bytes).is_some();
    let known = told || {
        // SAFETY: the kernel, from Linux 6.4 on, writes at most the length passed to it.
        unsafe { raw::call(libc::SYS_prctl, [PR_GET_AUXV, start, room, 0, 0, 0]) > 0 }
    };
    let find = |kind| {
        let named = |pair: &&[usize; 2]| pair[0] as u64 == kind;
        pairs.iter().find(named).map_or(0, |pair| pair[1])
    };
    let vdso = if told { find(libc::AT_SYSINFO_EHDR) } else { 0 };
    VDSO.store(vdso, Ordering::Relaxed);
    // Without the values the process counts as privileged, and its environment is not trusted.
    let secure = !known || find(libc::AT_SECURE) != 0;
    PRIVILEGE.store(if secure { SECURE } else { PLAIN }, Ordering::Release);
}
