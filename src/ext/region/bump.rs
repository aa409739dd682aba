//! The fast path of a region: two words, and how a handle of C leads to them.

use core::cell::UnsafeCell;
use core::ptr;

/// Blocks are aligned to this, and their sizes rounded up to a multiple of it.
pub(super) const UNIT: usize = 16;

/// All that an allocation reads.
#[repr(C)]
pub(super) struct Bump {
    /// Bytes left in the current chunk; 0 while the region is read-only.
    pub(super) left: usize,
    /// The base of the current chunk.
    pub(super) base: *mut u8,
}

impl Bump {
    /// No chunk, and nothing left.
    pub(super) const NONE: Self = Self {
        left: 0,
        base: ptr::null_mut(),
    };
}

struct NoRegion(UnsafeCell<Bump>);

// SAFETY: its `left` is always 0, so no allocation writes to it.
unsafe impl Sync for NoRegion {}

/// Where the handle NULL leads: handles are relative to it, so an allocation need not ask
/// whether its handle is NULL.
static NO_REGION: NoRegion = NoRegion(UnsafeCell::new(Bump::NONE));

/// The start of a region, or of [`NO_REGION`].
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Place(pub(super) *mut Bump);

impl Place {
    /// What is there; `None` where there is no region.
    pub(super) fn bump(self) -> Option<*mut Bump> {
        (self.0 != NO_REGION.0.get()).then_some(self.0)
    }

    /// The place that a handle of C leads to.
    #[inline(always)]
    pub(crate) fn of_handle(handle: usize) -> Self {
        let mut place = handle;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: adds an address from the table that the linker fills, in one instruction, which the compiler
        // does not find; no memory is written.
        unsafe {
            core::arch::asm!(
                "add {place}, qword ptr [rip + {none}@GOTPCREL]",
                place = inout(reg) place,
                none = sym NO_REGION,
                options(pure, readonly, nostack),
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            place = place.wrapping_add(NO_REGION.0.get() as usize);
        }
        Self(place as *mut Bump)
    }

    /// The handle of C that leads to this place.
    pub(crate) fn handle(self) -> usize {
        (self.0 as usize).wrapping_sub(NO_REGION.0.get() as usize)
    }

    /// A block from the current chunk, of minus `minus_size` bytes as [`minus`] gives them;
    /// `None` for 0 bytes, if there are not as many left, and where there is no region.
    ///
    /// # Safety
    /// The region lives, and no other thread uses it.
    #[inline(always)]
    pub(crate) unsafe fn allocate(self, minus_size: usize) -> Option<*mut u8> {
        // SAFETY: a live region, which no other thread uses, or `NO_REGION`, which has nothing left.
        unsafe {
            let bump = &mut *self.0;
            // One addition tells both: without a carry the size was 0, or above what is left.
            let (left, carry) = bump.left.overflowing_add(minus_size);
            if !carry {
                return None;
            }
            let left = left & !(UNIT - 1);
            bump.left = left;
            Some(bump.base.wrapping_add(left))
        }
    }
}

/// `size` negated, modulo 2^64, by an instruction that the compiler does not see into: of a
/// subtraction it would make two comparisons of one carry, which takes an instruction more.
#[inline(always)]
pub(crate) fn minus(size: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut minus = size;
        // SAFETY: a negation, nothing else.
        unsafe {
            core::arch::asm!("neg {minus}", minus = inout(reg) minus, options(pure, nomem, nostack));
        }
        minus
    }
    #[cfg(not(target_arch = "x86_64"))]
    size.wrapping_neg()
}
