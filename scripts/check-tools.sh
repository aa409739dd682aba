#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Says what is missing to build, and which package has it.
#
# usage: scripts/check-tools.sh [TARGET]
set -u
target=${1:-} prefix=${CROSS_COMPILE:-}
missing=

need() { # need PACKAGES COMMAND...
    packages=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $packages"
}

case $prefix in
'')
    need gcc "${CC:-cc}" --version
    need binutils objcopy --version
    ;;
*)
    need "gcc-${prefix%-}" "${prefix}gcc" --version
    need "binutils-${prefix%-}" "${prefix}objcopy" --version
    ;;
esac
case $target in *-musl) need musl-tools musl-gcc -dumpversion ;; esac
need make make --version
need pkg-config pkg-config --version
if [ -n "$missing" ]; then
    echo "Cannot build yet. Missing Debian/Ubuntu packages:$missing" >&2
    echo "Install them, or let scripts/setup.sh do it (as root or with sudo)." >&2
    exit 1
fi
cargo=${CARGO:-$(scripts/cargo-env.sh)} || exit
[ -n "$target" ] || exit 0
case $cargo in *RUSTC=*) rustc=${cargo##*RUSTC=} rustc=${rustc%% *} ;; *) rustc=$(dirname "$(command -v "$cargo")")/rustc ;; esac
if ! ls "$("$rustc" --print target-libdir --target "$target" 2>/dev/null)"/libcore-*.rlib >/dev/null 2>&1; then
    echo "Rust has no standard library for $target here: rustup target add $target" >&2
    exit 1
fi
