//! Changes of mappings: mmap(2), munmap(2), mremap(2), madvise(2).
//!
//! Libraries for networks and devices remember the memory that they have registered, and patch
//! the C library's code of these four to learn when it is unmapped. A change that they did not
//! see would leave them with pages that are no longer the program's. So once the library has
//! been loaded, it calls the C library's functions; functions that another library has put in
//! front of those are still not called.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{ahead, raw};

type Function = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> c_long;

struct Call {
    name: &'static CStr,
    number: c_long,
    library: AtomicPtr<c_void>,
}

impl Call {
    const fn new(name: &'static CStr, number: c_long) -> Self {
        let library = AtomicPtr::new(ptr::null_mut());
        Self {
            name,
            number,
            library,
        }
    }

    /// Makes the call, by the C library's function where that is known.
    ///
    /// # Safety
    /// What the call unmaps, replaces or empties is not used again.
    unsafe fn make(&self, arguments: [usize; 6]) -> c_long {
        let library = self.library.load(Ordering::Relaxed);
        // SAFETY: memory that the call takes away is not used again. The C library's function has at
        // most six arguments, all words, and does not look at more.
        unsafe {
            if library.is_null() {
                return raw::result(raw::call(self.number, arguments));
            }
            let [a, b, c, d, e, f] = arguments;
            transmute::<*mut c_void, Function>(library)(a, b, c, d, e, f)
        }
    }
}

static MMAP: Call = Call::new(c"mmap", libc::SYS_mmap);
static MUNMAP: Call = Call::new(c"munmap", libc::SYS_munmap);
static MREMAP: Call = Call::new(c"mremap", libc::SYS_mremap);
static MADVISE: Call = Call::new(c"madvise", libc::SYS_madvise);

/// See [`super::use_library`].
pub(crate) fn use_library() {
    // SAFETY: all names are strings; the C library is there and stays.
    unsafe {
        let library = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if library.is_null() {
            return;
        }
        for call in [&MMAP, &MUNMAP, &MREMAP, &MADVISE] {
            let found = libc::dlsym(library, call.name.as_ptr());
            call.library.store(found, Ordering::Relaxed);
        }
        libc::dlclose(library);
    }
}

/// # Safety
/// As mmap(2): what it replaces is not used again.
pub(super) unsafe extern "C" fn mmap(
    at: usize,
    size: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: usize,
) -> c_long {
    // As jemalloc maps records that are in no arena of ours, and `addresses` tables.
    let for_records = at == 0
        && file == -1
        && protection == libc::PROT_READ | libc::PROT_WRITE
        && flags == libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    if let Some(start) = for_records.then(|| ahead::take(size, 1)).flatten() {
        return start as c_long;
    }
    let arguments = [
        at,
        size,
        protection as usize,
        flags as usize,
        file as usize,
        offset,
    ];
    // SAFETY: the arguments are those of mmap(2), and the addresses are the caller's to change.
    unsafe { MMAP.make(arguments) }
}

/// # Safety
/// As munmap(2): the range is not used again.
pub(super) unsafe extern "C" fn munmap(at: usize, size: usize) -> c_int {
    // SAFETY: the arguments are those of munmap(2), and the range is not used again.
    unsafe { MUNMAP.make([at, size, 0, 0, 0, 0]) as c_int }
}

/// # Safety
/// As mremap(2): what it unmaps or replaces is not used again.
pub(super) unsafe extern "C" fn mremap(
    at: usize,
    size: usize,
    new_size: usize,
    flags: c_int,
    new_at: usize,
) -> c_long {
    // SAFETY: the arguments are those of mremap(2), which looks at the last only with a flag.
    unsafe { MREMAP.make([at, size, new_size, flags as usize, new_at, 0]) }
}

/// # Safety
/// As madvise(2): contents that the advice gives up are not used again.
pub(super) unsafe extern "C" fn madvise(at: usize, size: usize, advice: c_int) -> c_int {
    // SAFETY: the arguments are those of madvise(2), and the contents are the caller's to change.
    unsafe { MADVISE.make([at, size, advice as usize, 0, 0, 0]) as c_int }
}
