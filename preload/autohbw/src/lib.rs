//! libautohbw.so.0: preloaded into a program, it puts blocks of certain sizes into
//! high-bandwidth memory (autohbw(7)).
//!
//! Until it has been set up, and for other sizes, blocks come from MEMKIND_DEFAULT.

#![no_std]

mod settings;

use core::ffi::{c_int, c_void};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use interpose::c::memkind::*;
use interpose::c::{Kind, abort, foreign, is_privileged};
use interpose::family::Heap;
use interpose::text::print;
use settings::{HIGH, LEVEL, LOW};

/// The kind for chosen sizes, null until everything is set up.
static KIND: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Switched by enableAutoHBW() and disableAutoHBW().
static ENABLED: AtomicBool = AtomicBool::new(true);

/// From this AUTO_HBW_LOG on, every call is reported.
const EVERY_CALL: i32 = 2;

/// The kind for a block of this size, and whether it is the chosen one.
#[inline]
fn choose(size: usize) -> (Kind, bool) {
    let (low, high) = (LOW.load(Ordering::Relaxed), HIGH.load(Ordering::Relaxed));
    if size >= low && size <= high && ENABLED.load(Ordering::Relaxed) {
        let kind = KIND.load(Ordering::Acquire);
        if !kind.is_null() {
            return (kind, true);
        }
    }
    // SAFETY: initialised before any code runs, and never changed.
    (unsafe { MEMKIND_DEFAULT }, false)
}

#[inline]
fn talks() -> bool {
    LEVEL.load(Ordering::Relaxed) >= EVERY_CALL
}

#[inline]
const fn mark(chosen: bool) -> &'static str {
    if chosen { "\tHBW" } else { "" }
}

/// The heap: the chosen kind for some sizes, MEMKIND_DEFAULT for the others.
struct AutoHbw;

impl Heap for AutoHbw {
    #[inline]
    fn allocate(size: usize) -> *mut c_void {
        let (kind, chosen) = choose(size);
        if talks() {
            return allocate_aloud(size, kind, chosen);
        }
        // SAFETY: the kind is live.
        unsafe { memkind_preload_malloc(size, kind) }
    }

    #[inline]
    fn allocate_zeroed(num: usize, size: usize) -> *mut c_void {
        let bytes = num * size;
        let (kind, chosen) = choose(bytes);
        // SAFETY: the kind is live.
        let block = unsafe { memkind_calloc(kind, num, size) };
        if talks() {
            print(format_args!(
                "In my memkind calloc sz:{bytes} ..{}\tptr:{block:p}\n",
                mark(chosen)
            ));
        }
        block
    }

    #[inline]
    fn allocate_aligned(alignment: usize, size: usize) -> Result<*mut c_void, c_int> {
        let (kind, chosen) = choose(size);
        let mut block = ptr::null_mut();
        // SAFETY: the kind is live and the pointer writable.
        let code = unsafe { memkind_posix_memalign(kind, &raw mut block, alignment, size) };
        if talks() {
            print(format_args!(
                "In my memkind align sz:{size} .. {}\tptr:{block:p}\n",
                mark(chosen)
            ));
        }
        if code == 0 { Ok(block) } else { Err(code) }
    }

    #[inline]
    unsafe fn resize(old: *mut c_void, size: usize) -> *mut c_void {
        let (kind, chosen) = choose(size);
        // SAFETY: `old` is null or a live block of this library, and the kind is live.
        let block = unsafe { memkind_realloc(kind, old, size) };
        if talks() {
            print(format_args!(
                "In my memkind realloc sz:{size}, p1:{old:p} ..{}\tptr={block:p}\n",
                mark(chosen)
            ));
        }
        block
    }

    #[inline]
    unsafe fn release(block: *mut c_void) {
        if talks() {
            report_free(block);
        }
        // SAFETY: `block` is NULL or a live block, of any allocator, and not used again.
        unsafe { memkind_preload_free(block, foreign::free) }
    }

    #[inline]
    unsafe fn usable_size(kind: Kind, block: *mut c_void) -> usize {
        // SAFETY: `block` is null or a live block of this library.
        unsafe { memkind_malloc_usable_size(kind, block) }
    }

    fn deprecated(name: &str) {
        // Before the settings are read, nothing is said.
        let is_ready = !KIND.load(Ordering::Relaxed).is_null();
        if is_ready && LEVEL.load(Ordering::Relaxed) > settings::SILENT {
            print(format_args!(
                "use of deprecated {name}. Use posix_memalign instead\n"
            ));
        }
    }
}

#[cold]
#[inline(never)]
fn allocate_aloud(size: usize, kind: Kind, chosen: bool) -> *mut c_void {
    // SAFETY: the kind is live.
    let block = unsafe { memkind_preload_malloc(size, kind) };
    print(format_args!(
        "In my memkind malloc sz:{size} ... {}\tptr:{block:p}\n",
        mark(chosen)
    ));
    block
}

#[cold]
#[inline(never)]
fn report_free(block: *mut c_void) {
    // SAFETY: any address may be asked about.
    if !unsafe { memkind_detect_kind(block) }.is_null() {
        print(format_args!("In my memkind free, ptr:{block:p}\n"));
    }
}

interpose::export_malloc_family!(crate::AutoHbw);

/// Says nothing before the settings are read, and in a program with privileges of its own.
fn say_switched(text: &str) {
    if !KIND.load(Ordering::Relaxed).is_null() {
        settings::info(text);
    }
}

/// autohbw_api.h
#[unsafe(no_mangle)]
extern "C" fn enableAutoHBW() {
    ENABLED.store(true, Ordering::Relaxed);
    say_switched("INFO: HBW allocations enabled by application (for this rank)\n");
}

/// autohbw_api.h
#[unsafe(no_mangle)]
extern "C" fn disableAutoHBW() {
    ENABLED.store(false, Ordering::Relaxed);
    say_switched("INFO: HBW allocations disabled by application (for this rank)\n");
}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    // memkind_ext.h: a program may reuse and overwrite blocks in any order.
    // SAFETY: no precondition.
    unsafe { memkind_set_block_order(1) };
    if is_privileged() {
        // It cannot have settings, and may come by the library through /etc/ld.so.preload:
        // all is left as it is, of MEMKIND_DEFAULT.
        return;
    }
    let kind = settings::read();
    // The first use of the kind happens here, not in a malloc of the program or of hwloc.
    // SAFETY: a static kind, and its own block.
    let block = unsafe { memkind_malloc(kind, 16) };
    let level = LEVEL.load(Ordering::Relaxed);
    if block.is_null() {
        if level > settings::SILENT {
            print(format_args!(
                "\t-HBW init call FAILED. Is required memory type present on your system?\n"
            ));
        }
        abort();
    }
    // SAFETY: a live block of libmemkind's, which nothing uses.
    unsafe { memkind_free(kind, block) };
    KIND.store(kind, Ordering::Release);
    if level > settings::SILENT {
        print(format_args!("\t-HBW int call succeeded\n"));
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}
