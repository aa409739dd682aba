#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The bindings for other languages, on this library.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=$libdir

python() { PYTHONPATH=$root/bindings/python PYTHONDONTWRITEBYTECODE=1 "$1" "$root/ctest/bindings/$2.py"; }
is_told() { # is_told PYTHON DIRECTORY: that the library there is too old
    ! LD_LIBRARY_PATH=$2 PYTHONPATH=$root/bindings/python "$1" -B -c 'import memkind' 2>"$work/older" || return
    cat "$work/older"
    grep -q '^ImportError: libmemkind.so.0 is older than 1.15.0' "$work/older"
}
# The distribution's Python has the distribution's numpy.
interpreter=/usr/bin/python3
[ -x "$interpreter" ] || interpreter=python3
if have "$interpreter"; then
    check "Python" python "$interpreter" test_memkind
    check "Python: ends, copies, pickles, odd numbers and strings" python "$interpreter" test_memkind_odd
    older=$(distribution_libdir)
    if [ -n "$older" ]; then
        check "Python, on the original's library" is_told "$interpreter" "$older"
    else
        skip "Python, on the original's library" "it is not installed"
    fi
else
    skip "Python" "no python3"
fi

fortran() {
    cd "$work" && gfortran -std=f2008 -Wall -Wextra -Werror -o test "$root/bindings/fortran/memkind.f90" \
        "$root/ctest/bindings/test_memkind.f90" -L"$libdir" -lmemkind && ./test
}
if have gfortran; then
    check "Fortran" fortran
else
    skip "Fortran" "no gfortran"
fi

# The crates for Rust: their tests, and a program outside of the tree that depends on them by path.
cargo=${CARGO:-$(scripts/cargo-env.sh 2>/dev/null)}
export MEMKIND_LIB_DIR=$libdir CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/bindings
in_crates() { (cd "$root/bindings/rust" && "$@"); }
outside() {
    mkdir -p "$work/outside/src" && cat >"$work/outside/Cargo.toml" <<TOML && cat >"$work/outside/src/main.rs" <<'RUST' || return
[package]
name = "outside"
version = "0.1.0"
edition = "2021"
[dependencies]
allocator-api2 = "0.4"
memkind = { path = "$root/bindings/rust/memkind" }
TOML
use memkind::{GlobalKind, Static};
#[global_allocator]
static GLOBAL: GlobalKind = GlobalKind(Static::Regular);
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text: allocator_api2::vec::Vec<u8, _> = allocator_api2::vec::Vec::with_capacity_in(100, Static::Default);
    let mut words: Vec<String> = ["a", "b"].iter().map(|word| word.repeat(1000)).collect();
    words.sort();
    memkind::update_statistics()?;
    assert!(Static::Regular.statistics()?.allocated >= 2000 && text.capacity() >= 100);
    Ok(())
}
RUST
    # A source archive has its crates with it.
    if [ -d "$root/vendor" ]; then
        mkdir "$work/outside/.cargo" && sed "s:^directory = \"vendor\":directory = \"$root/vendor\":" \
            "$root/.cargo/config.toml" >"$work/outside/.cargo/config.toml"
    fi
    cp "$root/bindings/rust/Cargo.lock" "$work/outside" && cd "$work/outside" && $cargo run -q
}
if [ -n "$cargo" ]; then
    # shellcheck disable=SC2086  # a command prefix
    check "Rust: tests and examples of the documentation" in_crates $cargo test -q --locked
    check "Rust: clippy" in_crates "$root/scripts/clippy.sh" -q --locked --all-targets
    # shellcheck disable=SC2086
    if $cargo fmt --version >/dev/null 2>&1; then
        # shellcheck disable=SC2086
        check "Rust: formatting" in_crates $cargo fmt --check
    else
        skip "Rust: formatting" "rustfmt is not installed"
    fi
    # shellcheck disable=SC2086
    check "Rust: the example" in_crates $cargo run -q --locked --example kinds
    check "Rust: a program outside of the tree, with a kind as its global allocator" outside
    # shellcheck disable=SC2086
    check "Rust: documentation" in_crates env RUSTDOCFLAGS="-D warnings" $cargo doc -q --locked --no-deps
else
    skip "Rust" "no cargo"
fi
