//! jemalloc's options, and its start: the calls that may allocate before it is ready for that.

use core::sync::atomic::{AtomicBool, Ordering};

use tikv_jemalloc_sys as sys;

// Options that jemalloc reads at its first use, twice. Settings of the user (JEMK_MALLOC_CONF)
// come in between. Hidden, or every program would see the symbols.
// * disable_large_size_classes: programs rely on four size classes per doubling.
// * lg_extent_max_active_fit: small blocks may have a part of any free extent, and extents of any
//   sizes are joined (40: one may be 2^40 times the other). jemalloc's 64 times goes with giving
//   extents of 8 MiB back at once; ours stay, and would be of no use to smaller blocks.
// What the user cannot change:
// * narenas: jemalloc's own arenas only have the library's records; each reserves addresses.
// * tcache: a thread that has no memory for its own crashes in jemalloc. Nothing would use it but
//   the library's records: threads have magazines.
// * dss: sbrk(2) is the C library's.
core::arch::global_asm!(
    ".pushsection .rodata.memkind_conf, \"a\"",
    ".Lmemkind_conf: .asciz \"disable_large_size_classes:false,lg_extent_max_active_fit:40\"",
    ".Lmemkind_last: .asciz \"narenas:1,tcache:false,dss:disabled\"",
    ".popsection",
    ".pushsection .data.rel.ro.memkind_conf, \"aw\"",
    ".p2align 3",
    ".irp name, _rjem_malloc_conf, _rjem_malloc_conf_2_conf_harder",
    ".globl \\name",
    ".hidden \\name",
    ".type \\name, @object",
    ".size \\name, 8",
    ".endr",
    "_rjem_malloc_conf: .8byte .Lmemkind_conf",
    "_rjem_malloc_conf_2_conf_harder: .8byte .Lmemkind_last",
    ".popsection",
);

static READY: AtomicBool = AtomicBool::new(false);

/// Makes jemalloc ready before its first use. It calls functions that may allocate, which it
/// cannot meet yet.
#[inline]
pub fn initialise() {
    if !READY.load(Ordering::Acquire) {
        start();
    }
}

#[cold]
fn start() {
    if attach() {
        READY.store(true, Ordering::Release);
    }
}

/// Makes jemalloc know the calling thread. It calls functions that may allocate, which it
/// cannot meet yet.
pub(crate) fn attach() -> bool {
    let _inside = crate::heap::base::spare::enter();
    let flags = sys::MALLOCX_ARENA(0) | sys::MALLOCX_TCACHE_NONE;
    // SAFETY: the size is not 0, and what is given is taken back as it was given.
    unsafe {
        let block = sys::mallocx(1, flags);
        if !block.is_null() {
            sys::dallocx(block, flags);
        }
        !block.is_null()
    }
}
