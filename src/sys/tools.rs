//! What valgrind's memcheck, AddressSanitizer and ThreadSanitizer are told about blocks, if the process
//! runs under one of them.
//!
//! memcheck is asked by instructions that do nothing elsewhere. The sanitizers have functions in
//! the program; a table that the linker fills has their addresses, or null.

use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// A program that watches the accesses of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    /// There is no such program.
    Nothing,
    /// valgrind's memcheck.
    Memcheck,
    /// AddressSanitizer.
    Sanitizer,
    /// ThreadSanitizer.
    Races,
}

/// The number of the tool that was found, plus one; 0 before a look.
static KNOWN: AtomicU8 = AtomicU8::new(0);

/// The tool that the process runs under.
pub(crate) fn tool() -> Tool {
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            let found = find();
            KNOWN.store(found as u8 + 1, Ordering::Relaxed);
            found
        }
        1 => Tool::Nothing,
        2 => Tool::Memcheck,
        3 => Tool::Sanitizer,
        _ => Tool::Races,
    }
}

fn find() -> Tool {
    if functions().poison.is_some() && functions().unpoison.is_some() {
        return Tool::Sanitizer;
    }
    if functions().acquire.is_some() && functions().release.is_some() {
        return Tool::Races;
    }
    let byte = 0_u8;
    // Other tools of valgrind's do not know the request, and leave the answer as it was.
    if request(
        NOTHING,
        CHECK_ADDRESSABLE,
        [&raw const byte as usize, 1, 0, 0, 0],
    ) == 0
    {
        Tool::Memcheck
    } else {
        Tool::Nothing
    }
}

const NOTHING: usize = usize::MAX;
const MALLOCLIKE_BLOCK: usize = 0x1301;
const FREELIKE_BLOCK: usize = 0x1302;
const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;
const MAKE_NOACCESS: usize = MEMCHECK;
const MAKE_DEFINED: usize = MEMCHECK + 2;
const CHECK_ADDRESSABLE: usize = MEMCHECK + 4;

/// Asks valgrind; `otherwise` where there is none, or where it does not know what to say.
#[cfg(target_arch = "x86_64")]
fn request(otherwise: usize, code: usize, arguments: [usize; 5]) -> usize {
    let [a, b, c, d, e] = arguments;
    let all = [code, a, b, c, d, e];
    let mut answer = otherwise;
    // SAFETY: rotations by 128 bits in all, and an exchange of a register with itself: nothing
    // happens outside of valgrind, which reads the six words.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") answer,
            in("rax") &raw const all,
            inout("rdi") 0_usize => _,
            options(nostack),
        );
    }
    answer
}

#[cfg(not(target_arch = "x86_64"))]
fn request(otherwise: usize, _code: usize, _arguments: [usize; 5]) -> usize {
    otherwise
}

type Range = unsafe extern "C" fn(*const u8, usize);
type Order = unsafe extern "C" fn(*const u8);
type Ignore = unsafe extern "C" fn(*const c_char, c_int);

/// The functions of the sanitizers, in the order of the table.
#[repr(C)]
struct Functions {
    poison: Option<Range>,
    unpoison: Option<Range>,
    register_root: Option<Range>,
    acquire: Option<Order>,
    release: Option<Order>,
    ignore_reads: Option<Ignore>,
    heed_reads: Option<Ignore>,
    ignore_writes: Option<Ignore>,
    heed_writes: Option<Ignore>,
}

core::arch::global_asm!(
    ".weak __asan_poison_memory_region",
    ".weak __asan_unpoison_memory_region",
    ".weak __lsan_register_root_region",
    ".weak __tsan_acquire",
    ".weak __tsan_release",
    ".weak AnnotateIgnoreReadsBegin",
    ".weak AnnotateIgnoreReadsEnd",
    ".weak AnnotateIgnoreWritesBegin",
    ".weak AnnotateIgnoreWritesEnd",
    ".pushsection .data.rel.ro.memkind_sanitizers, \"aw\"",
    ".p2align 3",
    ".hidden memkind_sanitizer_table",
    ".globl memkind_sanitizer_table",
    "memkind_sanitizer_table:",
    ".8byte __asan_poison_memory_region",
    ".8byte __asan_unpoison_memory_region",
    ".8byte __lsan_register_root_region",
    ".8byte __tsan_acquire",
    ".8byte __tsan_release",
    ".8byte AnnotateIgnoreReadsBegin",
    ".8byte AnnotateIgnoreReadsEnd",
    ".8byte AnnotateIgnoreWritesBegin",
    ".8byte AnnotateIgnoreWritesEnd",
    ".popsection",
);

fn functions() -> &'static Functions {
    unsafe extern "C" {
        static memkind_sanitizer_table: Functions;
    }
    // SAFETY: the linker has filled the table, and nothing writes to it.
    unsafe { &memkind_sanitizer_table }
}

fn poison(start: *const u8, size: usize) {
    if let Some(poison) = functions().poison {
        // SAFETY: memory of the library's; no access is made.
        unsafe { poison(start, size) }
    }
}

fn unpoison(start: *const u8, size: usize) {
    if let Some(unpoison) = functions().unpoison {
        // SAFETY: memory of the library's; no access is made.
        unsafe { unpoison(start, size) }
    }
}

/// Its address stands for one lock of all heaps, of which ThreadSanitizer is told in place of the locks that
/// there are: it does not see these.
static LOCK: u8 = 0;

/// Tells ThreadSanitizer that what threads did before they freed blocks happens before what the calling thread
/// does with a block that it gets now.
fn acquire() {
    if let Some(acquire) = functions().acquire {
        // SAFETY: only the address counts.
        unsafe { acquire(&raw const LOCK) }
    }
}

/// Tells ThreadSanitizer that what the calling thread has done happens before any later [`acquire`].
fn release() {
    if let Some(release) = functions().release {
        // SAFETY: only the address counts.
        unsafe { release(&raw const LOCK) }
    }
}

/// Marks that the calling thread works on the library's own memory, or on blocks that the program does not have:
/// while the value lives, ThreadSanitizer takes no notice of what the thread reads and writes. Values may nest.
pub(crate) struct Inside(());

impl Inside {
    /// Begins such work. Without the sanitizer this reads one byte.
    pub(crate) fn new() -> Self {
        if tool() == Tool::Races {
            tell(functions().ignore_reads);
            tell(functions().ignore_writes);
        }
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if tool() == Tool::Races {
            tell(functions().heed_writes);
            tell(functions().heed_reads);
        }
    }
}

/// Calls one of the functions that begin and end what ThreadSanitizer does not look at.
fn tell(function: Option<Ignore>) {
    if let Some(function) = function {
        // SAFETY: a string, and the number of a line, for reports.
        unsafe { function(c"memkind".as_ptr(), 0) }
    }
}

/// Tells of a block of `size` bytes that a program has been given, in the middle of `whole`
/// bytes from `base`, of which it may not use the rest.
pub(crate) fn made(base: *const u8, whole: usize, block: *const u8, size: usize, zeroed: bool) {
    match tool() {
        Tool::Nothing => {}
        Tool::Memcheck => {
            request(0, MAKE_NOACCESS, [base as usize, whole, 0, 0, 0]);
            let arguments = [block as usize, size, 0, zeroed.into(), 0];
            request(0, MALLOCLIKE_BLOCK, arguments);
        }
        Tool::Sanitizer => {
            poison(base, whole);
            unpoison(block, size);
        }
        Tool::Races => acquire(),
    }
}

/// Tells that a block of `size` bytes has been freed; or that an address was which is no block,
/// with `size` 0.
pub(crate) fn freed(block: *const u8, size: usize) {
    match tool() {
        Tool::Nothing => {}
        Tool::Memcheck => {
            request(0, FREELIKE_BLOCK, [block as usize, 0, 0, 0, 0]);
        }
        Tool::Sanitizer => poison(block, size),
        Tool::Races => release(),
    }
}

/// Tells that the library may use memory again.
pub(crate) fn open(start: *const u8, size: usize) {
    match tool() {
        Tool::Nothing | Tool::Races => {}
        Tool::Memcheck => {
            request(0, MAKE_DEFINED, [start as usize, size, 0, 0, 0]);
        }
        Tool::Sanitizer => unpoison(start, size),
    }
}

/// Tells that the library may not use memory until it says so: what it has looked at.
pub(crate) fn close(start: *const u8, size: usize) {
    match tool() {
        Tool::Nothing | Tool::Races => {}
        Tool::Memcheck => {
            request(0, MAKE_NOACCESS, [start as usize, size, 0, 0, 0]);
        }
        Tool::Sanitizer => poison(start, size),
    }
}

/// The extents that LeakSanitizer knows, by where they begin and end.
static ROOTS: [[AtomicUsize; 2]; 4096] =
    [const { [AtomicUsize::new(0), AtomicUsize::new(0)] }; 4096];

/// Tells LeakSanitizer that blocks of the program's may hold the only pointers to others. It
/// looks only at what is mapped, so it need not be told that an extent has gone.
pub(crate) fn holds_pointers(start: usize, size: usize) {
    let Some(register) = functions().register_root else {
        return;
    };
    let end = start + size;
    for [from, to] in &ROOTS {
        let known = from.load(Ordering::Acquire);
        if known == 0 {
            if from
                .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            to.store(end, Ordering::Release);
            break;
        }
        if known <= start && end <= to.load(Ordering::Acquire) {
            return;
        }
    }
    // SAFETY: the sanitizer keeps the numbers, and reads what is mapped there when it looks.
    unsafe { register(start as *const u8, size) }
}
