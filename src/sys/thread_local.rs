//! The address of a thread-local variable that Rust has no name for: one of assembly or of C.

/// The address, of bytes, of the calling thread's variable with that symbol, which is one of the library's.
/// By a TLS descriptor: the library may be dlopened. May allocate when a thread uses a variable of the library
/// for the first time.
#[cfg(target_arch = "x86_64")]
macro_rules! address {
    ($symbol:literal) => {{
        let address: usize;
        // The calling convention of TLS descriptors: rax in and out, everything else kept but, in
        // old slow paths, vector registers.
        core::arch::asm!(
            concat!("leaq ", $symbol, "@tlsdesc(%rip), %rax"),
            concat!("call *", $symbol, "@tlscall(%rax)"),
            "addq %fs:0, %rax",
            out("rax") address,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(att_syntax),
        );
        address as *mut u8
    }};
}

/// The address, of bytes, of the calling thread's variable with that symbol, which is one of the library's.
/// By a TLS descriptor: the library may be dlopened. May allocate when a thread uses a variable of the library
/// for the first time.
#[cfg(target_arch = "aarch64")]
macro_rules! address {
    ($symbol:literal) => {{
        let distance: usize;
        let base: usize;
        // The calling convention of TLS descriptors: x0 in and out, x1 and the link register lost,
        // everything else kept but the flags.
        core::arch::asm!(
            concat!("adrp x0, :tlsdesc:", $symbol),
            concat!("ldr x1, [x0, :tlsdesc_lo12:", $symbol, "]"),
            concat!("add x0, x0, :tlsdesc_lo12:", $symbol),
            concat!(".tlsdesccall ", $symbol),
            "blr x1",
            "mrs x1, tpidr_el0",
            out("x0") distance,
            out("x1") base,
            out("x30") _,
        );
        (base + distance) as *mut u8
    }};
}

pub(crate) use address;
