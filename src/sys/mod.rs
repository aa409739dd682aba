//! System calls and small functions under the C library's names, without the C library.
//!
//! Another preloaded library may put its own function in front of any of the C library's,
//! and that function may allocate: called from inside an allocation it would come back
//! without end, or wait for a lock that its own thread holds. So the library, jemalloc and
//! Rust's standard library in it get functions of ours under the C library's names
//! (`names`), which no other library sees.
//!
//! When the library has been loaded, it changes mappings with the C library's functions again,
//! but with its very own (`mappings`).
//!
//! Only where `raw` knows how to enter the kernel: elsewhere the names stay the C library's,
//! because a system call through `syscall(2)` could be replaced like any other function.

pub(crate) mod addresses;
pub(crate) mod ahead;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod auxiliary;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod environment;
#[cfg(target_env = "gnu")]
mod errors;
#[cfg_attr(
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_env = "gnu"
    )),
    path = "forks_portable.rs"
)]
pub(crate) mod forks;
pub(crate) mod held;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod hidden;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod locks;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod mappings;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod names;
mod page;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod raw;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod thread_local;
pub(crate) mod thread_pointer;
pub(crate) mod tools;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vdso;

pub use page::page_size;

/// Lets the C library change mappings from now on. Called once, when the library has been loaded.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use mappings::use_library;

/// Does nothing: on this processor all functions are the C library's.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn use_library() {}

/// Whether the process is known to have one thread only: musl does not tell.
#[cfg(target_env = "musl")]
pub(crate) fn is_single_threaded() -> bool {
    false
}

/// Whether the process is known to have one thread only.
#[cfg(not(target_env = "musl"))]
pub(crate) fn is_single_threaded() -> bool {
    unsafe extern "C" {
        static __libc_single_threaded: core::sync::atomic::AtomicU8;
    }
    // SAFETY: a variable of the C library, which only it writes.
    unsafe { __libc_single_threaded.load(core::sync::atomic::Ordering::Relaxed) != 0 }
}
