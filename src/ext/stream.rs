//! Streams, from which vectors are cut.
//!
//! A stream cuts LOCAL and SHARED slices from buffers of their own, so that a count is either plain or
//! atomic, and holds a reference to the buffers that it is cutting.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use super::buffer::{Buffer, LOCAL, add_ref};
use super::pool::Pool;
use super::record_watch::Of;
use super::slice::Vector;
use super::vector::drop_ref;
use super::vector_watch;
use crate::boxed::boxed;
use crate::error::Error;
use crate::kind::Kind;
use crate::log::refused;

/// Why there are no vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An argument is out of range.
    Invalid,
    /// The bytes need more vectors than the caller has room for.
    TooLong,
    /// The pool gives no buffer, for this reason.
    Pool(Error),
}

/// Where slices are cut from.
#[derive(Clone, Copy)]
struct Cursor {
    /// The address of the first byte that is free.
    next: usize,
    /// The address behind the buffer.
    end: usize,
    /// The buffer, as vectors name it; 0 for none. The cursor holds a reference.
    owner: usize,
    /// Where its references are counted.
    refs: *mut u64,
}

const NOWHERE: Cursor = Cursor {
    next: 0,
    end: 0,
    owner: 0,
    refs: ptr::null_mut(),
};

impl Cursor {
    fn buffer(self) -> Option<&'static Buffer> {
        // SAFETY: 0, or a record that this cursor keeps.
        unsafe { Buffer::of_owner(self.owner) }
    }

    /// Where a slice with this alignment would begin.
    #[inline(always)]
    fn start(self, align: usize) -> usize {
        let mask = align.wrapping_sub(usize::from(align != 0));
        self.next.wrapping_add(mask) & !mask
    }

    /// Bytes for a slice with this alignment.
    fn room(self, align: usize) -> usize {
        self.end.saturating_sub(self.start(align))
    }
}

/// A place to cut slices from. One thread at a time uses it.
#[repr(C)]
pub struct Stream {
    /// The buffers being cut for LOCAL and for SHARED vectors. The fast paths use only these; they are empty
    /// where vectors are checked.
    cursors: [Cursor; 2],
    /// The buffers being cut for LOCAL and for SHARED vectors where these are checked.
    checked: [Cursor; 2],
    /// The alignment of buffers.
    align: usize,
    /// The size of buffers in bytes.
    size: usize,
    pool: &'static Pool,
}

/// What is asked of a stream.
#[derive(Clone, Copy)]
pub struct Request {
    /// The bytes of all vectors together.
    pub length: u32,
    /// The alignment in bytes of each vector's address; 0 for any.
    pub align: u32,
    /// The most vectors to use.
    pub max: u32,
    /// Whether several threads may use the vectors at a time.
    pub shared: bool,
}

impl Stream {
    /// Makes a stream of a pool.
    ///
    /// # Errors
    /// `Invalid` for a pool that does not live or whose objects are too large for a vector; `Malloc`.
    pub fn create(pool: &'static Pool) -> Result<*mut Stream, Error> {
        if !pool.is_live() || u32::try_from(pool.size()).is_err() {
            return refused!(
                Err(Error::Invalid),
                "Cannot create stream: the pool was destroyed, or its objects have 4 GiB or more."
            );
        }
        let stream = boxed(Stream {
            cursors: [NOWHERE; 2],
            checked: [NOWHERE; 2],
            align: pool.align(),
            size: pool.size(),
            pool,
        })?;
        if vector_watch::is_on() {
            Of::Stream.made(stream.address(), pool.kind())?;
        }
        pool.n_streams.fetch_add(1, Ordering::Relaxed);
        Ok(Box::into_raw(stream))
    }

    /// Destroys a stream; its slices stay.
    ///
    /// # Safety
    /// `stream` comes from [`Stream::create`], and is not used any more.
    pub unsafe fn destroy(stream: *mut Stream) {
        let checked = vector_watch::is_on();
        if checked && !Of::Stream.is_alive(stream as usize) {
            return;
        }
        // SAFETY: from `create`, and no other thread uses it.
        unsafe { (*stream).end() };
        let unused = match checked {
            true => Of::Stream.ended(stream as usize),
            false => Some(stream as usize),
        };
        if let Some(unused) = unused {
            // SAFETY: from `Box::into_raw` in `create`; the stream was destroyed.
            drop(unsafe { Box::from_raw(unused as *mut Stream) });
        }
    }

    /// Gives up the stream's references to the buffers that it cuts, and to its pool.
    fn end(&mut self) {
        for cursor in self.cursors.iter_mut().chain(&mut self.checked) {
            // SAFETY: the cursor's own reference.
            unsafe { drop_ref(cursor.owner) };
            *cursor = NOWHERE;
        }
        if vector_watch::is_on() {
            vector_watch::committed(self.address());
        }
        self.pool.n_streams.fetch_sub(1, Ordering::Release);
    }

    /// The address of the stream, by which checks know it.
    fn address(&self) -> usize {
        ptr::from_ref(self) as usize
    }

    /// Whether the stream has not been destroyed; always `true` where streams are not checked.
    fn is_usable(&self) -> bool {
        !vector_watch::is_on() || Of::Stream.is_alive(self.address())
    }

    /// The cursors that are in use.
    fn in_use(&mut self) -> &mut [Cursor; 2] {
        if vector_watch::is_on() {
            &mut self.checked
        } else {
            &mut self.cursors
        }
    }

    /// The kind that the memory of the vectors is of.
    pub fn kind(&self) -> &'static Kind {
        self.pool.kind()
    }

    /// One vector from the buffer that is being cut for `which` (0 LOCAL, 1 SHARED); `false` if it
    /// takes more than that.
    ///
    /// # Safety
    /// `vector` is writable.
    #[inline(always)]
    pub unsafe fn cut_fast(
        &mut self,
        request: Request,
        which: usize,
        move_on: bool,
        vector: *mut Vector,
    ) -> bool {
        let (align, length) = (request.align as usize, request.length as usize);
        let cursor = &mut self.cursors[which];
        let start = cursor.start(align);
        let after = start.wrapping_add(length);
        let valid = align & align.wrapping_sub(1) == 0 && align <= self.align;
        if !valid || length == 0 || after > cursor.end || request.max == 0 {
            return false;
        }
        // SAFETY: a cursor with room has a buffer; `vector` is writable.
        unsafe {
            if which != 0 {
                AtomicU64::from_ptr(cursor.refs).fetch_add(1, Ordering::Relaxed);
            } else {
                *cursor.refs += 1;
            }
            (*vector).data = start as *mut u8;
            // Length and number in one store.
            const { assert!(cfg!(target_endian = "little")) };
            (&raw mut (*vector).length)
                .cast::<u64>()
                .write_unaligned(request.length.into());
            (*vector).owner = cursor.owner;
        }
        if move_on {
            cursor.next = after;
        }
        true
    }

    /// Vectors for all bytes of a request; how many. No reference is held if there are none.
    ///
    /// # Errors
    /// The reason why there are no vectors.
    ///
    /// # Safety
    /// There is room for `max` vectors.
    #[cold]
    pub unsafe fn cut(
        &mut self,
        request: Request,
        move_on: bool,
        vectors: *mut Vector,
    ) -> Result<u32, Refused> {
        let align = request.align as usize;
        if !self.is_usable() || align & align.wrapping_sub(1) != 0 || align > self.align {
            return Err(Refused::Invalid);
        }
        let mut left = request.length as usize;
        if left == 0 {
            return Ok(0);
        }
        let which = usize::from(request.shared);
        if which == 0 && vector_watch::is_on() {
            vector_watch::nothing_reserved(self.address());
        }
        let mut cursor = self.in_use()[which];
        if let Some(buffer) = cursor.buffer() {
            // All slices are gone: the buffer is as good as a fresh one.
            if buffer.atomic().load(Ordering::Acquire) == 1 {
                cursor.next = buffer.data as usize;
            }
        }
        let rest = cursor.room(align).min(left);
        let fits =
            |first: usize, bytes: usize| first + bytes.div_ceil(self.size) <= request.max as usize;
        let use_rest = rest > 0 && fits(1, left - rest);
        if !use_rest && !fits(0, left) {
            return Err(Refused::TooLong);
        }
        let mut n = 0;
        let mut add = |owner: usize, start: usize, length: usize| {
            // SAFETY: at most `max` of them, by the sums above.
            unsafe {
                add_ref(owner);
                *vectors.add(n) = Vector {
                    data: start as *mut u8,
                    length: length as u32,
                    number: 0,
                    owner,
                };
            }
            n += 1;
            n
        };
        let mut n_vectors = 0;
        let mut after = cursor;
        if use_rest {
            let start = cursor.start(align);
            n_vectors = add(cursor.owner, start, rest);
            after.next = start + rest;
            left -= rest;
        }
        while left > 0 {
            let buffer = match self.fetch() {
                Ok(buffer) => buffer,
                Err(error) => {
                    for index in 0..n_vectors {
                        // SAFETY: the first `n_vectors` vectors have been made.
                        unsafe { Vector::release(vectors.add(index)) };
                    }
                    return Err(Refused::Pool(error));
                }
            };
            let take = left.min(self.size);
            let owner = buffer.owner(request.shared);
            n_vectors = add(owner, buffer.data as usize, take);
            left -= take;
            if take < self.size {
                after = Cursor {
                    next: buffer.data as usize + take,
                    end: buffer.end(),
                    owner,
                    refs: buffer.plain(),
                };
            }
        }
        if move_on {
            self.move_to(which, after);
        }
        if vector_watch::is_on() {
            let stream = if move_on { 0 } else { self.address() };
            // SAFETY: so many vectors have been made.
            unsafe { vector_watch::made(vectors, n_vectors, stream) };
        }
        Ok(n_vectors as u32)
    }

    /// Cuts from `cursor` from now on, for `which` (0 LOCAL, 1 SHARED).
    fn move_to(&mut self, which: usize, cursor: Cursor) {
        let before = core::mem::replace(&mut self.in_use()[which], cursor);
        if before.owner != cursor.owner {
            // SAFETY: a reference for the new one; the cursor's own to the other is gone.
            unsafe {
                add_ref(cursor.owner);
                drop_ref(before.owner);
            }
        }
    }

    /// A buffer of the pool, without references.
    fn fetch(&self) -> Result<&'static Buffer, Error> {
        // SAFETY: the handle of a pool that lives.
        let object = match unsafe { Pool::get_fast(self.pool.handle()) } {
            Some(object) => object,
            None => self.pool.lend(true)?,
        };
        self.pool.buffer(object).inspect_err(|_| {
            self.pool.take_from(object, true);
        })
    }

    /// Commits a reserved vector of the buffer that is being cut; `false` if it is of another buffer.
    #[inline(always)]
    pub fn commit_fast(&mut self, vector: Vector) -> bool {
        let cursor = &mut self.cursors[0];
        let after = vector.data as usize + vector.length as usize;
        let mine = vector.owner == cursor.owner && vector.length != 0 && after <= cursor.end;
        if mine {
            cursor.next = after;
        }
        mine
    }

    /// Commits `n` reserved LOCAL vectors: cuts from behind the last of them from now on, and
    /// releases those that have no length.
    ///
    /// # Errors
    /// `Invalid` if the stream is known to be destroyed, or one is not from its pool, or is longer than its
    /// buffer.
    ///
    /// # Safety
    /// The vectors are live, and writable.
    pub unsafe fn commit(&mut self, vectors: *mut Vector, n: usize) -> Result<(), Error> {
        if !self.is_usable() {
            return Err(Error::Invalid);
        }
        let mut last = None;
        for index in 0..n {
            // SAFETY: `index` is below `n`, and the `n` vectors are live.
            let vector = unsafe { vector_watch::real(vectors.add(index)) };
            // SAFETY: a live vector, or an empty one.
            let buffer = unsafe { Buffer::of_owner(vector.owner) }
                .filter(|buffer| vector.owner & LOCAL != 0 && buffer.pool == self.pool.handle())
                .ok_or(Error::Invalid)?;
            let after = vector.data as usize + vector.length as usize;
            if after > buffer.end() {
                return Err(Error::Invalid);
            }
            if vector.length > 0 {
                last = Some(Cursor {
                    next: after,
                    end: buffer.end(),
                    owner: vector.owner,
                    refs: buffer.plain(),
                });
            }
        }
        if vector_watch::is_on() {
            vector_watch::committed(self.address());
        }
        if let Some(cursor) = last {
            self.move_to(0, cursor);
        }
        for index in 0..n {
            // SAFETY: `index` is below `n`, and the `n` vectors are live and writable.
            unsafe {
                if (*vectors.add(index)).length == 0 {
                    Vector::release(vectors.add(index));
                }
            }
        }
        Ok(())
    }
}
