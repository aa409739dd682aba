//! The functions of libtbbmalloc.so.2, found when the library is loaded.
//!
//! Its memory pools are C++ functions: their names are given as the compiler writes them.

use core::ffi::{CStr, c_int, c_uint, c_void};
use core::mem;

/// The shared object, found as dlopen(3) finds it.
pub(super) const NAME: &CStr = c"libtbbmalloc.so.2";

/// A pool of the library's.
#[repr(C)]
pub(super) struct MemoryPool {
    _opaque: [u8; 0],
}

/// Asks for memory for a pool: its number, and how many bytes.
pub(super) type RawAlloc = unsafe extern "C" fn(pool: isize, bytes: *mut usize) -> *mut c_void;
/// Gives memory of a pool back; 0 when that was done.
pub(super) type RawFree =
    unsafe extern "C" fn(pool: isize, address: *mut c_void, bytes: usize) -> c_int;

/// `rml::MemPoolPolicy`: where the memory of a pool comes from.
#[repr(C)]
pub(super) struct Policy {
    pub(super) alloc: RawAlloc,
    pub(super) free: RawFree,
    /// The bytes asked for are a multiple of this.
    pub(super) granularity: usize,
    /// [`VERSION`].
    pub(super) version: c_int,
    /// Bits for pools that never give back or never grow; 0 for neither.
    pub(super) flags: c_uint,
}

/// The version of [`Policy`] that this is.
pub(super) const VERSION: c_int = 1;

type Create = unsafe extern "C" fn(isize, *const Policy, *mut *mut MemoryPool) -> c_int;
type Destroy = unsafe extern "C" fn(*mut MemoryPool) -> bool;
type Malloc = unsafe extern "C" fn(*mut MemoryPool, usize) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut MemoryPool, *mut c_void, usize) -> *mut c_void;
type AlignedMalloc = unsafe extern "C" fn(*mut MemoryPool, usize, usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut MemoryPool, *mut c_void) -> bool;
type Msize = unsafe extern "C" fn(*mut MemoryPool, *mut c_void) -> usize;

/// The functions that are used.
pub(super) struct Library {
    /// Makes a pool with a number of the caller's; 0, and the pool in the last argument.
    pub(super) create: Create,
    pub(super) destroy: Destroy,
    pub(super) malloc: Malloc,
    pub(super) realloc: Realloc,
    /// A block of a number of bytes, at a multiple of a power of two.
    pub(super) aligned_malloc: AlignedMalloc,
    pub(super) free: Free,
    /// The usable size of a block, in bytes.
    pub(super) msize: Msize,
}

/// Why the library cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The library is not there, or cannot be loaded.
    Library,
    /// The library lacks a function.
    Symbols,
}

impl Library {
    /// Loads the library, for good.
    pub(super) fn open() -> Result<Self, Missing> {
        // SAFETY: a NUL-terminated name.
        let handle = unsafe { libc::dlopen(NAME.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err(Missing::Library);
        }
        let find = |name: &CStr| {
            // SAFETY: a live handle and a NUL-terminated name.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            if found.is_null() {
                Err(Missing::Symbols)
            } else {
                Ok(found)
            }
        };
        let create = find(c"_ZN3rml14pool_create_v1ElPKNS_13MemPoolPolicyEPPNS_10MemoryPoolE")?;
        let destroy = find(c"_ZN3rml12pool_destroyEPNS_10MemoryPoolE")?;
        let malloc = find(c"_ZN3rml11pool_mallocEPNS_10MemoryPoolEm")?;
        let realloc = find(c"_ZN3rml12pool_reallocEPNS_10MemoryPoolEPvm")?;
        let aligned_malloc = find(c"_ZN3rml19pool_aligned_mallocEPNS_10MemoryPoolEmm")?;
        let free = find(c"_ZN3rml9pool_freeEPNS_10MemoryPoolEPv")?;
        let msize = find(c"_ZN3rml10pool_msizeEPNS_10MemoryPoolEPv")?;
        // SAFETY: the names contain the types of the parameters; what the functions return is
        // as tbb/scalable_allocator.h declares it.
        unsafe {
            Ok(Self {
                create: mem::transmute::<*mut c_void, Create>(create),
                destroy: mem::transmute::<*mut c_void, Destroy>(destroy),
                malloc: mem::transmute::<*mut c_void, Malloc>(malloc),
                realloc: mem::transmute::<*mut c_void, Realloc>(realloc),
                aligned_malloc: mem::transmute::<*mut c_void, AlignedMalloc>(aligned_malloc),
                free: mem::transmute::<*mut c_void, Free>(free),
                msize: mem::transmute::<*mut c_void, Msize>(msize),
            })
        }
    }
}

/// Where the C library says that the process has one thread only; `None` before glibc 2.32.
pub(super) fn single_threaded() -> Option<*const u8> {
    // SAFETY: a NUL-terminated name; the answer is null or the address of a `char`.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
    (!found.is_null()).then_some(found.cast_const().cast())
}
