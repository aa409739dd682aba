//! Mappings that are resized, and moved if need be, without a copy: mremap(2).
//!
//! The kernel keeps the policy, the advice and the name of a mapping that it enlarges or moves, and
//! does neither where a program has given parts of it others.

use super::account::resize::Mapping;
use super::anonymous::Anonymous;
use super::mapping::{READ_WRITE, unmap};
use crate::backing::base::UNIT;
use crate::error::Error;
use crate::log;

impl Anonymous {
    /// Resizes an extent that was taken with memory, from a source of ordinary pages: from `before` to
    /// `size` bytes, both whole pages. Returns its address; only with `moves` that may be another one.
    /// `is_known` is told of the start and the size of addresses that the extent may have before it
    /// has them. On an error nothing has changed. Keeps `errno` on success.
    ///
    /// # Errors
    /// `NoMemory` when there is no memory for more, or `is_known` refuses; `OperationFailed` when
    /// only a copy can be larger.
    ///
    /// # Safety
    /// The extent is the caller's, and pages that it loses are not used any more.
    pub unsafe fn resize(
        &self,
        address: usize,
        before: usize,
        size: usize,
        moves: bool,
        is_known: impl Fn(usize, usize) -> bool,
    ) -> Result<usize, Error> {
        let errno = log::errno();
        let old = Mapping {
            start: address,
            size: before,
        };
        if size <= before {
            // SAFETY: the extent is the caller's, and the pages that it loses are not used.
            unsafe { self.cut(old, size) };
            return Ok(address);
        }
        if remap(old, size, None) {
            let grown = Mapping {
                start: address,
                size,
            };
            let counted = match self.account() {
                _ if !is_known(address, size) => Err(Error::NoMemory),
                Some(account) => account.grow(grown, before),
                None => Ok(()),
            };
            if let Err(error) = counted {
                // SAFETY: the bytes by which the mapping has just grown, which no other code has seen.
                unsafe { unmap(address + before, size - before) };
                return Err(error);
            }
            self.ranges.replace(address, address, size);
            log::set_errno(errno);
            return Ok(address);
        }
        // Other answers than that there is no room mean that it cannot grow elsewhere either.
        if !moves || log::errno() != libc::ENOMEM {
            return Err(Error::OperationFailed);
        }
        let start = self.addresses_to_move_to(before, size)?;
        let new = Mapping { start, size };
        if !is_known(start, size) {
            // SAFETY: addresses just reserved, which no other code has seen.
            unsafe { unmap(start, size) };
            return Err(Error::NoMemory);
        }
        let account = self.account();
        let counted = account
            .map(|account| account.begin_move(old, new))
            .transpose();
        // SAFETY: addresses just reserved, which no other code has seen.
        let counted = counted.inspect_err(|_| unsafe { unmap(start, size) })?;
        // Before the kernel gives the old addresses to another thread, or, when it refuses, the new
        // ones: what is listed or counted at either address from here on may be that thread's.
        let place = self.ranges.hold(address);
        let done = remap(old, size, Some(start));
        // These addresses are this thread's alone again.
        let now = if done { new } else { old };
        if let Some(place) = place {
            place.put(now.start, now.size);
        }
        if let (Some(account), Some(counted)) = (account, counted) {
            account.end_move(counted, now);
        }
        if done {
            log::set_errno(errno);
            return Ok(start);
        }
        give_up(new);
        Err(Error::OperationFailed)
    }

    /// Reserves addresses to which a mapping of `before` bytes is to move, as one of `size` bytes. The
    /// limits of the process must allow what it grows by besides: newer kernels (6.18) ask for that
    /// before they unmap the new addresses, and whether a move was refused before or after that
    /// cannot be told, so that they would be lost.
    ///
    /// # Errors
    /// `NoMemory` when there are none for a copy either, and else `OperationFailed`.
    fn addresses_to_move_to(&self, before: usize, size: usize) -> Result<usize, Error> {
        let (none, more) = (libc::PROT_NONE, size - before);
        if self.may_have_data(more) {
            if let Ok(start) = self.page.map_aligned(size, UNIT, more, none) {
                return Ok(start);
            }
        }
        let start = self.page.map_aligned(size, UNIT, 0, none)?;
        // SAFETY: addresses just reserved, which no other code has seen.
        unsafe { unmap(start, size) };
        Err(Error::OperationFailed)
    }

    /// Whether RLIMIT_DATA, which does not count addresses without access, allows `size` bytes more.
    fn may_have_data(&self, size: usize) -> bool {
        let mut limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: `limit` is writable.
        unsafe { libc::getrlimit(libc::RLIMIT_DATA, &raw mut limit) };
        limit.rlim_cur == libc::RLIM_INFINITY
            || self.page.map(size, READ_WRITE).is_ok_and(|start| {
                // SAFETY: a fresh mapping, which no other code has seen.
                unsafe { unmap(start, size) };
                true
            })
    }

    /// Unmaps all but the first `size` bytes of an extent.
    ///
    /// # Safety
    /// The extent is this source's, and those bytes are not used any more.
    unsafe fn cut(&self, old: Mapping, size: usize) {
        let rest = old.size - size;
        if rest == 0 {
            return;
        }
        self.ranges.replace(old.start, old.start, size);
        if let Some(account) = self.account() {
            account.shrink(old, size);
        }
        // SAFETY: the end of an extent of this source, which is not used any more.
        unsafe { unmap(old.start + size, rest) };
    }
}

/// Enlarges a mapping to `size` bytes, where it is or at an address that is reserved for it; whether
/// the kernel has.
fn remap(old: Mapping, size: usize, to: Option<usize>) -> bool {
    let flags = match to {
        None => 0,
        Some(_) => libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
    };
    let place = to.unwrap_or(0) as *mut libc::c_void;
    // SAFETY: a mapping of the heap's that is resized, and goes where it is or where only addresses
    // were reserved for it.
    let moved = unsafe { libc::mremap(old.start as *mut _, old.size, size, flags, place) };
    moved != libc::MAP_FAILED
}

/// Unmaps addresses to which the kernel has refused to move a mapping. It may have unmapped them
/// before it refused, and given them to another thread: what is mapped there stays.
fn give_up(reserved: Mapping) {
    // SAFETY: nothing that is mapped is touched.
    let mapped = unsafe {
        libc::mmap(
            reserved.start as *mut _,
            reserved.size,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    // Elsewhere by a kernel that does not know the flag (before 4.17).
    if mapped != libc::MAP_FAILED {
        // SAFETY: a fresh mapping, which no other code has seen.
        unsafe { unmap(mapped as usize, reserved.size) };
    }
}
