//! The C interfaces that the preload libraries call: libmemkind's, and a few of the C library's.

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};

/// A kind of memory, `struct memkind *` in C.
pub type Kind = *mut c_void;
/// `struct memtier_memory *` in C.
pub type Memory = *mut c_void;
/// `struct memtier_builder *` in C.
pub type Builder = *mut c_void;

/// A function that allocates from a memory or a kind.
pub type Malloc = unsafe extern "C" fn(size: usize, from: *mut c_void) -> *mut c_void;

/// A function that frees a block that is not libmemkind's.
pub type Foreign = unsafe extern "C" fn(ptr: *mut c_void);
/// A function that tells the usable bytes of a block of any allocator.
pub type UsableSize = unsafe extern "C" fn(ptr: *mut c_void) -> usize;

/// The memory of a kind, in bytes: `memkind_preload_figures_t` of libmemkind.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Figures {
    /// The kind's name, with a NUL.
    pub name: [u8; 64],
    /// Bytes in memory.
    pub resident: usize,
    /// Bytes of pages that hold live blocks.
    pub active: usize,
    /// Bytes of live blocks.
    pub allocated: usize,
}

impl Figures {
    /// Figures that are all 0.
    pub const ZERO: Self = Self {
        name: [0; 64],
        resident: 0,
        active: 0,
        allocated: 0,
    };
}

/// Invalid argument.
pub const EINVAL: c_int = 22;
/// Out of memory.
pub const ENOMEM: c_int = 12;
/// `errno`: there is no such file.
pub const ENOENT: c_int = 2;
/// `errno`: a part of a path is no directory.
pub const ENOTDIR: c_int = 20;

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

/// memkind.h and memkind_memtier.h; documented there.
#[allow(missing_docs, reason = "the C headers document them")]
pub mod memkind {
    use super::{Builder, Figures, Foreign, Kind, Malloc, Memory, UsableSize};
    use core::ffi::{c_char, c_int, c_uint, c_void};

    unsafe extern "C" {
        pub static MEMKIND_DEFAULT: Kind;
        pub static MEMKIND_DAX_KMEM: Kind;
        pub static MEMKIND_HBW: Kind;
        pub static MEMKIND_HBW_PREFERRED: Kind;

        pub fn memkind_malloc(kind: Kind, size: usize) -> *mut c_void;
        pub fn memkind_calloc(kind: Kind, num: usize, size: usize) -> *mut c_void;
        pub fn memkind_posix_memalign(
            kind: Kind,
            memptr: *mut *mut c_void,
            alignment: usize,
            size: usize,
        ) -> c_int;
        pub fn memkind_realloc(kind: Kind, ptr: *mut c_void, size: usize) -> *mut c_void;
        pub fn memkind_free(kind: Kind, ptr: *mut c_void);
        pub fn memkind_preload_malloc(size: usize, kind: Kind) -> *mut c_void;
        pub fn memkind_preload_free(ptr: *mut c_void, foreign: Foreign);
        pub fn memkind_preload_usable_size(ptr: *mut c_void, otherwise: UsableSize) -> usize;
        pub fn memkind_preload_trim() -> c_int;
        pub fn memkind_preload_figures(number: usize, figures: *mut Figures) -> c_int;
        pub fn memtier_preload_malloc(size: usize, memory: Memory) -> *mut c_void;
        pub fn memtier_preload_malloc_of(memory: Memory) -> Malloc;
        pub fn memtier_preload_free(ptr: *mut c_void, foreign: Foreign);
        pub fn memkind_malloc_usable_size(kind: Kind, ptr: *mut c_void) -> usize;
        pub fn memkind_detect_kind(ptr: *mut c_void) -> Kind;
        pub fn memkind_check_available(kind: Kind) -> c_int;
        pub fn memkind_check_dax_path(dir: *const c_char) -> c_int;
        pub fn memkind_create_nodes(nodes: *const c_char, policy: c_int, kind: *mut Kind) -> c_int;
        pub fn memkind_set_block_order(order: c_int) -> c_int;
        pub fn memkind_set_pmem_fork(mode: c_int) -> c_int;
        pub fn memkind_create_pmem(dir: *const c_char, max_size: usize, kind: *mut Kind) -> c_int;

        pub fn memtier_builder_new(policy: c_uint) -> Builder;
        pub fn memtier_builder_add_tier(builder: Builder, kind: Kind, ratio: c_uint) -> c_int;
        pub fn memtier_ctl_set(
            builder: Builder,
            name: *const c_char,
            value: *const c_void,
        ) -> c_int;
        pub fn memtier_builder_construct_memtier_memory(builder: Builder) -> Memory;
        pub fn memtier_builder_delete(builder: Builder);
        pub fn memtier_calloc(memory: Memory, num: usize, size: usize) -> *mut c_void;
        pub fn memtier_posix_memalign(
            memory: Memory,
            memptr: *mut *mut c_void,
            alignment: usize,
            size: usize,
        ) -> c_int;
        pub fn memtier_realloc(memory: Memory, ptr: *mut c_void, size: usize) -> *mut c_void;
        pub fn memtier_kind_calloc(kind: Kind, num: usize, size: usize) -> *mut c_void;
        pub fn memtier_kind_posix_memalign(
            kind: Kind,
            memptr: *mut *mut c_void,
            alignment: usize,
            size: usize,
        ) -> c_int;
        pub fn memtier_kind_realloc(kind: Kind, ptr: *mut c_void, size: usize) -> *mut c_void;
        pub fn memtier_usable_size(ptr: *mut c_void) -> usize;
    }
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn access(path: *const c_char, mode: c_int) -> c_int;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[link_name = "write"]
    fn write_to(fd: c_int, buffer: *const c_void, count: usize) -> isize;
    fn fwrite(text: *const c_void, size: usize, count: usize, file: *mut c_void) -> usize;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    #[link_name = "abort"]
    fn c_abort() -> !;
    fn secure_getenv(name: *const c_char) -> *const c_char;
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn getpagesize() -> c_int;
    fn mprotect(start: *const c_void, size: usize, protection: c_int) -> c_int;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    #[cfg(not(target_env = "musl"))]
    fn __libc_free(ptr: *mut c_void);
    #[cfg(not(target_env = "musl"))]
    fn __libc_realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
}

/// The C library's free, which musl exports under its own name only.
#[cfg(target_env = "musl")]
unsafe fn __libc_free(ptr: *mut c_void) {
    // SAFETY: the name is a string, and free has this signature; the block is the C library's, as the caller promises.
    unsafe {
        let found = dlsym(RTLD_NEXT, c"free".as_ptr());
        if !found.is_null() {
            let free: unsafe extern "C" fn(*mut c_void) = core::mem::transmute(found);
            free(ptr);
        }
    }
}

/// The C library's realloc, which musl exports under its own name only.
#[cfg(target_env = "musl")]
unsafe fn __libc_realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the name is a string, and realloc has this signature; the block is the C library's, as the caller promises.
    unsafe {
        let found = dlsym(RTLD_NEXT, c"realloc".as_ptr());
        if found.is_null() {
            return core::ptr::null_mut();
        }
        let realloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void =
            core::mem::transmute(found);
        realloc(ptr, size)
    }
}

/// Ends the process as `abort(3)` does.
pub fn abort() -> ! {
    // SAFETY: no precondition.
    unsafe { c_abort() }
}

/// The address of the calling thread's `errno`.
#[inline]
pub fn errno_location() -> *mut c_int {
    // SAFETY: no precondition.
    unsafe { __errno_location() }
}

/// Sets `errno`.
pub fn set_errno(code: c_int) {
    // SAFETY: the location is the thread's own and writable.
    unsafe { *errno_location() = code }
}

/// Writes to standard error, in one call; a failure is not worth reporting. By a system call of
/// its own: malloc is no cancellation point, and another library's write(2) might allocate, which
/// would be written about without end.
#[cfg(target_arch = "x86_64")]
pub fn write_stderr(text: &[u8]) {
    const SYS_WRITE: isize = 1;
    // SAFETY: the kernel's calling convention; the text is live during the call.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") SYS_WRITE => _,
            in("rdi") 2,
            in("rsi") text.as_ptr(),
            in("rdx") text.len(),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, readonly),
        );
    }
}

/// Writes to standard error, in one call; a failure is not worth reporting. By a system call of
/// its own, as on x86-64.
#[cfg(target_arch = "aarch64")]
pub fn write_stderr(text: &[u8]) {
    const SYS_WRITE: isize = 64;
    // SAFETY: the kernel's calling convention; the text is live during the call.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") SYS_WRITE,
            inlateout("x0") 2_isize => _,
            in("x1") text.as_ptr(),
            in("x2") text.len(),
            options(nostack, readonly, preserves_flags),
        );
    }
}

/// Writes to standard error, in one call; a failure is not worth reporting. malloc is no
/// cancellation point, so this is none.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn write_stderr(text: &[u8]) {
    const PTHREAD_CANCEL_DISABLE: c_int = 1;
    let location = errno_location();
    let mut state = 0;
    // SAFETY: the text is live during the call, errno is the thread's own, and states are
    // written to a variable.
    unsafe {
        let errno = *location;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut state);
        write_to(2, text.as_ptr().cast(), text.len());
        let before = state;
        pthread_setcancelstate(before, &raw mut state);
        *location = errno;
    }
}

/// Writes `text` to a stream of stdio, and returns whether that succeeded.
///
/// # Safety
/// `file` is an open `FILE *`.
pub unsafe fn write_file(file: *mut c_void, text: &[u8]) -> bool {
    // SAFETY: `file` is an open stream of stdio, and the text is live during the call.
    unsafe { fwrite(text.as_ptr().cast(), 1, text.len(), file) == text.len() }
}

/// The value of an environment variable; `None` if it is unset or the program is set-uid.
pub fn environment(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: the name is a string. The value lives until the program changes it, and
    // it is read at load only.
    unsafe {
        let value = secure_getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

/// Whether the program has privileges that its caller lacks, and so ignores the environment.
pub fn is_privileged() -> bool {
    const AT_SECURE: c_ulong = 23;
    // SAFETY: no precondition.
    unsafe { getauxval(AT_SECURE) != 0 }
}

/// Whether there is a file or a directory of that name.
pub fn exists(path: &CStr) -> bool {
    const F_OK: c_int = 0;
    // SAFETY: the path is a string.
    unsafe { access(path.as_ptr(), F_OK) == 0 }
}

/// The size of a page.
pub fn page_size() -> usize {
    // SAFETY: no precondition.
    unsafe { getpagesize() }.unsigned_abs() as usize
}

/// Makes `page`, of 4096 bytes, read-only; where pages are larger it stays writable.
pub fn protect_page<T>(page: &'static T) {
    const PROT_READ: c_int = 1;
    let errno = errno_location();
    let address: *const T = page;
    let size = page_size();
    if size_of::<T>() % size == 0 && address.addr() % size == 0 {
        // SAFETY: whole pages, on which is nothing else; errno is the thread's own.
        unsafe {
            let before = *errno;
            mprotect(address.cast(), size_of::<T>(), PROT_READ);
            *errno = before;
        }
    }
}

/// The functions that a call by name reaches in this process: those of this library, unless the program, or a
/// library that stands before this one, has a malloc of its own. As in the C library, what is made of them belongs
/// to them.
pub mod process {
    use super::c_void;

    mod name {
        use super::c_void;

        unsafe extern "C" {
            pub(super) fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
            pub(super) fn free(ptr: *mut c_void);
        }
    }

    // The dynamic linker finds what they point at. A call would be bound within this library.
    static REALLOC: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void = name::realloc;
    static FREE: unsafe extern "C" fn(*mut c_void) = name::free;

    /// Resizes a block with the process's realloc(3).
    ///
    /// # Safety
    /// `ptr` is null or a live block.
    pub unsafe fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: a static is readable, and `ptr` is null or a live block.
        unsafe { (&raw const REALLOC).read_volatile()(ptr, size) }
    }

    /// Frees a block with the process's free(3).
    ///
    /// # Safety
    /// `ptr` is null or a live block, which is not used again.
    pub unsafe fn free(ptr: *mut c_void) {
        // SAFETY: a static is readable, and `ptr` is null or a live block.
        unsafe { (&raw const FREE).read_volatile()(ptr) }
    }
}

/// Blocks of the C library's own malloc: allocated before this library was loaded, or by a library
/// that is bound to the C library's malloc.
pub mod foreign {
    use super::{RTLD_NEXT, c_void, dlsym, errno_location};

    /// Gives a block back to the C library. Keeps `errno`.
    ///
    /// # Safety
    /// A live block of the C library.
    #[cold]
    pub unsafe extern "C" fn free(ptr: *mut c_void) {
        let errno = errno_location();
        // SAFETY: a live block of the C library, which is not used again; errno is the thread's
        // own.
        unsafe {
            let before = *errno;
            super::__libc_free(ptr);
            *errno = before;
        }
    }

    /// Resizes a block in the C library.
    ///
    /// # Safety
    /// A live block of the C library.
    #[cold]
    pub unsafe fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: a live block of the C library.
        unsafe { super::__libc_realloc(ptr, size) }
    }

    /// The usable size of a block of the C library, in bytes.
    ///
    /// # Safety
    /// A live block of the C library.
    #[cold]
    pub unsafe fn usable_size(ptr: *mut c_void) -> usize {
        // SAFETY: the name is a string, and malloc_usable_size has this signature.
        unsafe {
            let found = dlsym(RTLD_NEXT, c"malloc_usable_size".as_ptr());
            if found.is_null() {
                return 0;
            }
            let ask: unsafe extern "C" fn(*mut c_void) -> usize = core::mem::transmute(found);
            ask(ptr)
        }
    }
}
