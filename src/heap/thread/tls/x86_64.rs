//! The thread-local variable by the instructions of x86-64. The resolver that stands for static TLS
//! is `mov 8(%rax),%rax; ret`.

use core::ptr;

use super::super::record::{EMPTY, Thread};

core::arch::global_asm!(
    ".pushsection .tdata,\"awT\",@progbits",
    ".p2align 3",
    ".globl memkind_thread",
    ".hidden memkind_thread",
    ".type memkind_thread, @object",
    ".size memkind_thread, 16",
    "memkind_thread: .quad {empty}, 0",
    ".popsection",
    empty = sym EMPTY,
);

/// The distance if the variable is in static TLS, else 0.
pub(super) fn static_distance() -> usize {
    let found: usize;
    // SAFETY: computes the address of the descriptor. A linker that knows the place
    // of the variable turns the instruction into a load of the distance itself.
    unsafe {
        core::arch::asm!(
            "leaq memkind_thread@tlsdesc(%rip), %rax",
            out("rax") found,
            options(att_syntax, nomem, nostack, preserves_flags),
        );
    }
    if (found as isize) < 0 {
        return found;
    }
    const PLAIN: [u8; 5] = [0x48, 0x8b, 0x40, 0x08, 0xc3];
    const MARKED: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    // SAFETY: the descriptor is two words, filled before any of our code runs (-z now);
    // the first is the address of a function, whose code is readable and not shorter
    // than the bytes compared.
    unsafe {
        let descriptor = found as *const usize;
        let mut code = *descriptor as *const u8;
        if ptr::read_unaligned(code.cast::<[u8; 4]>()) == MARKED {
            code = code.add(4);
        }
        if ptr::read_unaligned(code.cast::<[u8; 5]>()) == PLAIN {
            *descriptor.add(1)
        } else {
            0
        }
    }
}

/// The thread's record, by the distance of the variable.
#[inline(always)]
pub(super) fn at(distance: usize) -> *const Thread {
    let thread: *const Thread;
    // SAFETY: `distance` is that of our own variable in the thread's static TLS.
    unsafe {
        core::arch::asm!(
            "mov {thread}, qword ptr fs:[{distance}]",
            distance = in(reg) distance,
            thread = lateout(reg) thread,
            options(nostack, preserves_flags, readonly),
        );
    }
    thread
}
