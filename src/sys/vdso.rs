//! The kernel's functions that do not enter the kernel (vdso(7)): the time and the CPU.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use super::{auxiliary, raw};

static CLOCK: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
#[cfg(target_arch = "x86_64")]
static CPU: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// What the kernel calls the function that tells the time.
const CLOCK_NAME: &CStr = if cfg!(target_arch = "x86_64") {
    c"__vdso_clock_gettime"
} else {
    c"__kernel_clock_gettime"
};
static LOOKED: AtomicU8 = AtomicU8::new(0);

type Clock = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
#[cfg(target_arch = "x86_64")]
type Cpu = unsafe extern "C" fn(*mut u32, *mut u32, *mut c_void) -> c_int;

/// clock_gettime(2); returns the kernel's answer.
///
/// # Safety
/// `time` is writable.
pub(super) unsafe fn clock(clock: libc::clockid_t, time: *mut libc::timespec) -> raw::Answer {
    let found = function(&CLOCK);
    // SAFETY: the function found by this name has this type; `time` is writable.
    unsafe {
        if found.is_null() {
            let arguments = [clock as usize, time as usize, 0, 0, 0, 0];
            return raw::call(libc::SYS_clock_gettime, arguments);
        }
        transmute::<*mut c_void, Clock>(found)(clock, time).into()
    }
}

/// Number of the CPU that the calling thread runs on, or the kernel's negative error number.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpu() -> raw::Answer {
    let found = function(&CPU);
    let mut cpu = 0_u32;
    // SAFETY: the function found by this name has this type; `cpu` is writable.
    let answer = unsafe {
        if found.is_null() {
            raw::call(libc::SYS_getcpu, [&raw mut cpu as usize, 0, 0, 0, 0, 0])
        } else {
            transmute::<*mut c_void, Cpu>(found)(&raw mut cpu, ptr::null_mut(), ptr::null_mut())
                .into()
        }
    };
    if answer < 0 { answer } else { cpu.into() }
}

fn function(place: &AtomicPtr<c_void>) -> *mut c_void {
    if LOOKED.load(Ordering::Acquire) == 0 {
        look();
    }
    place.load(Ordering::Relaxed)
}

/// Looks the functions up. Two threads that do so at the same time find the same.
#[cold]
fn look() {
    // SAFETY: the kernel has put a whole ELF shared library at this address, or it is 0.
    if let Some(library) = unsafe { Library::at(auxiliary::vdso()) } {
        CLOCK.store(library.find(CLOCK_NAME), Ordering::Relaxed);
        #[cfg(target_arch = "x86_64")]
        CPU.store(library.find(c"__vdso_getcpu"), Ordering::Relaxed);
    }
    LOOKED.store(1, Ordering::Release);
}

/// A shared library in memory whose dynamic section has been read.
struct Library {
    base: usize,
    symbols: *const libc::Elf64_Sym,
    count: usize,
    names: *const c_char,
}

impl Library {
    /// # Safety
    /// A whole ELF shared library is at `start`, or `start` is 0.
    unsafe fn at(start: usize) -> Option<Self> {
        const DT_HASH: usize = 4;
        const DT_STRTAB: usize = 5;
        const DT_SYMTAB: usize = 6;
        const DT_GNU_HASH: usize = 0x6fff_fef5;
        if start == 0 {
            return None;
        }
        // SAFETY: a whole ELF library is at `start`; all places are as its headers have them.
        unsafe {
            let header = &*(start as *const libc::Elf64_Ehdr);
            let first = (start + header.e_phoff as usize) as *const libc::Elf64_Phdr;
            let segments = core::slice::from_raw_parts(first, header.e_phnum.into());
            let loaded = segments.iter().find(|part| part.p_type == libc::PT_LOAD)?;
            let dynamic = segments
                .iter()
                .find(|part| part.p_type == libc::PT_DYNAMIC)?;
            let base = (start + loaded.p_offset as usize).wrapping_sub(loaded.p_vaddr as usize);
            let mut entry = base.wrapping_add(dynamic.p_vaddr as usize) as *const [usize; 2];
            let (mut symbols, mut names, mut hash, mut gnu) = (0, 0, 0, 0);
            while (*entry)[0] != 0 {
                match (*entry)[0] {
                    DT_SYMTAB => symbols = (*entry)[1],
                    DT_STRTAB => names = (*entry)[1],
                    DT_HASH => hash = (*entry)[1],
                    DT_GNU_HASH => gnu = (*entry)[1],
                    _ => {}
                }
                entry = entry.add(1);
            }
            if symbols == 0 || names == 0 {
                return None;
            }
            let at = |place: usize| base.wrapping_add(place);
            let count = if hash != 0 {
                *(at(hash) as *const u32).add(1) as usize
            } else if gnu != 0 {
                count_of_gnu(at(gnu) as *const u32)
            } else {
                return None;
            };
            Some(Self {
                base,
                symbols: at(symbols) as *const libc::Elf64_Sym,
                count,
                names: at(names) as *const c_char,
            })
        }
    }

    fn find(&self, name: &CStr) -> *mut c_void {
        for at in 0..self.count {
            // SAFETY: one of the library's symbols, and its name.
            unsafe {
                let symbol = &*self.symbols.add(at);
                if symbol.st_shndx != 0
                    && CStr::from_ptr(self.names.add(symbol.st_name as usize)) == name
                {
                    return self.base.wrapping_add(symbol.st_value as usize) as *mut c_void;
                }
            }
        }
        ptr::null_mut()
    }
}

/// The number of symbols by the newer hash table: one more than the last of the last chain.
///
/// # Safety
/// Such a table is at `table`.
unsafe fn count_of_gnu(table: *const u32) -> usize {
    // SAFETY: the format of the table: buckets are behind its words, and a chain ends with an odd
    // word.
    unsafe {
        let (n_buckets, first, words) = (*table, *table.add(1), *table.add(2));
        let buckets = table.add(4 + 2 * words as usize);
        let chains = buckets.add(n_buckets as usize);
        let last = (0..n_buckets).map(|at| *buckets.add(at as usize)).max();
        let mut last = last.unwrap_or(0);
        if last < first {
            return first as usize;
        }
        while *chains.add((last - first) as usize) & 1 == 0 {
            last += 1;
        }
        last as usize + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{CLOCK, function};

    #[test]
    fn the_kernel_is_not_entered_for_the_time() {
        assert!(!function(&CLOCK).is_null());
        #[cfg(target_arch = "x86_64")]
        assert!(!function(&super::CPU).is_null() && super::cpu() >= 0);
    }
}
