#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the library for another machine, and runs the property tests of ctest/api on it here: those of arm64
# under qemu's user emulation, those of musl as they are, with the shared and with the static library.
#
# usage: ctest/foreign/run.sh arm64|musl [--short] [--booted] [pattern]
#
# `--short` runs a part of them. `--booted` runs those of arm64 in a machine booted for it too (ctest/numa/numa-vm), where
# there is no list of what cannot pass: some take longer than TEST_TIMEOUT there. `pattern` is as in ctest/run-api.sh.
# What cannot pass is in ctest/foreign/*.txt, with the reason. Where a tool is missing the tests are skipped:
# scripts/setup.sh installs the tools, and Rust's library where rustup has brought Rust.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/foreign

machine=${1:-} short=no booted=no
[ $# -eq 0 ] || shift
patterns=()
for word; do
    case $word in
    --short) short=yes ;;
    --booted) booted=yes ;;
    *) patterns=("$word") ;;
    esac
done
case $machine in
arm64)
    target=aarch64-unknown-linux-gnu compiler=aarch64-linux-gnu-gcc
    needs="aarch64-linux-gnu-gcc qemu-aarch64-static"
    ;;
musl)
    target=x86_64-unknown-linux-musl compiler=musl-gcc needs=musl-gcc
    ;;
*)
    sed -n '/^# usage:/s/^# //p' "$0" >&2
    exit 2
    ;;
esac
# Each part of the library, in seconds.
[ $short = no ] || patterns=(malloc_ memalign_ 'realloc_[cs]*' size_ fork_pmem load_ create_ detect_ memtier_b 'stats_*s' small_)
[ ${#patterns[@]} -gt 0 ] || patterns=('')
for command in $needs; do
    have "$command" || {
        skip "$machine" "no $command here"
        exit 0
    }
done
if ! reason=$(scripts/check-tools.sh "$target" 2>&1); then
    skip "$machine" "${reason##*$'\n'}"
    exit 0
fi
out=$root/build/$target
build() { "${MAKE:-make}" -s --no-print-directory all TARGET="$target"; }
check "$machine library" build
[ -e "$out/lib/libmemkind.so.0" ] || exit 1

# listed LIST: each test that the list names exists.
listed() {
    local name
    while read -r name; do
        [ -e "ctest/api/$name.c" ] || { echo "$1 names $name, which is not in ctest/api"; return 1; }
    done < <(sed -n 's/^\([a-z0-9_]*\): .*/\1/p' "$1")
}

# tests NAME LIST LIBRARY COMPILER [VARIABLE=VALUE...]: the property tests, and what LIST says that cannot pass
tests() {
    local name=$1 list=$here/$2.txt library=$3 compiler=$4 pattern
    shift 4
    check "$name: exceptions" listed "$list"
    for pattern in "${patterns[@]}"; do
        env "$@" MEMKIND_LIBDIR="$out/lib" MEMKIND_INCLUDE="$root/include" MEMKIND_CC="$compiler" MEMKIND_OUT="$out/ctest" \
            MEMKIND_EXCEPTIONS="$list" ctest/run-api.sh --against "$library" "$pattern" |
            sed -n "s/^\([A-Z]* [^ ]*\) \[$library\]/\1 [$name]/p"
    done
}

# preloaded LIBRARY: runs a program that knows nothing of libmemkind, with LIBRARY preloaded
preloaded() {
    timeout "$test_limit" env MEMKIND_HBW_NODES=0 AUTO_HBW_SIZE=0 MEMKIND_MEM_TIERS="KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" \
        LD_PRELOAD="$out/lib/$1" "$out/ctest/preloaded"
}

# boot: runs the programs that `tests` has built, in a booted machine
boot() {
    local programs=() pattern program
    for pattern in "${patterns[@]}"; do
        for program in ctest/api/*.c; do
            program=$(basename "$program" .c)
            # shellcheck disable=SC2254  # a pattern
            case $program in *$pattern*) [ ! -x "$out/ctest/ours/$program" ] || programs+=("$program") ;; esac
        done
    done
    rm -rf "$out/booted"
    mkdir -p "$out/booted/lib" || return
    cp -a "$out/lib/"*.so* "$out/booted/lib/"
    cp "$here/guest.sh" "$out/booted/"
    NUMA_VM_ARCH=aarch64 ctest/numa/numa-vm -t "$here/machine.topo" -s 7200 -d "$out/booted:/foreign" -d "$out/ctest/ours" -- \
        /foreign/guest.sh "$out/ctest/ours" "$test_limit" "${programs[@]}" 2>"$out/booted.err" |
        sed 's/^\([A-Z]* [a-z0-9_]*\)/\1 [arm64, booted]/'
    case ${PIPESTATUS[0]} in
    0) ;;
    77) skip "arm64, booted" "$(tail -n 1 "$out/booted.err")" ;;
    *) fail "arm64, booted" "$(tail -n 1 "$out/booted.err")" ;;
    esac
}

case $machine in
arm64)
    emulator=(MEMKIND_RUN=qemu-aarch64-static QEMU_LD_PREFIX=/usr/aarch64-linux-gnu)
    tests "arm64, 4 KiB" arm64 ours $compiler "${emulator[@]}" QEMU_PAGESIZE=4096
    [ $booted = no ] || boot
    ;;
musl)
    # musl has no headers of the kernel: this machine's.
    mkdir -p "$out/kernel"
    for directory in linux asm-generic asm; do
        found=/usr/include/$directory
        [ -e "$found" ] || found=/usr/include/x86_64-linux-gnu/$directory
        ln -sfn "$found" "$out/kernel/$directory"
    done
    compiler="$compiler -idirafter $out/kernel"
    mkdir -p "$out/ctest"
    check "musl: preloaded builds" musl-gcc -std=gnu11 -Wall -Wextra -Werror -O1 -g -fno-builtin -o "$out/ctest/preloaded" "$here/preloaded.c"
    check "musl: libautohbw" preloaded libautohbw.so.0
    check "musl: libmemtier" preloaded libmemtier.so.0
    tests musl musl ours "$compiler"
    tests "musl, static" musl-static static "$compiler -static"
    ;;
esac
exit 0
