//! The thread-local variable by the instructions of arm64. The resolver that stands for static TLS
//! is `ldr x0, [x0, #8]; ret`.

use core::ptr;

use super::super::record::{EMPTY, Thread};

core::arch::global_asm!(
    ".pushsection .tdata,\"awT\",@progbits",
    ".p2align 3",
    ".globl memkind_thread",
    ".hidden memkind_thread",
    ".type memkind_thread, @object",
    ".size memkind_thread, 16",
    "memkind_thread: .xword {empty}, 0",
    ".popsection",
    empty = sym EMPTY,
);

/// The distance if the variable is in static TLS, else 0.
pub(super) fn static_distance() -> usize {
    let (found, resolver): (usize, usize);
    // SAFETY: computes the address of the descriptor, and loads its first word. A linker that knows
    // the place of the variable turns the instructions into others that load the distance itself,
    // and leave the second register as it is.
    unsafe {
        core::arch::asm!(
            "adrp x0, :tlsdesc:memkind_thread",
            "ldr x1, [x0, :tlsdesc_lo12:memkind_thread]",
            "add x0, x0, :tlsdesc_lo12:memkind_thread",
            out("x0") found,
            inout("x1") 0_usize => resolver,
            options(nostack, preserves_flags, readonly),
        );
    }
    if resolver == 0 {
        return found;
    }
    const PLAIN: [u32; 2] = [0xf940_0400, 0xd65f_03c0];
    // `bti c`, and the `nop` that stands there where the C library was built without.
    const MARKS: [u32; 2] = [0xd503_245f, 0xd503_201f];
    // SAFETY: the descriptor is two words, filled before any of our code runs (-z now);
    // the first is the address of a function, whose code is readable and not shorter
    // than the instructions compared.
    unsafe {
        let mut code = resolver as *const u32;
        if MARKS.contains(&*code) {
            code = code.add(1);
        }
        if ptr::read(code.cast::<[u32; 2]>()) == PLAIN {
            *(found as *const usize).add(1)
        } else {
            0
        }
    }
}

/// The thread's record, by the distance of the variable.
#[inline(always)]
pub(super) fn at(distance: usize) -> *const Thread {
    let base: usize;
    // SAFETY: reads the thread pointer.
    unsafe {
        core::arch::asm!(
            "mrs {base}, tpidr_el0",
            base = out(reg) base,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    // SAFETY: `distance` is that of our own variable in the thread's static TLS.
    unsafe { *((base + distance) as *const *const Thread) }
}
