//! Finds libmemkind: MEMKIND_LIB_DIR, else pkg-config.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=MEMKIND_LIB_DIR");
    let is_static = env::var_os("CARGO_FEATURE_STATIC").is_some();
    if let Ok(directory) = env::var("MEMKIND_LIB_DIR") {
        println!("cargo:rustc-link-search=native={directory}");
        let kind = if is_static { "static" } else { "dylib" };
        println!("cargo:rustc-link-lib={kind}=memkind");
        return;
    }
    let mut library = pkg_config::Config::new();
    library.atleast_version("1.15.0").statik(is_static);
    if let Err(error) = library.probe("memkind") {
        println!("cargo:warning=libmemkind was not found; MEMKIND_LIB_DIR can name its directory");
        eprintln!("{error}");
        std::process::exit(1);
    }
}
