//! What jemalloc calls when an arena needs addresses or gives memory back.
//!
//! jemalloc keeps the arenas of two kinds apart only by a flag at the head of each
//! extent it was given. So an extent, once given, is never taken apart: there is no
//! dalloc hook, unused memory is given back by decommit or purge, and addresses go
//! with the kind. (The original unmaps parts of a mapping; jemalloc then joins the
//! rest with the next kind's extent, a crash on legal input.)

use core::ffi::{c_uint, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::backing::{Backing, Extent};
use crate::heap::je::{ExtentHooks, PAGE};
use crate::heap::thread::Thread;
use crate::heap::{Heap, page_map};
use crate::{cancel, log};

/// The hooks of a heap; they find it through their own address, so they must be its
/// first field.
pub(crate) const EXTENTS: ExtentHooks = ExtentHooks {
    alloc: Some(alloc),
    dalloc: None,
    destroy: None,
    commit: Some(commit),
    decommit: Some(decommit),
    purge_lazy: None,
    purge_forced: Some(purge_forced),
    split: Some(split),
    merge: Some(merge),
};

/// Runs `work` with `errno` kept: a free must not change it. The thread is not cancelled
/// meanwhile: jemalloc's locks are held.
fn keeping_errno<T>(work: impl FnOnce() -> T) -> T {
    let _deferred = cancel::defer_calls();
    let errno = log::errno();
    let result = work();
    log::set_errno(errno);
    result
}

/// The heap whose first field `hooks` is.
///
/// # Safety
/// `hooks` is the address of a live `Heap`, as `create_arena` was given it.
unsafe fn heap_of<'a>(hooks: *mut ExtentHooks) -> &'a Heap {
    // SAFETY: the caller's promise.
    unsafe { &*hooks.cast::<Heap>() }
}

/// What the hooks do, in terms of the heap.
impl Heap {
    fn take_extent(&self, size: usize, align: usize, memory: bool) -> Option<Extent> {
        let extent = self.backing.take(size, align, memory).ok()?;
        if let Backing::Fixed(_) = self.backing {
            // The area may be a block of another kind; that kind gets it back.
            let before = page_map::owner(extent.address);
            if before != self.id() {
                let _ = self.previous.compare_exchange(
                    0,
                    before as u32 + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        if extent.memory {
            // On failure the addresses are lost to the kind, which is out of memory anyway.
            page_map::set_owner(extent.address, size, self.id()).ok()?;
        }
        Some(extent)
    }

    /// Notes whether the calling thread was given memory of this size.
    fn note_memory(&self, size: usize, granted: bool) {
        if let Some(thread) = Thread::attached() {
            thread.refused.note(self.id, size, granted);
        }
    }

    /// Whether an extent without memory would be for what the calling thread has just been
    /// refused.
    fn was_refused(&self, size: usize) -> bool {
        self.backing.lacks_memory_at_first()
            && Thread::attached().is_some_and(|thread| thread.refused.covers(self.id, size))
    }

    /// Takes memory for a part of an extent that has none; whether there is any. The map
    /// learns whose pages they are only now: an arena has many more than it uses.
    fn take_memory(&self, address: usize, size: usize) -> bool {
        if self.backing.take_again(address, size).is_err() {
            return false;
        }
        let known = page_map::set_owner(address, size, self.id()).is_ok();
        if !known {
            // SAFETY: the range has just been taken, so no block is in it.
            unsafe { self.backing.give_back(address, size) };
        }
        known
    }
}

unsafe extern "C" fn alloc(
    hooks: *mut ExtentHooks,
    new_addr: *mut c_void,
    size: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    arena: c_uint,
) -> *mut c_void {
    if !new_addr.is_null() {
        return ptr::null_mut();
    }
    keeping_errno(|| {
        // SAFETY: jemalloc passes the hooks of the arena, which are a heap's.
        let heap = unsafe { heap_of(hooks) };
        // SAFETY: jemalloc passes valid flags. It asks for memory only where it uses all of
        // the extent; of what it takes in advance it commits parts later.
        let memory = unsafe { *commit };
        if !memory && heap.was_refused(size) {
            return ptr::null_mut();
        }
        let extent = heap.take_extent(size, alignment.max(PAGE), memory);
        if memory {
            heap.note_memory(size, extent.is_some());
        }
        let Some(extent) = extent else {
            return ptr::null_mut();
        };
        heap.grown.note(arena, size);
        let address = extent.address as *mut c_void;
        // SAFETY: jemalloc passes valid flags; the extent is ours and of this size.
        unsafe {
            if extent.zeroed {
                *zero = true;
            } else if *zero {
                ptr::write_bytes(address.cast::<u8>(), 0, size);
            }
            *commit = extent.memory;
        }
        address
    })
}

unsafe extern "C" fn commit(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, which are a heap's.
    let heap = unsafe { heap_of(hooks) };
    keeping_errno(|| {
        let granted = heap.take_memory(addr as usize + offset, length);
        heap.note_memory(length, granted);
        !granted
    })
}

unsafe extern "C" fn decommit(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, which are a heap's.
    let heap = unsafe { heap_of(hooks) };
    // SAFETY: jemalloc decommits only parts of the heap's extents without live blocks.
    let given = keeping_errno(|| unsafe { heap.backing.give_back(addr as usize + offset, length) });
    // Also where the pages stay: jemalloc counts them no more as used lately.
    heap.full.next_turn();
    if given {
        // What is not will be purged.
        heap.grown.count_piece(length);
    }
    !given
}

unsafe extern "C" fn purge_forced(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, which are a heap's.
    let heap = unsafe { heap_of(hooks) };
    heap.grown.count_piece(length);
    // SAFETY: jemalloc purges only parts of the heap's extents without live blocks.
    keeping_errno(|| !unsafe { heap.backing.purge(addr as usize + offset, length) })
}

unsafe extern "C" fn split(
    _hooks: *mut ExtentHooks,
    _addr: *mut c_void,
    _size: usize,
    _size_a: usize,
    _size_b: usize,
    _committed: bool,
    _arena: c_uint,
) -> bool {
    false
}

unsafe extern "C" fn merge(
    _hooks: *mut ExtentHooks,
    _addr_a: *mut c_void,
    _size_a: usize,
    _addr_b: *mut c_void,
    _size_b: usize,
    _committed: bool,
    _arena: c_uint,
) -> bool {
    false
}

/// The hooks for jemalloc's own records of an arena: ordinary memory whatever the
/// kind, really unmapped with the arena (jemalloc alone would keep 2 MiB of
/// addresses for each arena that ever was).
pub(crate) static METADATA: Metadata = Metadata(ExtentHooks {
    alloc: Some(metadata_alloc),
    dalloc: Some(metadata_dalloc),
    destroy: None,
    commit: None,
    decommit: None,
    purge_lazy: None,
    purge_forced: None,
    split: None,
    merge: None,
});

/// Hooks that nobody writes to.
pub(crate) struct Metadata(ExtentHooks);

// SAFETY: jemalloc only reads the hooks; the value is never written.
unsafe impl Sync for Metadata {}

impl Metadata {
    pub(crate) const fn as_ptr(&'static self) -> *mut ExtentHooks {
        ptr::from_ref(&self.0).cast_mut()
    }
}

/// jemalloc takes its records in blocks of this size, aligned to it.
const BLOCK: usize = 2 << 20;

/// Blocks of destroyed arenas, emptied, for the next ones.
static SPARE: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];

unsafe extern "C" fn metadata_alloc(
    _hooks: *mut ExtentHooks,
    new_addr: *mut c_void,
    size: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    _arena: c_uint,
) -> *mut c_void {
    if !new_addr.is_null() {
        return ptr::null_mut();
    }
    keeping_errno(|| {
        let spare = if size == BLOCK && alignment <= BLOCK {
            SPARE
                .iter()
                .map(|slot| slot.swap(0, Ordering::AcqRel))
                .find(|block| *block != 0)
        } else {
            None
        };
        let address = match spare {
            Some(block) => block,
            None => match map_metadata(size, alignment) {
                Some(block) => block,
                None => return ptr::null_mut(),
            },
        };
        // SAFETY: jemalloc passes valid flags; fresh and emptied blocks read as zero.
        unsafe {
            *zero = true;
            *commit = true;
        }
        address as *mut c_void
    })
}

unsafe extern "C" fn metadata_dalloc(
    _hooks: *mut ExtentHooks,
    addr: *mut c_void,
    size: usize,
    _committed: bool,
    _arena: c_uint,
) -> bool {
    keeping_errno(|| {
        // SAFETY: jemalloc gives the block up; it came from `map_metadata`.
        unsafe {
            if size == BLOCK && libc::madvise(addr, size, libc::MADV_DONTNEED) == 0 {
                let address = addr as usize;
                let kept = SPARE.iter().any(|slot| {
                    slot.compare_exchange(0, address, Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok()
                });
                if kept {
                    return false;
                }
            }
            libc::munmap(addr, size) != 0
        }
    })
}

fn map_metadata(size: usize, alignment: usize) -> Option<usize> {
    let map = |size| {
        // SAFETY: a fresh mapping; no existing memory is touched.
        let mapped = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        (mapped != libc::MAP_FAILED).then_some(mapped)
    };
    // From Linux 6.7 on it is aligned at once. A limit may not allow the addresses for more.
    let exact = map(size)?;
    if exact as usize % alignment == 0 {
        // SAFETY: as below.
        unsafe { libc::madvise(exact, size, libc::MADV_NOHUGEPAGE) };
        return Some(exact as usize);
    }
    // SAFETY: our own mapping, which nobody has seen.
    unsafe { libc::munmap(exact, size) };
    let padded = size.checked_add(alignment)?;
    let mapped = map(padded)?;
    // SAFETY: a fresh mapping; what is cut off has not been seen by anybody.
    unsafe {
        let start = mapped as usize;
        let address = (start + alignment - 1) & !(alignment - 1);
        if address > start {
            libc::munmap(mapped, address - start);
        }
        libc::munmap(
            (address + size) as *mut _,
            start + padded - (address + size),
        );
        // An arena uses some 90 KiB of its block: a huge page would waste the rest.
        libc::madvise(address as *mut _, size, libc::MADV_NOHUGEPAGE);
        Some(address)
    }
}
