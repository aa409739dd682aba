//! Link arguments of the preload libraries.
//!
//! They need libmemkind.so.0 when they run, not when they are built: an empty library
//! of that name stands in for it, so that the two workspaces can be built in any order.
//! Its symbols stay undefined until the dynamic linker finds the real one.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

const RUNTIME: &str = "libmemkind.so.0";

fn main() {
    println!("cargo:rerun-if-changed=../link.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let name = env::var("CARGO_PKG_NAME").expect("set by cargo");
    let source = out.join("empty.c");
    let stand_in = out.join(RUNTIME);
    fs::write(&source, "").expect("OUT_DIR is writable");
    // The compiler of the machine that the libraries are for: Rust's name of the machine has a vendor, that of its
    // tools has none.
    let target = env::var("TARGET").expect("set by cargo");
    let (variable, usual) = if env::var("HOST").is_ok_and(|host| host == target) {
        ("CC".to_owned(), "cc".to_owned())
    } else {
        let usual = match target.strip_suffix("-linux-musl") {
            Some(_) => "musl-gcc".to_owned(),
            None => target.replace("-unknown", "") + "-gcc",
        };
        (format!("CC_{}", target.replace('-', "_")), usual)
    };
    println!("cargo:rerun-if-env-changed={variable}");
    let compiler = env::var(variable).unwrap_or(usual);
    let mut words = compiler.split_whitespace();
    let status = Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .args(["-shared", "-nostdlib", "-o"])
        .arg(&stand_in)
        .arg(format!("-Wl,-soname,{RUNTIME}"))
        .arg(&source)
        .status()
        .expect("a C compiler is needed");
    assert!(status.success(), "{compiler} cannot link a shared library");
    // -nostdlib leaves out the C runtime's constructors and libgcc's unwinder; the C library itself
    // is named again. The same as for libmemkind: never unloaded, every symbol found at start. A user who
    // preloads a library by its path means the libmemkind beside it, not an older one elsewhere.
    for argument in [
        "-nostdlib".to_owned(),
        format!("-Wl,-soname,lib{name}.so.0"),
        "-Wl,-z,now".to_owned(),
        "-Wl,-z,nodelete".to_owned(),
        "-Wl,-z,undefs".to_owned(),
        "-Wl,--enable-new-dtags,-rpath,$ORIGIN".to_owned(),
        "-Wl,--no-as-needed".to_owned(),
        stand_in.display().to_string(),
        "-lc".to_owned(),
    ] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}
