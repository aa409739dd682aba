//! libmemtier.so.0: preloaded into a program, it spreads the program's blocks over
//! tiers of memory, as MEMKIND_MEM_TIERS says (libmemtier(7)).
//!
//! Blocks from before the tiers are ready come from MEMKIND_DEFAULT, also those that
//! libmemkind and hwloc ask for on the way. The tiers stay until the process is gone:
//! destructors still use their memory.

#![no_std]

mod build;
mod kinds;
mod log;
mod numbers;
mod rules;
mod settings;
mod thresholds;

use core::ffi::{c_int, c_void};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use interpose::c::memkind::*;
use interpose::c::{Foreign, Kind, Malloc, Memory, abort, foreign, is_privileged, protect_page};
use interpose::family::{self, Heap};

/// The functions and the memory that malloc and free use; constant after it has been set up.
///
/// With one tier nothing is chosen or counted, so libmemkind's plain functions are used. malloc
/// and free, which programs call most, jump to the right function without a test.
#[repr(C, align(4096))]
struct Way {
    /// A function of type [`Malloc`].
    malloc: AtomicPtr<c_void>,
    /// Its second argument: the tiers or the only kind, null until they are ready, when
    /// the block is of MEMKIND_DEFAULT.
    from: AtomicPtr<c_void>,
    /// A function of type [`Free`].
    free: AtomicPtr<c_void>,
    /// The tiers, null until they are ready.
    memory: AtomicPtr<c_void>,
    /// The kind of the only tier, null when there are several.
    only: AtomicPtr<c_void>,
}

type Free = unsafe extern "C" fn(*mut c_void, Foreign);

static WAY: Way = Way {
    malloc: AtomicPtr::new(memtier_preload_malloc as *mut c_void),
    from: AtomicPtr::new(ptr::null_mut()),
    free: AtomicPtr::new(memtier_preload_free as *mut c_void),
    memory: AtomicPtr::new(ptr::null_mut()),
    only: AtomicPtr::new(ptr::null_mut()),
};

impl Way {
    fn set(&'static self, memory: Memory, way: build::Way) {
        self.memory.store(memory, Ordering::Release);
        let (malloc, from): (Malloc, _) = match way {
            build::Way::Kind(kind) => (memkind_preload_malloc, kind),
            // SAFETY: the memory is live.
            build::Way::Tiers => (unsafe { memtier_preload_malloc_of(memory) }, memory),
        };
        // A thread that sees the tiers or the kind also sees the function for it.
        self.malloc.store(malloc as *mut c_void, Ordering::Release);
        self.from.store(from, Ordering::Release);
        if let build::Way::Kind(kind) = way {
            self.only.store(kind, Ordering::Release);
            let free: Free = memkind_preload_free;
            self.free.store(free as *mut c_void, Ordering::Release);
        }
        protect_page(self);
    }
}

#[inline]
fn only() -> Option<Kind> {
    let kind = WAY.only.load(Ordering::Acquire);
    (!kind.is_null()).then_some(kind)
}

#[inline]
fn memory() -> Memory {
    WAY.memory.load(Ordering::Acquire)
}

#[inline]
fn default_kind() -> Kind {
    // SAFETY: initialised before any code runs, and never changed.
    unsafe { MEMKIND_DEFAULT }
}

/// The tiers as a heap.
struct Tiers;

impl Heap for Tiers {
    #[inline]
    fn allocate(size: usize) -> *mut c_void {
        let from = WAY.from.load(Ordering::Acquire);
        let malloc = WAY.malloc.load(Ordering::Relaxed);
        // SAFETY: a function of this type, and what it takes, by the order of storing.
        unsafe { core::mem::transmute::<*mut c_void, Malloc>(malloc)(size, from) }
    }

    #[inline]
    fn allocate_zeroed(num: usize, size: usize) -> *mut c_void {
        if let Some(kind) = only() {
            // SAFETY: the kind is live.
            return unsafe { memkind_calloc(kind, num, size) };
        }
        let memory = memory();
        // SAFETY: the memory is live, once there is one.
        unsafe {
            if memory.is_null() {
                memtier_kind_calloc(default_kind(), num, size)
            } else {
                memtier_calloc(memory, num, size)
            }
        }
    }

    #[inline]
    fn allocate_aligned(alignment: usize, size: usize) -> Result<*mut c_void, c_int> {
        let memory = memory();
        let mut block = ptr::null_mut();
        // SAFETY: the memory is live, once there is one, and the pointer is writable.
        let code = unsafe {
            if let Some(kind) = only() {
                memkind_posix_memalign(kind, &raw mut block, alignment, size)
            } else if memory.is_null() {
                memtier_kind_posix_memalign(default_kind(), &raw mut block, alignment, size)
            } else {
                memtier_posix_memalign(memory, &raw mut block, alignment, size)
            }
        };
        if code == 0 { Ok(block) } else { Err(code) }
    }

    #[inline]
    unsafe fn resize(block: *mut c_void, size: usize) -> *mut c_void {
        let memory = memory();
        // SAFETY: `block` is null or a live block; the memory, once it exists, is live.
        unsafe {
            if let Some(kind) = only() {
                memkind_realloc(kind, block, size)
            } else if memory.is_null() {
                memtier_kind_realloc(ptr::null_mut(), block, size)
            } else {
                memtier_realloc(memory, block, size)
            }
        }
    }

    #[inline]
    unsafe fn release(block: *mut c_void) {
        let free = WAY.free.load(Ordering::Relaxed);
        // SAFETY: the function found has this type; `block` is NULL or a live block, and not used
        // again.
        unsafe { core::mem::transmute::<*mut c_void, Free>(free)(block, foreign::free) }
    }

    #[inline]
    unsafe fn usable_size(_: Kind, block: *mut c_void) -> usize {
        // SAFETY: `block` is null or a live block.
        unsafe { memtier_usable_size(block) }
    }
}

interpose::export_malloc_family!(crate::Tiers);

/// The further names that the original exports, for programs built with them.
mod je {
    use super::{Tiers, family};
    use core::ffi::{c_int, c_void};

    #[unsafe(no_mangle)]
    extern "C" fn je_malloc(size: usize) -> *mut c_void {
        family::malloc::<Tiers>(size)
    }

    #[unsafe(no_mangle)]
    extern "C" fn je_calloc(num: usize, size: usize) -> *mut c_void {
        family::calloc::<Tiers>(num, size)
    }

    /// # Safety
    /// As realloc(3).
    #[unsafe(no_mangle)]
    unsafe extern "C" fn je_realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: `ptr` is null or a live block, as realloc(3) requires.
        unsafe { family::realloc::<Tiers>(ptr, size) }
    }

    /// # Safety
    /// As free(3).
    #[unsafe(no_mangle)]
    unsafe extern "C" fn je_free(ptr: *mut c_void) {
        // SAFETY: `ptr` is null or a live block, as free(3) requires.
        unsafe { family::free::<Tiers>(ptr) }
    }

    /// # Safety
    /// As posix_memalign(3).
    #[unsafe(no_mangle)]
    unsafe extern "C" fn je_posix_memalign(
        memptr: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int {
        // SAFETY: `memptr` is writable, as posix_memalign(3) requires.
        unsafe { family::posix_memalign::<Tiers>(memptr, alignment, size) }
    }

    /// # Safety
    /// As malloc_usable_size(3).
    #[unsafe(no_mangle)]
    unsafe extern "C" fn je_malloc_usable_size(ptr: *mut c_void) -> usize {
        // SAFETY: `ptr` is null or a live block, as malloc_usable_size(3) requires.
        unsafe { family::usable_size::<Tiers>(ptr) }
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_load() {
    log::read_level();
    log::info(&[b"Memkind memtier lib loaded!"]);
    // memkind_ext.h: a forked child has private file-backed memory, and a program may reuse and
    // overwrite blocks in any order.
    // SAFETY: no precondition.
    unsafe {
        memkind_set_pmem_fork(1);
        memkind_set_block_order(1);
    }
    if is_privileged() {
        // A program with privileges of its own cannot have settings, and may get the library from
        // /etc/ld.so.preload.
        return WAY.set(ptr::null_mut(), build::Way::Kind(default_kind()));
    }
    match settings::read().and_then(build::memory) {
        Ok((memory, way)) => WAY.set(memory, way),
        Err(fault) => {
            log::explain(&fault);
            abort();
        }
    }
}

extern "C" fn at_exit() {
    log::info(&[b"Unloading memkind memtier lib!"]);
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}
