#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Prints the cargo to build with, as a command prefix: "cargo", or for example
# "env RUSTC=rustc-1.89 cargo-1.89" where the distribution numbers its packages.
# Exit status 1, and a message that says what to install, when none is new enough.
set -u
need=85 # the minor number of rust-version in Cargo.toml

# minor COMMAND...: the N of "cargo 1.N.x".
minor() {
    "$@" --version 2>/dev/null | sed -n 's/^[a-z]* 1\.\([0-9]*\)\..*/\1/p'
}

new_enough() {
    found=$(minor "$@")
    [ "${found:-0}" -ge "$need" ]
}

for cargo in cargo "$HOME/.cargo/bin/cargo" /usr/bin/cargo; do
    if new_enough "$cargo"; then
        echo "$cargo"
        exit 0
    fi
done
for cargo in $(find /usr/bin -name 'cargo-1.*' 2>/dev/null | sort -rV); do
    version=${cargo#/usr/bin/cargo-}
    if new_enough "$cargo" && command -v "rustc-$version" >/dev/null; then
        echo "env RUSTC=rustc-$version RUSTDOC=rustdoc-$version $cargo"
        exit 0
    fi
done
have=$(cargo --version 2>/dev/null || echo none)
echo "No cargo of version 1.$need or newer was found (have: $have)." >&2
echo "Run scripts/setup.sh (as root or with sudo), or install Rust from https://rustup.rs" >&2
exit 1
