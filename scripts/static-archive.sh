#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes the libmemkind.a that is installed out of the one that rustc writes.
#
# usage: scripts/static-archive.sh RUSTC-ARCHIVE RESULT
#
# rustc's archive shows about a thousand global names: Rust's standard library and
# all of jemalloc. They clash with another Rust archive or another jemalloc in the
# same program (rust-lang/rust#104707). Here everything that the C ABI needs is
# linked into one relocatable object and every other name made local.
set -eu
cd "$(dirname "$0")/.."
from=$1 to=$2 cross=${CROSS_COMPILE:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Unlike functions, DW.ref.rust_eh_personality must stay global: it is a COMDAT
# that the linker shares with other Rust archives.
awk '$1 == "FUNC" || $1 == "OBJECT" || $1 == "STATIC" { print $2 }' ctest/abi/exports.txt >"$work/keep"
sed 's/^/--undefined=/' "$work/keep" >"$work/roots"
echo DW.ref.rust_eh_personality >>"$work/keep"

# The bfd linker by name: `ld` may be another one, without --gc-sections under -r.
linker=$(command -v "${cross}ld.bfd" || command -v "${cross}ld")
"$linker" -r --gc-sections "@$work/roots" -o "$work/memkind.o" "$from"
# What the linker collected leaves weak references behind that nothing uses, as local undefined symbols;
# objcopy would make them strong ones (pidfd_spawnp, which an older libc does not have).
"${cross}readelf" -sW "$work/memkind.o" | awk '$5 == "LOCAL" && $7 == "UND" && $8 != "" { print $8 }' >"$work/unused"
# .llvmbc: ar's LTO plug-in may abort on the bitcode of a newer LLVM.
"${cross}objcopy" --strip-debug -R .llvmbc -R .llvmcmd --strip-symbols="$work/unused" \
    --keep-global-symbols="$work/keep" "$work/memkind.o"
rm -f "$to.new"
"${cross}ar" rcsD "$to.new" "$work/memkind.o"
mv "$to.new" "$to"
