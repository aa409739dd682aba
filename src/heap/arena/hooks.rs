//! What jemalloc calls when an arena needs addresses or gives memory back.
//!
//! jemalloc keeps the arenas of two kinds apart only by a flag at the head of each
//! extent it was given. So an extent, once given, is never taken apart: there is no
//! dalloc hook, unused memory is given back by decommit or purge, and addresses go
//! with the kind. (The original unmaps parts of a mapping; jemalloc then joins the
//! rest with the next kind's extent, a crash on legal input.)

use core::ffi::{c_uint, c_void};
use core::ptr;
use core::sync::atomic::Ordering;

use super::arenas::Arenas;
use crate::backing::{Backing, Extent};
use crate::heap::base::je::{ExtentHooks, PAGE, in_hook};
use crate::heap::base::page_map;
use crate::heap::thread::Thread;
use crate::sys::tools;

/// An arena that takes at least this many bytes of addresses at a time is looked at by `giveback`:
/// with less there cannot be much that is free.
const GROWTH: usize = 8 << 20;

/// The hooks for extents; they find the arenas through their own address, so they must be the
/// first field of `Arenas`.
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

/// The arenas whose first field `hooks` is.
///
/// # Safety
/// `hooks` is the address of live `Arenas`, as `create_arena` was given it.
unsafe fn arenas_of<'a>(hooks: *mut ExtentHooks) -> &'a Arenas {
    // SAFETY: the hooks are the first field of live `Arenas`, a repr(C) struct.
    unsafe { &*hooks.cast::<Arenas>() }
}

/// What the hooks do, in terms of the arenas.
impl Arenas {
    fn take_extent(&self, size: usize, align: usize, memory: bool) -> Option<Extent> {
        let extent = self.backing.take(size, align, memory).ok()?;
        let mut before = 0;
        if let Backing::Fixed(_) = self.backing {
            // The area may be a block of another kind; that kind gets it back.
            before = page_map::owner_of_page(extent.address);
            if before != self.id() {
                let _ = self.previous.compare_exchange(
                    0,
                    before as u32 + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        if extent.memory && page_map::set_owner(extent.address, size, self.id()).is_err() {
            page_map::change_owner(extent.address, size, before);
            // Addresses of a file or an area are lost to the kind, which is out of memory anyway.
            // SAFETY: an extent just taken, which no other code has seen.
            unsafe {
                self.backing.give_back(extent.address, size);
                self.backing.release(extent.address, size);
            }
            return None;
        }
        Some(extent)
    }

    /// Notes whether the calling thread was given memory of this size.
    fn note_memory(&self, size: usize, granted: bool) {
        if let Some(thread) = Thread::attached() {
            thread.refused.note(self.id() as u32, size, granted);
        }
    }

    /// Whether an extent without memory would be for what the calling thread has just been
    /// refused.
    fn was_refused(&self, size: usize) -> bool {
        Thread::attached().is_some_and(|thread| thread.refused.covers(self.id() as u32, size))
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

/// # Safety
/// Called by jemalloc alone, with the hooks of an arena and places for two answers.
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
    in_hook(|| {
        // SAFETY: jemalloc passes the hooks of the arena, the first field of live `Arenas`.
        let arenas = unsafe { arenas_of(hooks) };
        // SAFETY: jemalloc passes valid flags. It asks for memory only where it uses all of
        // the extent; of what it takes in advance it commits parts later.
        let memory = unsafe { *commit };
        if !memory && arenas.was_refused(size) {
            return ptr::null_mut();
        }
        let extent = arenas.take_extent(size, alignment.max(PAGE), memory);
        if memory {
            arenas.note_memory(size, extent.is_some());
        }
        let Some(extent) = extent else {
            return ptr::null_mut();
        };
        if size >= GROWTH {
            arenas.grown.store(arena, Ordering::Relaxed);
        }
        tools::holds_pointers(extent.address, size);
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

/// # Safety
/// Called by jemalloc alone, with the hooks and a range of an arena.
unsafe extern "C" fn commit(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, the first field of live `Arenas`.
    let arenas = unsafe { arenas_of(hooks) };
    in_hook(|| {
        let granted = arenas.take_memory(addr as usize + offset, length);
        arenas.note_memory(length, granted);
        !granted
    })
}

/// # Safety
/// Called by jemalloc alone, with the hooks and a range of an arena without blocks.
unsafe extern "C" fn decommit(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, the first field of live `Arenas`.
    let arenas = unsafe { arenas_of(hooks) };
    // SAFETY: jemalloc decommits only parts of the arena's extents without live blocks.
    let given = in_hook(|| unsafe { arenas.backing.give_back(addr as usize + offset, length) });
    // Also where the pages stay: jemalloc no longer counts them as used lately.
    arenas.turn.next();
    !given
}

/// # Safety
/// Called by jemalloc alone, with the hooks and a range of an arena without blocks.
unsafe extern "C" fn purge_forced(
    hooks: *mut ExtentHooks,
    addr: *mut c_void,
    _size: usize,
    offset: usize,
    length: usize,
    _arena: c_uint,
) -> bool {
    // SAFETY: jemalloc passes the hooks of the arena, the first field of live `Arenas`.
    let arenas = unsafe { arenas_of(hooks) };
    // SAFETY: jemalloc purges only parts of the arena's extents without live blocks.
    in_hook(|| !unsafe { arenas.backing.purge(addr as usize + offset, length) })
}

extern "C" fn split(
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

extern "C" fn merge(
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
