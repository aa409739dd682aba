//! The first memory of a process: a static area for what it allocates before jemalloc is worth its
//! start. Most programs that run for a moment need no more.
//!
//! It serves the library's records, which have a header, and small blocks of the one heap that may
//! use it: pages of one class each, which the page map knows as it knows jemalloc's slabs, so
//! caches, free and detect_kind make no difference. Pages never go back: they are few. So a thread
//! that lives for a moment does not have jemalloc make slabs and join them again.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::class;
use super::lock::Lock;
use super::page_map::{self, UNIT as PAGE};

/// Pages of the area.
const PAGES: usize = 128;
const SIZE: usize = PAGES * PAGE;
/// Number of classes of which there are blocks and records, the empty one included. The largest are a
/// little less than twice what programs read directories with.
const CLASSES: usize = class::SMALL_COUNT;
const _: () = assert!(CLASSES < 64);

/// The most bytes of blocks of one class; the last block may exceed it. Where a program has
/// many blocks, those of this area, which lie apart from the others, are to be few.
const PART: usize = 32 << 10;
/// The most blocks of one class, for the reason of [`PART`].
const PART_BLOCKS: usize = 512;

/// What [`TAGS`] says of a page with records.
const RECORDS: u8 = 0xff;

#[repr(C, align(4096))]
struct Area(UnsafeCell<[u8; SIZE]>);

// SAFETY: each part is handed out once, under the lock.
unsafe impl Sync for Area {}

static AREA: Area = Area(UnsafeCell::new([0; SIZE]));

/// What each page holds: blocks of a class, by its number, or records.
static TAGS: [AtomicU8; PAGES] = [const { AtomicU8::new(0) }; PAGES];

/// What lies before a record.
#[repr(C, align(16))]
struct Header {
    /// Bytes of the record.
    size: usize,
}

/// The part of some pages that was never handed out: from `at` to `end`, offsets in the area.
#[derive(Clone, Copy)]
struct Fresh {
    at: u32,
    end: u32,
}

/// Free places of each class, each with the address of the next at its start.
type Lists = [*mut u8; CLASSES];

struct State {
    /// The first page that has never been used.
    next: usize,
    records: Fresh,
    blocks: [Fresh; CLASSES],
    /// Pages with blocks of each class.
    counts: [u16; CLASSES],
    /// Live blocks that begin on each page.
    live: [u16; PAGES],
    free_records: Lists,
    free_blocks: Lists,
}

struct Shared(UnsafeCell<State>);

// SAFETY: used under the lock alone.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new(State {
    next: 0,
    records: Fresh { at: 0, end: 0 },
    blocks: [Fresh { at: 0, end: 0 }; CLASSES],
    counts: [0; CLASSES],
    live: [0; PAGES],
    free_records: [ptr::null_mut(); CLASSES],
    free_blocks: [ptr::null_mut(); CLASSES],
}));
static LOCK: Lock = Lock::new();

/// The classes of which there may be blocks, a bit each.
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);
/// Bytes of blocks that are handed out, those in caches included.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the pages that hold them.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

fn start() -> *mut u8 {
    AREA.0.get().cast()
}

/// Whether an address is in the area.
#[inline]
pub(crate) fn has(address: *const u8) -> bool {
    (address as usize).wrapping_sub(start() as usize) < SIZE
}

/// The number of the page of an address in the area.
fn page_of(address: *const u8) -> usize {
    (address as usize - start() as usize) / PAGE
}

fn tag(address: *const u8) -> u8 {
    TAGS[page_of(address)].load(Ordering::Relaxed)
}

impl State {
    /// Takes pages that have never been used, of at least `bytes` bytes, from a multiple of `align` on, a power
    /// of two of at least a page.
    fn pages(&mut self, bytes: usize, align: usize, tag: u8) -> Option<Fresh> {
        let count = bytes.div_ceil(PAGE);
        let unused = start().addr() + self.next * PAGE;
        let first = self.next + (unused.next_multiple_of(align) - unused) / PAGE;
        let tags = TAGS.get(first..first.checked_add(count)?)?;
        for place in tags {
            place.store(tag, Ordering::Relaxed);
        }
        let at = (first * PAGE) as u32;
        self.next = first + count;
        let end = (self.next * PAGE) as u32;
        Some(Fresh { at, end })
    }
}

impl Fresh {
    /// Takes the next `size` bytes that leave `gap` bytes before a multiple of `align`; null when
    /// there are none.
    fn take(&mut self, gap: usize, align: usize, size: usize) -> *mut u8 {
        // The area starts at a multiple of a page.
        let at = (self.at as usize + gap).next_multiple_of(align);
        if at + size > self.end as usize {
            return ptr::null_mut();
        }
        self.at = (at + size) as u32;
        start().wrapping_add(at)
    }
}

/// Takes the first of a list; null if it is empty.
///
/// # Safety
/// The lock is held, and the list is one of free places.
unsafe fn pop(list: &mut *mut u8) -> *mut u8 {
    let first = *list;
    if !first.is_null() {
        // SAFETY: a free place has the next at its start.
        *list = unsafe { first.cast::<*mut u8>().read() };
    }
    first
}

/// Puts a place before a list.
///
/// # Safety
/// The lock is held, and the place is free, of at least 8 bytes.
unsafe fn push(list: &mut *mut u8, place: *mut u8) {
    // SAFETY: the lock is held; the free place has at least 8 bytes, so that a pointer fits.
    unsafe { place.cast::<*mut u8>().write(*list) };
    *list = place;
}

/// A block of the class at `offset` for the heap `id`, always the same one, which the page map knows;
/// null when there is none.
#[inline]
pub(crate) fn block(offset: usize, id: usize) -> *mut u8 {
    let class = offset >> class::BIN_BITS;
    if class >= CLASSES || FREE.load(Ordering::Relaxed) & 1 << class == 0 {
        return ptr::null_mut();
    }
    block_of(class, id)
}

#[cold]
fn block_of(class: usize, id: usize) -> *mut u8 {
    let size = class::SIZES[class] as usize;
    let _held = LOCK.hold();
    // SAFETY: the lock is held.
    let (state, mut block) = unsafe {
        let state = &mut *STATE.0.get();
        let block = pop(&mut state.free_blocks[class]);
        (state, block)
    };
    if block.is_null() {
        block = state.blocks[class].take(0, 1, size);
    }
    if block.is_null() {
        let count = usize::from(state.counts[class]);
        let most = PART.min(PART_BLOCKS * size);
        let is_much = count > 0 && count * PAGE + size > most;
        // As far as slabs, which start at a page of jemalloc's, are aligned.
        let align = (size & size.wrapping_neg()).clamp(PAGE, class::PAGE);
        let pages = (!is_much).then(|| state.pages(size, align, class as u8));
        let Some(pages) = pages.flatten() else {
            FREE.fetch_and(!(1 << class), Ordering::Relaxed);
            return block;
        };
        let bytes = (pages.end - pages.at) as usize;
        state.counts[class] += (bytes / PAGE) as u16;
        let first = start().wrapping_add(pages.at as usize);
        if page_map::set_owner(first as usize, bytes, id).is_err() {
            return block;
        }
        state.blocks[class] = pages;
        block = state.blocks[class].take(0, 1, size);
    }
    let live = &mut state.live[page_of(block)];
    if *live == 0 {
        ACTIVE.fetch_add(size.next_multiple_of(PAGE), Ordering::Relaxed);
    }
    *live += 1;
    ALLOCATED.fetch_add(size, Ordering::Relaxed);
    block
}

/// A record of `size` bytes at a multiple of `align`, a power of two up to a page, of zeroes if
/// `zeroed`; null when there is no room.
#[cold]
pub(super) fn record(align: usize, size: usize, zeroed: bool) -> *mut u8 {
    if size > class::MAX || align > PAGE {
        return ptr::null_mut();
    }
    let class = class::offset(size.max(1)) >> class::BIN_BITS;
    let size = class::SIZES[class] as usize;
    let align = align.max(align_of::<Header>());
    let _held = LOCK.hold();
    // SAFETY: the lock is held; a free record is ours, with its header before it.
    unsafe {
        let state = &mut *STATE.0.get();
        let list = &mut state.free_records[class];
        if *list as usize % align == 0 {
            let record = pop(list);
            if !record.is_null() {
                if zeroed {
                    ptr::write_bytes(record, 0, size);
                }
                return record;
            }
        }
        let gap = size_of::<Header>();
        let mut record = state.records.take(gap, align, size);
        if record.is_null() {
            let Some(pages) = state.pages(size + align + gap, PAGE, RECORDS) else {
                return record;
            };
            if pages.at == state.records.end {
                state.records.end = pages.end;
            } else {
                state.records = pages;
            }
            record = state.records.take(gap, align, size);
        }
        // Never used before, so it reads as zero.
        record.cast::<Header>().sub(1).write(Header { size });
        record
    }
}

/// Takes back a block or a record.
///
/// # Safety
/// It is live, and in the area.
#[cold]
pub(super) unsafe fn free(place: *mut u8) {
    // SAFETY: a live place of the area.
    let size = unsafe { size_of_place(place) };
    let class = class::offset(size) >> class::BIN_BITS;
    let _held = LOCK.hold();
    // SAFETY: the lock is held, and the place is free now.
    unsafe {
        let state = &mut *STATE.0.get();
        if tag(place) == RECORDS {
            push(&mut state.free_records[class], place);
        } else {
            push(&mut state.free_blocks[class], place);
            FREE.fetch_or(1 << class, Ordering::Relaxed);
            let live = &mut state.live[page_of(place)];
            *live -= 1;
            if *live == 0 {
                ACTIVE.fetch_sub(size.next_multiple_of(PAGE), Ordering::Relaxed);
            }
            ALLOCATED.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// The usable bytes of a block or a record.
///
/// # Safety
/// It is live, and in the area.
pub(super) unsafe fn size_of_place(place: *const u8) -> usize {
    match tag(place) {
        // SAFETY: a record has its header before it.
        RECORDS => unsafe { (*place.cast::<Header>().sub(1)).size },
        class => class::SIZES[usize::from(class)] as usize,
    }
}

/// Bytes of blocks that are handed out, those in caches included.
pub(super) fn allocated() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}

/// Bytes of the pages that hold blocks.
pub(super) fn active() -> usize {
    ACTIVE.load(Ordering::Relaxed)
}

/// Bytes of all pages that have been used.
pub(super) fn used() -> usize {
    let _held = LOCK.hold();
    // SAFETY: the lock is held.
    unsafe { (*STATE.0.get()).next * PAGE }
}

/// Before fork(2): no other thread is in the middle of anything here.
pub(super) fn prepare_fork() {
    LOCK.hold_over_fork();
}

/// After fork(2), in parent and child.
pub(super) fn release_after_fork() {
    LOCK.release();
}
