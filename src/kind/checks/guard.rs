//! Blocks that end where a page without access begins: the processor finds the fault.
//!
//! One block in a given number is made so. The memory is a block of the kind's heap, whose last page
//! is closed; when it is freed, all of it is closed for a while.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::canary::FRONT;
use super::fault::{self, Fault};
use super::record::{Record, State};
use super::records;
use super::settings;
use crate::backing::{page_size, round_up};
use crate::error::Error;
use crate::heap::{self, page_map};
use crate::log;

/// Blocks that have been counted towards the next guarded one.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Blocks that have closed pages, freed ones among them.
static CLOSED: AtomicUsize = AtomicUsize::new(0);
/// The most blocks with closed pages. Each takes up to three of the 65530 mappings that a process may have
/// by default.
const MOST_CLOSED: usize = 8192;
/// The most freed blocks that stay closed.
pub(super) const KEPT: usize = 1024;

/// Whether the next block that does not take the fast path is to be guarded.
static DUE: AtomicBool = AtomicBool::new(false);

/// Counts `n` blocks; whether one of them is to be guarded.
fn count(n: usize) -> bool {
    let rate = settings::rate();
    let before = COUNT.fetch_add(n, Ordering::Relaxed);
    rate != 0 && before / rate != before.wrapping_add(n) / rate
}

/// Whether the next block is to be guarded. Counts it.
pub(super) fn is_due() -> bool {
    count(1) | (DUE.load(Ordering::Relaxed) && DUE.swap(false, Ordering::Relaxed))
}

/// Whether the calling thread, which frees a block, is to get the next one where it can be guarded.
/// Counts those that it has freed by the fast path.
pub(crate) fn is_sample_due() -> bool {
    if !settings::is_seldom() {
        return false;
    }
    let due = heap::blocks::frees_when_due().is_some_and(count);
    if due {
        DUE.store(true, Ordering::Relaxed);
    }
    due
}

/// Whether there is any block with closed pages.
pub(super) fn any() -> bool {
    CLOSED.load(Ordering::Relaxed) != 0
}

/// Sets what may be done with some pages; `false` if the kernel refuses.
///
/// # Safety
/// They are whole pages of a block that is the caller's, or has been freed.
unsafe fn protect(start: *mut u8, size: usize, access: c_int) -> bool {
    // SAFETY: whole pages of a block, which no other code uses.
    unsafe { libc::mprotect(start.cast(), size, access) == 0 }
}

/// A block of `size` bytes at a multiple of `align`, a power of two, with a closed page behind
/// it; `None` if that cannot be had just now. `take` gets what is cut up from the kind.
pub(super) fn make(
    align: usize,
    size: usize,
    zeroed: bool,
    take: impl Fn(usize, usize) -> Result<*mut u8, Error>,
) -> Option<Record> {
    if align > page_size() || CLOSED.load(Ordering::Relaxed) >= MOST_CLOSED {
        return None;
    }
    let align = align.max(16);
    let room = round_up(size.checked_add(FRONT)?, page_size())?;
    let whole = room.checked_add(page_size())?;
    let base = take(page_size(), whole).ok()?;
    // SAFETY: inside the block.
    let last = unsafe { base.add(room) };
    // SAFETY: the last page of a block that no other thread has seen.
    if !unsafe { protect(last, page_size(), libc::PROT_NONE) } {
        // SAFETY: a block that no other thread has seen.
        unsafe { heap::blocks::free(base) };
        return None;
    }
    CLOSED.fetch_add(1, Ordering::Relaxed);
    install();
    let front = (room - size) & !(align - 1);
    // SAFETY: inside the block.
    let block = unsafe { base.add(front) };
    if zeroed {
        // SAFETY: the block and its `size` bytes are open.
        unsafe { block.write_bytes(0, size) };
    }
    let mut record = Record::new(block, size, whole, front);
    record.guarded = true;
    // The fast paths are to leave it alone.
    record.entry = page_map::take_blocks(base as usize, whole);
    Some(record)
}

/// Closes all of a block that has been freed. If the kernel refuses, it stays as it is.
pub(super) fn close(record: &Record) {
    // SAFETY: all pages of a block that has been freed.
    unsafe { protect(record.base(), record.whole, libc::PROT_NONE) };
}

/// Opens the block again, for its heap; `false` if the kernel refuses, and the block is lost.
pub(super) fn open(record: &Record) -> bool {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: all pages of a block that has been freed.
    let opened = unsafe { protect(record.base(), record.whole, access) };
    if opened {
        page_map::give_blocks(record.base().addr(), record.whole, record.entry);
    }
    CLOSED.fetch_sub(1, Ordering::Relaxed);
    opened
}

/// What handled SIGSEGV before.
struct Before(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, by the thread that sets INSTALLED and before the handler is in place.
unsafe impl Sync for Before {}

static BEFORE: Before = Before(UnsafeCell::new(MaybeUninit::uninit()));
static INSTALLED: AtomicBool = AtomicBool::new(false);

fn install() {
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: a zeroed structure is a valid one; the handler has the signature that SA_SIGINFO
    // asks for. It runs on the program's other stack, if there is one.
    unsafe {
        let mut ours: libc::sigaction = core::mem::zeroed();
        let mut before: libc::sigaction = core::mem::zeroed();
        ours.sa_sigaction = handle as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        if libc::sigaction(libc::SIGSEGV, ptr::null(), &raw mut before) == 0 {
            (*BEFORE.0.get()).write(before);
            libc::sigaction(libc::SIGSEGV, &raw const ours, ptr::null_mut());
        }
    }
}

/// Handles SIGSEGV: describes the guarded block at the address, if there is one, and leaves the signal
/// to what handled it before.
///
/// # Safety
/// Called by the kernel alone, with the description of a signal.
unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = log::errno();
    // SAFETY: the kernel's description of the signal.
    let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
    if code > 0 {
        tell(address);
    }
    log::set_errno(errno);
    // SAFETY: written before this handler was in place.
    let before = unsafe { (*BEFORE.0.get()).assume_init_ref() };
    let handler = before.sa_sigaction;
    // SAFETY: the handler that the program had set, called as it is set up to be; else what the
    // signal did before: the access is tried again.
    unsafe {
        if handler != libc::SIG_DFL && handler != libc::SIG_IGN {
            if before.sa_flags & libc::SA_SIGINFO != 0 {
                let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    core::mem::transmute(handler);
                handler(signal, info, context);
            } else {
                let handler: unsafe extern "C" fn(c_int) = core::mem::transmute(handler);
                handler(signal);
            }
            return;
        }
        libc::sigaction(libc::SIGSEGV, before, ptr::null_mut());
        if code <= 0 {
            libc::raise(signal);
        }
    }
}

fn tell(address: usize) {
    // The thread may have been stopped while it had the records.
    let Some(found) = (0..1000).find_map(|_| {
        let records = records::try_hold();
        if records.is_none() {
            // SAFETY: no preconditions.
            unsafe { libc::sched_yield() };
        }
        records.map(|records| records.around(address))
    }) else {
        return;
    };
    let Some(record) = found.filter(|record| record.guarded) else {
        return;
    };
    let start = record.block().addr();
    let fault = if record.state() == State::Live {
        match address.checked_sub(start + record.size) {
            Some(byte) => Fault::AccessBehind(byte),
            None => return,
        }
    } else if address < start {
        Fault::AccessBefore(start - address)
    } else if address < start + record.size {
        Fault::AccessAfter(address - start)
    } else {
        Fault::AccessBehind(address - start - record.size)
    };
    fault::describe(fault, &record, &mut fault::on_standard_error);
    fault::tell_now(&mut fault::on_standard_error);
}
