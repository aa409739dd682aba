//! Size classes that threads cache: jemalloc's own, up to 8 MiB.
//!
//! A class is written as the offset of its bin inside a cache, so that the fast paths
//! need no multiplication. Class 0 stands for "not cached": its bin is always empty.
#![forbid(unsafe_code)]

/// Bytes of the pages that jemalloc was built for: the largest that the processor may have. Slabs
/// and large blocks are whole ones.
pub const PAGE: usize = 1 << LG_PAGE;
/// The binary logarithm of [`PAGE`]; `.cargo/config.toml` tells it to jemalloc's build.
const LG_PAGE: u32 = if cfg!(target_arch = "x86_64") { 12 } else { 16 };

/// Number of classes, the empty one included.
pub(crate) const COUNT: usize = 74;
/// Number of classes up to [`MAX`], the empty one included; larger blocks are cached by the rules
/// of `cache/large.rs`.
pub(crate) const SMALL_COUNT: usize = 46;
/// What the page map has in place of a class for pages that are a heap's and hold no blocks. A bin
/// of its own, always empty and full, stands there for the fast paths.
pub(crate) const NO_BLOCKS: usize = COUNT << BIN_BITS;
/// The binary logarithm of the bytes of a bin.
pub(crate) const BIN_BITS: u32 = 3;
/// The largest size that is cached as small, in bytes.
pub(crate) const MAX: usize = 64 << 10;
/// The largest cached size, in bytes.
pub(crate) const LARGE_MAX: usize = 8 << 20;
/// The largest size that jemalloc keeps in slabs, in bytes.
pub(crate) const SLAB_MAX: usize = PAGE / 2 * 7;
/// Requests for more bytes than this, or for a larger alignment, are refused at once: with the page
/// that jemalloc adds they take half of the 2^47 bytes of addresses that a program has on x86-64, and a
/// quarter elsewhere. Allocators could not add to larger ones without an overflow.
pub(crate) const REQUEST_MAX: usize = (1 << 46) - PAGE;

/// Up to this size the table has an entry for every 8 bytes, beyond for every 256.
pub(crate) const FINE_MAX: usize = 4096;
const FINE: usize = 8;
const COARSE: usize = 256;

/// The size of each class: 8, multiples of 16 to 128, then four per doubling.
pub(crate) static SIZES: [u32; 128] = padded();

const fn padded() -> [u32; 128] {
    let sizes = sizes();
    let mut padded = [0; 128];
    let mut class = 0;
    while class < COUNT {
        padded[class] = sizes[class];
        class += 1;
    }
    padded
}

const fn sizes() -> [u32; COUNT] {
    let mut sizes = [0; COUNT];
    sizes[1] = 8;
    let mut class = 2;
    let mut size = 16;
    while size <= 128 {
        sizes[class] = size;
        size += 16;
        class += 1;
    }
    let mut group = 128;
    while class < COUNT {
        let mut step = 1;
        while step <= 4 {
            sizes[class] = group + step * (group / 4);
            class += 1;
            step += 1;
        }
        group *= 2;
    }
    sizes
}

const fn table<const N: usize>(unit: usize) -> [u16; N] {
    let sizes = sizes();
    let mut table = [0; N];
    let (mut i, mut class) = (1, 1);
    while i < N {
        while (sizes[class] as usize) < i * unit {
            class += 1;
        }
        table[i] = (class << BIN_BITS) as u16;
        i += 1;
    }
    table
}

static FINE_TABLE: [u16; FINE_MAX / FINE + 1] = table(FINE);
static COARSE_TABLE: [u16; MAX / COARSE + 1] = table(COARSE);

/// The bin offset for a size up to [`FINE_MAX`]; 0 for size 0.
#[inline(always)]
pub(crate) fn fine_offset(size: usize) -> usize {
    FINE_TABLE[size.div_ceil(FINE)] as usize
}

/// The bin offset for a size above [`FINE_MAX`] and up to [`MAX`].
#[inline(always)]
pub(crate) fn coarse_offset(size: usize) -> usize {
    COARSE_TABLE[size.div_ceil(COARSE)] as usize
}

/// The bin offset for a size above [`MAX`] and up to [`LARGE_MAX`]: four classes per doubling.
#[inline(always)]
pub(crate) fn large_offset(size: usize) -> usize {
    let last = size - 1;
    let doubling = last.ilog2();
    let step = (last >> (doubling - 2)) & 3;
    let before = (doubling - MAX.ilog2()) as usize;
    (SMALL_COUNT + 4 * before + step) << BIN_BITS
}

/// Whether the class with this offset is one of those above [`MAX`].
#[inline]
pub(crate) fn is_large(offset: usize) -> bool {
    offset >= SMALL_COUNT << BIN_BITS
}

/// The bin offset for any size; 0 for those that are not cached.
#[inline]
pub(crate) fn offset(size: usize) -> usize {
    if size <= FINE_MAX {
        fine_offset(size)
    } else if size <= MAX {
        coarse_offset(size)
    } else if size <= LARGE_MAX {
        large_offset(size)
    } else {
        0
    }
}

/// Bytes of a block of the class with this offset.
#[inline]
pub(crate) fn size_of(offset: usize) -> usize {
    // The table has an entry for every offset; the bound only spares a check.
    SIZES[(offset >> BIN_BITS) & 127] as usize
}

/// The offset of the class that has the blocks for the class at `offset` in a heap whose blocks are
/// all aligned to two to the power of `align_bits`.
pub(crate) fn rounded(offset: usize, align_bits: u8) -> usize {
    let last = (1 << align_bits) - 1;
    self::offset((size_of(offset) + last) & !last)
}

/// The fewest bytes, in whole pages, that must be unused for a block of `size` bytes when
/// no slab of its class has room: a slab, or the block with the page that jemalloc adds.
pub(crate) fn least_pages(size: usize) -> usize {
    if size > SLAB_MAX {
        return size.saturating_add(PAGE);
    }
    let class = size_of(offset(size.max(1)));
    let mut slab = PAGE;
    while slab % class != 0 {
        slab += PAGE;
    }
    slab
}

/// The size to ask for so that a block of that class is aligned; `None` when only
/// jemalloc can tell. Slabs start at a page, and classes are multiples of what they
/// are rounded to; larger blocks start at a cache line.
pub(crate) fn aligned_size(align: usize, size: usize) -> Option<usize> {
    let rounded = size.checked_add(align - 1)? & !(align - 1);
    let fits = (align <= PAGE && rounded <= SLAB_MAX) || (align <= 64 && rounded <= LARGE_MAX);
    fits.then_some(rounded)
}

/// Blocks in a magazine of this class.
pub(crate) fn magazine_capacity(offset: usize) -> usize {
    let size = size_of(offset);
    if size <= 1024 {
        (16384 / size).clamp(16, 256)
    } else if size > MAX {
        ((4 << 20) / size).clamp(1, 8)
    } else {
        (65536 / size).clamp(4, 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_jemallocs() {
        let expected: [(usize, usize); 17] = [
            (1, 8),
            (8, 8),
            (9, 16),
            (17, 32),
            (129, 160),
            (1024, 1024),
            (1025, 1280),
            (5000, 5120),
            (14336, 14336),
            (14337, 16384),
            (40961, 49152),
            (65536, 65536),
            (65537, 80 << 10),
            (128 << 10, 128 << 10),
            ((128 << 10) + 1, 160 << 10),
            ((7 << 20) + 1, 8 << 20),
            (8 << 20, 8 << 20),
        ];
        for (size, class) in expected {
            assert_eq!(size_of(offset(size)), class, "{size}");
        }
        let larger = (MAX..=LARGE_MAX).step_by(509);
        for size in (1..=MAX).chain(larger) {
            let class = size_of(offset(size));
            assert!(
                class >= size && (class == 8 || class < size + size / 4 + 16),
                "{size}"
            );
        }
    }

    #[test]
    fn slabs_are_whole_pages_of_whole_blocks() {
        for (size, slab) in [(0, 1), (8, 1), (48, 3), (1024, 1), (1280, 5), (14336, 7)] {
            assert_eq!(least_pages(size), slab * PAGE, "{size}");
        }
        assert_eq!(least_pages(SLAB_MAX + 1), SLAB_MAX + 1 + PAGE);
        assert_eq!(least_pages(usize::MAX), usize::MAX);
    }

    #[test]
    fn other_sizes_have_no_class() {
        assert_eq!(offset(0), 0);
        assert_eq!(offset(LARGE_MAX + 1), 0);
        assert_eq!(offset(usize::MAX), 0);
        assert_eq!(size_of(0), 0);
    }

    #[test]
    fn aligned_sizes_are_of_aligned_classes() {
        for shift in 3..=12 {
            let align = 1 << shift;
            for size in 1..=SLAB_MAX {
                if let Some(rounded) = aligned_size(align, size) {
                    let class = size_of(offset(rounded));
                    assert!(class % align.min(class) == 0 && class >= size);
                    assert!(
                        class > SLAB_MAX || class % align == 0,
                        "{align} {size} {class}"
                    );
                }
            }
        }
        assert_eq!(aligned_size(2 * PAGE, 100), None);
        assert_eq!(aligned_size(1 << 47, usize::MAX), None);
    }
}
