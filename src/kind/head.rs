//! The first 128 bytes of a kind, which compiled programs and debuggers read.
//!
//! Offsets are those of the original's `struct memkind` on x86-64. The name, the
//! partition, `allow_zero_allocs` and, for file-backed kinds, `priv` are live; the
//! rest keeps its place.

use core::ffi::{CStr, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

/// Bytes of a name with its NUL.
const NAME_SIZE: usize = 64;

/// The original's table of functions: programs only ask whether a slot is filled.
#[repr(transparent)]
struct Operations([Option<extern "C" fn()>; 21]);

extern "C" fn unused() {}

/// The one table of all kinds, whose behaviour is in their rows.
static OPERATIONS: Operations = Operations([Some(unused); 21]);

/// The first 128 bytes of a kind. Fields without a comment keep their place for compiled programs.
#[repr(C)]
pub struct Head {
    ops: &'static Operations,
    partition: u32,
    name: [u8; NAME_SIZE],
    init_once: AtomicU32,
    arena_map_len: AtomicU32,
    arena_map: AtomicPtr<c_void>,
    arena_key: u32,
    private: AtomicPtr<c_void>,
    arena_map_mask: AtomicU32,
    arena_zero: AtomicU32,
    /// Whether size 0 gives a block.
    pub allow_zero_allocs: AtomicBool,
}

const _: () = {
    assert!(core::mem::offset_of!(Head, partition) == 8);
    assert!(core::mem::offset_of!(Head, name) == 12);
    assert!(core::mem::offset_of!(Head, init_once) == 76);
    assert!(core::mem::offset_of!(Head, arena_map_len) == 80);
    assert!(core::mem::offset_of!(Head, arena_map) == 88);
    assert!(core::mem::offset_of!(Head, arena_key) == 96);
    assert!(core::mem::offset_of!(Head, private) == 104);
    assert!(core::mem::offset_of!(Head, arena_map_mask) == 112);
    assert!(core::mem::offset_of!(Head, arena_zero) == 116);
    assert!(core::mem::offset_of!(Head, allow_zero_allocs) == 120);
    assert!(size_of::<Head>() == 128);
};

impl Head {
    /// A head with this number and name; a name of more than 63 bytes is cut.
    pub const fn new(partition: u32, text: &[u8]) -> Self {
        let mut name = [0; NAME_SIZE];
        let mut i = 0;
        while i < text.len() && i < NAME_SIZE - 1 {
            name[i] = text[i];
            i += 1;
        }
        Self {
            ops: &OPERATIONS,
            partition,
            name,
            init_once: AtomicU32::new(0),
            arena_map_len: AtomicU32::new(0),
            arena_map: AtomicPtr::new(ptr::null_mut()),
            arena_key: 0,
            private: AtomicPtr::new(ptr::null_mut()),
            arena_map_mask: AtomicU32::new(0),
            arena_zero: AtomicU32::new(0),
            allow_zero_allocs: AtomicBool::new(false),
        }
    }

    /// The kind's number.
    pub const fn partition(&self) -> u32 {
        self.partition
    }

    /// The kind's name, as a C string.
    pub fn name_text(&'static self) -> &'static CStr {
        CStr::from_bytes_until_nul(&self.name).unwrap_or_default()
    }

    /// The kind's name.
    pub fn name(&self) -> &str {
        let length = self.name.iter().position(|b| *b == 0).unwrap_or(NAME_SIZE);
        core::str::from_utf8(&self.name[..length]).unwrap_or("?")
    }

    /// Points `priv` to `record`, the record of a file-backed kind.
    pub fn set_private(&self, record: *const c_void) {
        self.private
            .store(record.cast_mut(), core::sync::atomic::Ordering::Release);
    }

    /// Records that the kind may have up to `count` arenas.
    pub fn set_arena_count(&self, count: u32) {
        use core::sync::atomic::Ordering::Relaxed;
        self.arena_map_len.store(count, Relaxed);
        self.arena_map_mask.store(count - 1, Relaxed);
    }
}
