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

/// Links libgcc's unwinder into the shared library, where the compiler has it: to load libgcc_s.so.1
/// is a part of the start of every program, and no panic leaves the library. Rust's standard library
/// asks for `gcc_s`, so that name leads to the static one.
fn link_unwinder() {
    let asked = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    let answer = asked
        .ok()
        .and_then(|asked| String::from_utf8(asked.stdout).ok());
    // Without one, the compiler repeats the name.
    let is_there = answer.is_some_and(|answer| Path::new(answer.trim()).is_absolute());
    if is_there && env::var_os("TARGET") == env::var_os("HOST") {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
        fs::write(out.join("libgcc_s.so"), "INPUT ( -lgcc_eh )\n").expect("OUT_DIR is writable");
        println!("cargo:rustc-cdylib-link-arg=-L{}", out.display());
    }
}
