//! Link arguments of the shared library.
fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmemkind.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
