//! Link arguments of the shared library; with the feature `headers`, the C headers too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

#[cfg(feature = "headers")]
#[path = "scripts/headers.rs"]
mod headers;

fn main() {
    // The names that programs link to and dlopen; TLS destructors and callbacks of
    // other libraries may outlive a dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmemkind.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
    link_unwinder();
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "headers")]
    headers::write();
}

/// Links a static unwinder into the shared library, where there is one: to load libgcc_s.so.1 is a part of the start of
/// every program, and no panic leaves the library. Rust's standard library asks for `gcc_s`, so that name leads to the
/// static one.
fn link_unwinder() {
    let target = env::var("TARGET").expect("set by cargo");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let (unwinder, whom) = if let Some(archive) = unwinder_for_musl(&target) {
        // The static library brings it along, and the tools link it: gcc's is made for glibc and calls
        // functions that musl has not, and Debian has no libgcc_s.so.1 for musl.
        fs::copy(archive, out.join("libunwind.a")).expect("OUT_DIR is writable");
        println!("cargo:rustc-link-search=native={}", out.display());
        println!("cargo:rustc-link-lib=static=unwind");
        ("libunwind.a", "rustc-link-arg")
    } else if env::var("HOST").is_ok_and(|host| host == target) && has_static_unwinder() {
        // libgcc itself for what jemalloc calls of it: the standard library of some distributions has not all of that.
        ("-lgcc_eh -lgcc", "rustc-cdylib-link-arg")
    } else {
        return;
    };
    fs::write(out.join("libgcc_s.so"), format!("INPUT ( {unwinder} )\n"))
        .expect("OUT_DIR is writable");
    println!("cargo:{whom}=-L{}", out.display());
}

/// The unwinder that comes with Rust's standard library for musl.
fn unwinder_for_musl(target: &str) -> Option<PathBuf> {
    let rustc = env::var_os("RUSTC").expect("set by cargo");
    let mut asked = Command::new(rustc);
    asked.args(["--print", "target-libdir", "--target", target]);
    let archive = Path::new(&answer(&mut asked)?).join("self-contained/libunwind.a");
    (target.ends_with("-musl") && archive.exists()).then_some(archive)
}

/// Whether the compiler has libgcc's unwinder as a static library. Without one, it repeats the name.
fn has_static_unwinder() -> bool {
    answer(Command::new("cc").arg("-print-file-name=libgcc_eh.a"))
        .is_some_and(|path| Path::new(&path).is_absolute())
}

/// What a program prints, without the end of the line.
fn answer(command: &mut Command) -> Option<String> {
    let printed = command.output().ok()?;
    Some(String::from_utf8(printed.stdout).ok()?.trim().to_owned())
}
