//! Pools: objects of one size and alignment, with a cache in each thread.
//!
//! A pool takes slabs from its kind and keeps them until it is destroyed. Objects that have
//! never been handed out are cut from the newest slabs; free ones are in `heap::objects`.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `slabs` | the slabs of a pool |
//! | this file | the record of a pool: making, destroying and counting it; forks |
//! | `grow` | taking slabs from the kind |
//! | `lend` | handles; getting objects and putting them back |

mod grow;
mod lend;
mod slabs;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::usage::Usage;
use super::users;
use crate::backing::{Slabs, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::objects::{self, Held, Objects, POOLS};
use crate::heap::page_map;
use crate::kind::Kind;
use crate::kind::checks::{self, Home, Origin, objects::are_checked};
use crate::log::{self, refused};

/// The alignment of objects, in bytes, where the program asks for none.
const USUAL_ALIGN: usize = 16;
/// The largest alignment of objects, in bytes.
const MAX_ALIGN: usize = 2 << 20;
/// The smallest alignment of objects, in bytes: free ones are linked through their first bytes when there is
/// no memory for records.
const MIN_ALIGN: usize = 8;
/// Bytes of a magazine of free objects; a thread keeps up to two magazines.
const MAGAZINE: usize = 256 << 10;
/// The fewest objects of a magazine.
const MAGAZINE_MIN: usize = 4;
/// The most objects of a magazine.
const MAGAZINE_MAX: usize = 64;

/// What the lock of the objects guards.
#[derive(Default)]
struct Growth {
    /// Whether a thread is taking a slab.
    busy: bool,
    /// Bytes of all slabs.
    held: usize,
    /// The number of slabs.
    n_slabs: usize,
}

/// Objects of one size, cut from slabs of a kind (`struct memkind_pool`).
#[repr(C)]
pub struct Pool {
    /// The first field, since it is all that the fast paths know of a pool.
    objects: Objects,
    live: AtomicBool,
    /// Whether a forked child has this pool but not its memory.
    lost: AtomicBool,
    kind: AtomicPtr<Kind>,
    /// Bytes of an object that the program asked for.
    size: AtomicUsize,
    /// Bytes from one object to the next.
    stride: AtomicUsize,
    /// What the address of each object is a multiple of.
    align: AtomicUsize,
    /// The most objects; `usize::MAX` for any number.
    limit: AtomicUsize,
    /// The number of objects in all slabs.
    n_objects: AtomicUsize,
    n_refused: AtomicUsize,
    /// Streams that take buffers from it.
    pub(super) n_streams: AtomicU32,
    slabs: slabs::Slabs,
    growth: UnsafeCell<Growth>,
}

// SAFETY: `growth` is used under the lock of the objects only; the rest is atomic or Sync.
unsafe impl Sync for Pool {}

/// All records of pools: they are used again, and never freed.
static ALL: [AtomicPtr<Pool>; POOLS] = [const { AtomicPtr::new(ptr::null_mut()) }; POOLS];

fn all() -> impl Iterator<Item = &'static Pool> {
    // SAFETY: null, or a record of a pool.
    ALL.iter()
        .map_while(|place| unsafe { place.load(Ordering::Acquire).as_ref() })
}

impl Pool {
    fn blank() -> Self {
        Self {
            objects: Objects::new(),
            live: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            kind: AtomicPtr::new(ptr::null_mut()),
            size: AtomicUsize::new(0),
            stride: AtomicUsize::new(0),
            align: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            n_objects: AtomicUsize::new(0),
            n_refused: AtomicUsize::new(0),
            n_streams: AtomicU32::new(0),
            slabs: slabs::Slabs::new(),
            growth: UnsafeCell::new(Growth::default()),
        }
    }

    /// Makes a pool of objects of `size` bytes at multiples of `align` (0 for 16) from a kind;
    /// `count` is the most, 0 for any number.
    ///
    /// # Errors
    /// `Invalid` for size 0, an alignment that is no power of two or above 2 MiB, and more bytes than
    /// there are addresses; `TooMany`; `Malloc`.
    pub fn create(
        kind: &'static Kind,
        size: usize,
        align: usize,
        count: usize,
    ) -> Result<&'static Pool, Error> {
        let align = if align == 0 { USUAL_ALIGN } else { align };
        if size == 0 || !align.is_power_of_two() || align > MAX_ALIGN {
            return refused!(
                Err(Error::Invalid),
                "Cannot create pool: objects of {size} bytes at multiples of {align}; it takes at least 1 byte and a power of two up to {MAX_ALIGN}."
            );
        }
        let align = align.max(MIN_ALIGN);
        let stride = round_up(size, align);
        let bytes = stride.and_then(|stride| stride.checked_mul(count.max(1)));
        let (Some(stride), true) = (stride, bytes.is_some_and(|bytes| bytes < page_map::END))
        else {
            return refused!(
                Err(Error::Invalid),
                "Cannot create pool: there are not so many addresses ({count} objects of {size} bytes)."
            );
        };
        let _others = objects::making();
        let pool = Self::record().inspect_err(|error| match error {
            Error::TooMany => log::error!("Cannot create pool: {POOLS} pools exist."),
            _ => log::error!("Cannot create pool: no memory for its record."),
        })?;
        pool.kind
            .store(ptr::from_ref(kind).cast_mut(), Ordering::Relaxed);
        pool.size.store(size, Ordering::Relaxed);
        pool.stride.store(stride, Ordering::Relaxed);
        pool.align.store(align, Ordering::Relaxed);
        let limit = if count == 0 { usize::MAX } else { count };
        pool.limit.store(limit, Ordering::Relaxed);
        pool.lost.store(false, Ordering::Relaxed);
        pool.n_objects.store(0, Ordering::Relaxed);
        pool.n_refused.store(0, Ordering::Relaxed);
        let capacity = (MAGAZINE / stride).clamp(MAGAZINE_MIN, MAGAZINE_MAX);
        pool.objects.set_capacity(capacity);
        users::add(kind);
        pool.live.store(true, Ordering::Release);
        Ok(pool)
    }

    /// A record that no pool has. The caller is the only one who makes pools.
    fn record() -> Result<&'static Pool, Error> {
        let unused = |pool: &&Pool| !pool.live.load(Ordering::Relaxed);
        if let Some(pool) = all().find(unused) {
            return Ok(pool);
        }
        let place = ALL.get(all().count()).ok_or(Error::TooMany)?;
        let fresh = Box::into_raw(boxed(Self::blank())?);
        // SAFETY: just made. It stays for good once it is registered.
        if let Err(error) = unsafe { &*fresh }.objects.register() {
            // SAFETY: from a box, and not seen by another thread.
            drop(unsafe { Box::from_raw(fresh) });
            return Err(error);
        }
        place.store(fresh, Ordering::Release);
        // SAFETY: never freed from now on.
        Ok(unsafe { &*fresh })
    }

    /// Destroys the pool with all its objects; its slabs go back to the kind.
    ///
    /// # Errors
    /// `Invalid` for one that does not live; `OperationFailed` while streams of it, or
    /// vectors with its objects, exist.
    ///
    /// # Safety
    /// No other thread uses the pool, and no object is used any more.
    pub unsafe fn destroy(&'static self) -> Result<(), Error> {
        if !self.is_live() {
            return refused!(
                Err(Error::Invalid),
                "Cannot destroy pool: it was destroyed before."
            );
        }
        if self.n_streams.load(Ordering::Acquire) > 0 || self.slabs.in_vectors() {
            return refused!(
                Err(Error::OperationFailed),
                "Cannot destroy pool: streams of it exist, or vectors with its objects."
            );
        }
        if are_checked() {
            checks::objects::forget_home(self);
        }
        let _others = objects::making();
        let held = self.objects.hold();
        // SAFETY: no other thread uses the pool, and none of its objects.
        unsafe { held.forget() };
        *self.growth(&held) = Growth::default();
        drop(held);
        // SAFETY: no object is used any more.
        unsafe { self.slabs.give_back() };
        users::remove(self.kind());
        self.live.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether the pool has been made and not destroyed.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// The kind that the pool takes memory from.
    pub fn kind(&self) -> &'static Kind {
        // SAFETY: set when the pool was made; kinds are in static places.
        unsafe { &*self.kind.load(Ordering::Relaxed) }
    }

    /// Bytes of an object.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// What every object's address is a multiple of.
    pub fn align(&self) -> usize {
        self.align.load(Ordering::Relaxed)
    }

    fn stride(&self) -> usize {
        self.stride.load(Ordering::Relaxed)
    }

    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    fn n_objects(&self) -> usize {
        self.n_objects.load(Ordering::Relaxed)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "guarded by the lock, used for a moment"
    )]
    fn growth(&self, _held: &Held) -> &mut Growth {
        // SAFETY: the lock is held, and no two references live at a time.
        unsafe { &mut *self.growth.get() }
    }

    /// Calls `visit` with every object, in use or not, that there was at the start; how many.
    pub fn for_each(&'static self, visit: impl FnMut(*mut u8)) -> usize {
        self.slabs.for_each(self.stride(), visit)
    }

    /// What the pool uses, in bytes.
    pub fn usage(&'static self) -> Usage {
        let (stride, limit) = (self.stride(), self.limit());
        let n_kept = if are_checked() {
            checks::objects::kept_of(self)
        } else {
            0
        };
        let held = self.objects.hold();
        let growth = self.growth(&held);
        let n_free = held.count() + self.slabs.uncut() + n_kept;
        Usage {
            limit: if limit == usize::MAX {
                0
            } else {
                limit * stride
            },
            held: growth.held,
            in_use: self.n_objects().saturating_sub(n_free) * stride,
            peak: growth.held,
            page_size: self.kind().page_size(),
            n_ranges: growth.n_slabs,
            n_refused: self.n_refused.load(Ordering::Relaxed),
        }
    }
}

impl Home for Pool {
    fn origin(&'static self) -> &'static dyn Origin {
        self.kind()
    }

    fn take_back(&'static self, object: *mut u8) {
        if let Some(object) = NonNull::new(object) {
            self.objects.hold().give(object);
        }
    }
}

/// Before fork(2): no pool is half changed.
pub fn prepare_fork() {
    objects::prepare_fork();
}

/// After fork(2), in the parent.
pub fn parent_after_fork() {
    objects::release_after_fork();
}

/// Puts all pools in order in a child just forked: threads that were taking slabs are gone, and
/// with a kind that is not inherited the objects.
pub fn after_fork_in_child() {
    for pool in all() {
        // SAFETY: the locks are held over the fork, and the child has one thread.
        unsafe { (*pool.growth.get()).busy = false };
    }
    objects::release_after_fork();
    let is_gone = |pool: &Pool| pool.kind().slabs().is_some_and(Slabs::is_gone);
    for pool in all().filter(|pool| pool.is_live() && is_gone(pool)) {
        pool.lost.store(true, Ordering::Relaxed);
        // SAFETY: the child has one thread, and no use of the objects.
        unsafe { pool.objects.hold().forget() };
    }
}
