//! Regions that are checked: what lies behind a block, up to the one before it, has a known value, and
//! so has what has been freed. Both are looked at when blocks are freed, and memory used again.

use crate::boxed::make_room;
use crate::error::Error;
use crate::ext::record_watch::Of;
use crate::ext::watch;
use crate::kind::Kind;
use crate::kind::checks::{self, CANARY, FREED, OVERFLOW, USE, fault, has, other_than};
use crate::log;
use crate::sys::tools;

/// A block of a region.
#[derive(Clone, Copy)]
struct Block {
    /// The address of the block.
    start: usize,
    /// The bytes that the program asked for.
    size: usize,
    /// The address where the block taken before this one begins, or the chunk ends.
    end: usize,
    /// The chunk that the block is in, by the number of chunks with blocks up to it: 1 for the first.
    depth: usize,
    /// The place in the program where the block was allocated.
    made_at: u32,
}

/// The part of a chunk from the lowest block that it has had to the end of the highest: what is in no block
/// has a known value. With a limit on its bytes, a chunk that is used again may begin its blocks elsewhere;
/// what is between these and the others is filled then.
#[derive(Clone, Copy)]
struct Used {
    chunk: usize,
    from: usize,
    to: usize,
}

/// What is known of one region.
pub(super) struct Watch {
    /// The address of the region.
    region: usize,
    kind: &'static Kind,
    blocks: Vec<Block>,
    /// Bytes of all blocks.
    bytes: usize,
    used: Vec<Used>,
    made_by: u32,
    made_at: u32,
}

/// Fills the bytes from `from` to `to` with what freed memory holds, and closes them for tools; none where
/// `to` is not above `from`.
///
/// # Safety
/// They are a chunk's, writable, and in no block.
unsafe fn fill(from: usize, to: usize) {
    let Some(size) = to.checked_sub(from).filter(|size| *size > 0) else {
        return;
    };
    tools::open(from as *const u8, size);
    // SAFETY: bytes of a chunk that no code uses.
    unsafe { (from as *mut u8).write_bytes(FREED, size) };
    tools::close(from as *const u8, size);
}

/// Whether regions are checked: always the same answer.
pub(super) fn is_on() -> bool {
    checks::objects::are_checked()
}

impl Watch {
    /// The watch of a region of `kind` that has just been made at `address`.
    ///
    /// # Errors
    /// `Malloc`.
    pub(super) fn new(kind: &'static Kind, address: usize) -> Result<Self, Error> {
        Of::Region.made(address, kind)?;
        Ok(Self {
            region: address,
            kind,
            blocks: Vec::new(),
            bytes: 0,
            used: Vec::new(),
            made_by: log::thread(),
            made_at: checks::here(),
        })
    }

    /// Sees to it that a block can be noted.
    ///
    /// # Errors
    /// `NoMemory`.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        make_room(&mut self.blocks)
            .and_then(|()| make_room(&mut self.used))
            .map_err(|_| Error::NoMemory)
    }

    /// Notes a block of `size` bytes, with `end` where the one before it begins. The chunk is known by
    /// its base and by how many are below it.
    ///
    /// # Safety
    /// From `start` to `end` is the region's, writable, and used by no block.
    pub(super) unsafe fn add(
        &mut self,
        start: usize,
        size: usize,
        end: usize,
        chunk: usize,
        depth: usize,
    ) {
        tools::open(start as *const u8, end - start);
        let used = match self.used.iter_mut().find(|used| used.chunk == chunk) {
            Some(used) => used,
            None => {
                self.used.push(Used {
                    chunk,
                    from: end,
                    to: end,
                });
                let last = self.used.len() - 1;
                &mut self.used[last]
            }
        };
        let filled = *used;
        used.from = used.from.min(start);
        used.to = used.to.max(end);
        // SAFETY: in the chunk, on either side of what has been in blocks, and in none now.
        unsafe {
            fill(filled.to, start);
            fill(end, filled.from);
        }
        let (from, to) = (start.max(filled.from), end.min(filled.to));
        if from < to {
            // SAFETY: memory that was in blocks, and has been filled since.
            unsafe { self.is_filled(from, to) };
        }
        if has(OVERFLOW) {
            // SAFETY: behind the block, and before the next.
            unsafe { ((start + size) as *mut u8).write_bytes(CANARY, end - start - size) };
        }
        tools::close((start + size) as *const u8, end - start - size);
        self.blocks.push(Block {
            start,
            size,
            end,
            depth,
            made_at: checks::here(),
        });
        self.bytes += size;
        self.tell();
    }

    /// Brings the list of what is alive up to date.
    fn tell(&self) {
        let mut watched = watch::hold();
        if let Some(found) = watched.regions.find(self.region) {
            found.count = self.blocks.len();
            found.bytes = self.bytes;
        }
    }

    /// Ends the process if a byte from `from` to `to`, which were freed, has been written to.
    ///
    /// # Safety
    /// The bytes can be read, and were in blocks.
    unsafe fn is_filled(&self, from: usize, to: usize) {
        if !has(USE) {
            return;
        }
        // SAFETY: the bytes from `from` to `to` are in a chunk, and can be read.
        let Some(byte) = (unsafe { other_than(FREED, from as *const u8, to - from) }) else {
            return;
        };
        let sink = &mut fault::on_standard_error;
        let (at, kind) = (from + byte, self.kind.head.name());
        fault::say!(
            sink,
            "memkind: write to {at:#x} after it was freed (region of kind {kind})"
        );
        fault::tell_place("region made", self.made_by, self.made_at, sink);
        fault::tell_now(sink);
        fault::end()
    }

    /// Looks at a block and fills it.
    ///
    /// # Safety
    /// It is writable, and not used any more.
    unsafe fn drop_block(&self, block: Block) {
        let behind = block.start + block.size;
        tools::open(block.start as *const u8, block.end - block.start);
        if has(OVERFLOW) {
            // SAFETY: behind the block, and before the next.
            let byte = unsafe { other_than(CANARY, behind as *const u8, block.end - behind) };
            if let Some(byte) = byte {
                let sink = &mut fault::on_standard_error;
                let (size, start, kind) = (block.size, block.start, self.kind.head.name());
                fault::say!(
                    sink,
                    "memkind: byte {byte} behind {size} bytes at {start:#x} (region of kind {kind}) was written to"
                );
                fault::tell_place("allocated", self.made_by, block.made_at, sink);
                fault::tell_now(sink);
                fault::end()
            }
        }
        // SAFETY: the block is a part of its chunk, writable, and no code uses it any more.
        unsafe { fill(block.start, block.end) };
    }

    /// Notes that blocks are freed. Left are those in chunks before number `depth`, and in that
    /// chunk those from the address `position` on.
    ///
    /// # Safety
    /// The freed blocks are writable, and not used any more.
    pub(super) unsafe fn rewind(&mut self, position: usize, depth: usize) {
        while let Some(block) = self.blocks.last().copied() {
            if block.depth < depth || (block.depth == depth && block.start >= position) {
                break;
            }
            // SAFETY: the block is freed: writable still, and not used any more.
            unsafe { self.drop_block(block) };
            self.blocks.pop();
            self.bytes -= block.size;
        }
        self.tell();
    }

    /// Looks at the memory of a chunk, of which no block is left, and forgets it.
    ///
    /// # Safety
    /// It can be read.
    pub(super) unsafe fn forget_chunk(&mut self, chunk: usize) {
        if let Some(index) = self.used.iter().position(|used| used.chunk == chunk) {
            let used = self.used.swap_remove(index);
            tools::open(used.from as *const u8, used.to - used.from);
            // SAFETY: the chunk is still mapped, and what was used of it lies in it.
            unsafe { self.is_filled(used.from, used.to) };
        }
    }
}
