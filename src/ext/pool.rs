//! Pools: objects of one size and alignment, with a cache in each thread.
//!
//! A pool takes slabs from its kind and keeps them until it is destroyed. Objects that have
//! never been handed out are cut from the newest slabs; free ones are in `heap::objects`.
//! Only one thread at a time takes a slab for a pool, without the pool's lock: the kind may have to look
//! for memory for long.

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use super::buffer::Buffer;
use super::pool_slab::{self, PoolSlab};
use super::slab::Slab;
use super::usage::{self, Usage};
use super::users;
use crate::backing::{Slabs, page_size, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::objects::{self, Held, Objects, POOLS};
use crate::heap::page_map;
use crate::kind::Kind;
use crate::kind::checks::{self, Home, Origin, objects::are_checked};
use crate::log::{self, refused};

/// The alignment that a program gets which asks for none.
const USUAL_ALIGN: usize = 16;
/// The largest alignment.
const MAX_ALIGN: usize = 2 << 20;
/// Free objects are linked through their first bytes when there is no memory for records.
const MIN_ALIGN: usize = 8;
/// Slabs have at least this many bytes, or all objects that a pool may have.
const SLAB: usize = 2 << 20;
/// The most objects that a larger slab has.
const SLAB_OBJECTS: usize = 64;
/// Bytes of a magazine of free objects; a thread keeps up to two magazines.
const MAGAZINE: usize = 256 << 10;
/// The fewest objects of a magazine.
const MAGAZINE_MIN: usize = 4;
/// The most objects of a magazine.
const MAGAZINE_MAX: usize = 64;

/// What the lock of the objects guards.
struct Growth {
    /// Whether a thread is taking a slab.
    busy: bool,
    /// Bytes and number of slabs.
    held: usize,
    n_slabs: usize,
}

/// Objects of one size, cut from slabs of a kind (`struct memkind_pool`).
#[repr(C)]
pub struct Pool {
    /// First: the fast paths know no more of a pool.
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
    pub(super) slabs: pool_slab::Slabs,
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
            slabs: pool_slab::Slabs::new(),
            growth: UnsafeCell::new(Growth {
                busy: false,
                held: 0,
                n_slabs: 0,
            }),
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
        *self.growth(&held) = Growth {
            busy: false,
            held: 0,
            n_slabs: 0,
        };
        drop(held);
        // SAFETY: no object is used any more.
        unsafe { self.slabs.give_back() };
        users::remove(self.kind());
        self.live.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether it has been made and not destroyed.
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

    #[allow(
        clippy::mut_from_ref,
        reason = "guarded by the lock, used for a moment"
    )]
    fn growth(&self, _held: &Held) -> &mut Growth {
        // SAFETY: the lock is held, and no two references live at a time.
        unsafe { &mut *self.growth.get() }
    }

    /// The handle for C programs: the pool's address, plus 1 if threads reach their caches without
    /// the lock and objects are not checked. So one test of a handle tells both that, and that it
    /// is not NULL.
    pub fn handle(&'static self) -> usize {
        let is_fast = objects::is_fast() && !are_checked();
        ptr::from_ref(self) as usize | usize::from(is_fast)
    }

    /// The pool of a handle; `None` for 0.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    pub unsafe fn of_handle(handle: usize) -> Option<&'static Pool> {
        // SAFETY: 0, or the address of a record, which is never freed.
        unsafe { ((handle & !1) as *const Pool).as_ref() }
    }

    /// The pool of a handle, if threads may take its objects without the lock; else `None`.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    unsafe fn of_fast_handle(handle: usize) -> Option<&'static Pool> {
        if handle & 1 == 0 {
            return None;
        }
        // SAFETY: odd handles are addresses plus 1.
        Some(unsafe { &*(handle.wrapping_sub(1) as *const Pool) })
    }

    /// An object from the thread's cache.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    pub(crate) unsafe fn get_fast(handle: usize) -> Option<NonNull<u8>> {
        // SAFETY: 0, or the handle of a pool; an odd one says that the fast way may be taken.
        unsafe { Self::of_fast_handle(handle)?.objects.get() }
    }

    /// Puts an object into the thread's cache; `false` if it has no room.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    pub(crate) unsafe fn put_fast(handle: usize, object: NonNull<u8>) -> bool {
        // SAFETY: 0, or the handle of a pool; an odd one says that the fast way may be taken.
        unsafe { Self::of_fast_handle(handle).is_some_and(|pool| pool.objects.put(object)) }
    }

    /// `n` objects from the thread's cache; `false`, and none, if it has fewer.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`]; `objects` has room for `n`.
    #[inline(always)]
    pub(crate) unsafe fn get_many_fast(handle: usize, objects: *mut *mut u8, n: usize) -> bool {
        // SAFETY: 0, or the handle of a pool, whose fast way an odd one allows; room for `n`
        // objects.
        unsafe {
            Self::of_fast_handle(handle).is_some_and(|pool| pool.objects.get_many(objects, n))
        }
    }

    /// Puts `n` objects into the thread's cache; `false`, and none, if it has no room for them or one
    /// is null.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`]; `objects` holds `n`.
    #[inline(always)]
    pub(crate) unsafe fn put_many_fast(handle: usize, objects: *const *mut u8, n: usize) -> bool {
        // SAFETY: 0, or the handle of a pool, whose fast way an odd one allows; `n` objects are
        // there.
        unsafe {
            let all = core::slice::from_raw_parts(objects, n);
            // The highest bit tells: no address has it, and 0 less 1 does.
            let bits = all
                .iter()
                .fold(0, |bits, object| bits | (*object as usize).wrapping_sub(1));
            let some_null = (bits as isize) < 0;
            !some_null
                && Self::of_fast_handle(handle)
                    .is_some_and(|pool| pool.objects.put_many(objects, n))
        }
    }

    /// An object.
    ///
    /// # Errors
    /// `NoMemory`: all are in use, or the kind has no memory; `InvalidArgument` for a pool that does
    /// not live; and those of [`Kind::malloc`].
    #[cold]
    pub fn get(&'static self) -> Result<NonNull<u8>, Error> {
        self.lend(false)
    }

    /// An object for the program or, with `in_vectors`, for vectors.
    ///
    /// # Errors
    /// Those of [`Pool::get`].
    pub(super) fn lend(&'static self, in_vectors: bool) -> Result<NonNull<u8>, Error> {
        if !self.is_live() {
            return Err(Error::InvalidArgument);
        }
        let object = self.fetch()?;
        let place = object.as_ptr();
        if are_checked()
            && !checks::objects::lent(self, place, self.size(), self.stride(), in_vectors)
        {
            self.objects.hold().give(object);
            return Err(Error::NoMemory);
        }
        Ok(object)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn fetch(&'static self) -> Result<NonNull<u8>, Error> {
        if self.is_lost() {
            return Err(Error::NoMemory);
        }
        loop {
            let held = self.objects.hold();
            let cut = |places: &mut [usize]| self.slabs.cut(places, self.stride());
            if let Some(object) = held.take(cut) {
                return Ok(object);
            }
            let refused = match self.grow(held, self.next_slab()) {
                Ok(()) => continue,
                Err(error) => error,
            };
            // What other threads have in their caches, before it is refused.
            let found = self.objects.hold().collect();
            let found = found || (are_checked() && checks::objects::release_kept());
            if !found {
                self.n_refused.fetch_add(1, Ordering::Relaxed);
                return Err(refused);
            }
        }
    }

    /// Puts an object back.
    #[cold]
    pub fn put(&'static self, object: NonNull<u8>) {
        self.take_from(object, false);
    }

    /// Takes an object from the program, or from vectors.
    pub(super) fn take_from(&'static self, object: NonNull<u8>, vectors: bool) {
        if !self.is_live() || self.is_lost() {
            return;
        }
        if are_checked() {
            checks::objects::returned(self, object.as_ptr(), vectors);
        } else {
            self.objects.hold().give(object);
        }
    }

    /// Gets `n` objects, or none.
    ///
    /// # Errors
    /// Those of [`Pool::get`].
    ///
    /// # Safety
    /// `objects` has room for `n`.
    #[cold]
    pub unsafe fn get_many(&'static self, objects: *mut *mut u8, n: usize) -> Result<(), Error> {
        if n > self.limit.load(Ordering::Relaxed) {
            self.n_refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::NoMemory);
        }
        for index in 0..n {
            match self.get() {
                // SAFETY: the place is one of the `n` that the caller may write.
                Ok(object) => unsafe { *objects.add(index) = object.as_ptr() },
                Err(error) => {
                    // SAFETY: the first `index` objects have been taken out of this pool.
                    unsafe { self.put_many(objects, index) };
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Puts `n` objects back; null ones are left out.
    ///
    /// # Safety
    /// `objects` holds `n`, each null or an object that the caller has.
    #[cold]
    pub unsafe fn put_many(&'static self, objects: *const *mut u8, n: usize) {
        for index in 0..n {
            // SAFETY: one of the `n` objects that the caller has.
            if let Some(object) = NonNull::new(unsafe { *objects.add(index) }) {
                self.put(object);
            }
        }
    }

    /// How many objects the next slab is to have; 0 at the limit.
    fn next_slab(&self) -> usize {
        let n_objects = self.n_objects.load(Ordering::Relaxed);
        let left = self.limit.load(Ordering::Relaxed) - n_objects;
        // A quarter more, in the end: there are few slabs, however many objects.
        let doubled = n_objects.clamp(1, SLAB_OBJECTS).max(n_objects / 4);
        (SLAB / self.stride()).max(doubled).min(left)
    }

    /// Takes a slab of `wanted` objects, or of fewer; waits instead while another thread does.
    ///
    /// # Errors
    /// Those of [`Pool::get`]; `NoMemory` if `wanted` is 0.
    fn grow(&'static self, held: Held, wanted: usize) -> Result<(), Error> {
        let growth = self.growth(&held);
        if growth.busy {
            drop(held);
            // SAFETY: no preconditions.
            unsafe { libc::sched_yield() };
            return Ok(());
        }
        if wanted == 0 {
            return Err(Error::NoMemory);
        }
        growth.busy = true;
        drop(held);
        let slab = self.fresh_slab(wanted);
        let held = self.objects.hold();
        let growth = self.growth(&held);
        growth.busy = false;
        let slab = slab?;
        growth.held += slab.bytes();
        growth.n_slabs += 1;
        self.n_objects.fetch_add(slab.n_objects, Ordering::Relaxed);
        self.slabs.add(slab);
        Ok(())
    }

    /// A slab of up to `wanted` objects, and of at least one.
    fn fresh_slab(&self, wanted: usize) -> Result<Box<PoolSlab>, Error> {
        let (stride, limit) = (self.stride(), self.limit.load(Ordering::Relaxed));
        let left = limit - self.n_objects.load(Ordering::Relaxed);
        let mut n_objects = wanted;
        loop {
            let bytes = stride * n_objects;
            let (unit, align) = if bytes < SLAB {
                (page_size(), page_size())
            } else {
                (SLAB, SLAB)
            };
            let bytes = round_up(bytes, unit).ok_or(Error::NoMemory)?;
            match Slab::cut(self.kind(), self.align().max(align), bytes) {
                // Classes of sizes may have made it larger.
                Ok(slab) => return PoolSlab::make(slab, (slab.size / stride).min(left)),
                Err(Error::NoMemory) if n_objects > 1 => n_objects /= 2,
                // Whatever the reason why the kind has no memory.
                Err(_) => return Err(Error::NoMemory),
            }
        }
    }

    /// Sees to it that the pool has `count` objects, in use or not.
    ///
    /// # Errors
    /// `Invalid` above the limit or for a pool that does not live; `NoMemory` and those of
    /// [`Kind::malloc`].
    pub fn prepare(&'static self, count: usize) -> Result<(), Error> {
        let limit = self.limit.load(Ordering::Relaxed);
        if !self.is_live() {
            return refused!(
                Err(Error::Invalid),
                "Cannot prepare pool: it was destroyed."
            );
        }
        if count > limit {
            return refused!(
                Err(Error::Invalid),
                "Cannot prepare pool: {count} objects are more than its limit of {limit}."
            );
        }
        let too_many = count.checked_mul(self.stride());
        if too_many.is_none_or(|bytes| bytes >= page_map::END) || self.is_lost() {
            return Err(Error::NoMemory);
        }
        loop {
            let held = self.objects.hold();
            let n_objects = self.n_objects.load(Ordering::Relaxed);
            if n_objects >= count {
                return Ok(());
            }
            self.grow(held, count - n_objects)?;
        }
    }

    /// The record of an object that is to be a buffer.
    ///
    /// # Errors
    /// `NoMemory`: there is none for the records.
    pub(super) fn buffer(&'static self, object: NonNull<u8>) -> Result<&'static Buffer, Error> {
        let make = |data| Buffer::new(data, self.size(), self.handle());
        self.slabs
            .buffer(object.as_ptr(), self.stride(), make)
            .ok_or(Error::NoMemory)
    }

    /// Calls `visit` with every object, in use or not, that there was at the start; how many.
    pub fn for_each(&'static self, visit: impl FnMut(*mut u8)) -> usize {
        self.slabs.for_each(self.stride(), visit)
    }

    /// What the pool uses, in objects and bytes.
    pub fn usage(&'static self) -> Usage {
        let (stride, limit) = (self.stride(), self.limit.load(Ordering::Relaxed));
        let n_kept = if are_checked() {
            checks::objects::kept_of(self)
        } else {
            0
        };
        let held = self.objects.hold();
        let growth = self.growth(&held);
        let n_free = held.count() + self.slabs.uncut() + n_kept;
        let n_objects = self.n_objects.load(Ordering::Relaxed);
        Usage {
            limit: if limit == usize::MAX {
                0
            } else {
                limit * stride
            },
            held: growth.held,
            in_use: n_objects.saturating_sub(n_free) * stride,
            peak: growth.held,
            page_size: usage::page_size(self.kind()),
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

/// In a child just forked: threads that were taking slabs are gone, and with a kind that is not
/// inherited the objects.
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
