//! Link arguments of the shared library; with the feature `headers`, the C headers too.

#[cfg(feature = "headers")]
#[path = "scripts/headers.rs"]
mod headers;

fn main() {
    // The names that programs link to and dlopen; TLS destructors and callbacks of
    // other libraries may outlive a dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmemkind.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "headers")]
    headers::write();
}
