#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memtier(1): messages, exit status and the environment of the program, the same as the distribution's
# where that one knows the option.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir preload-launcher) || exit 2
ulimit -c 0
unset LD_PRELOAD MEMKIND_MEM_TIERS MEMKIND_MEM_THRESHOLDS MEMKIND_DAX_KMEM_NODES
ours=${CARGO_TARGET_DIR:-target}/release/memtier
theirs=/usr/bin/memtier
dist=$(distribution_libdir)
[ -x "$ours" ] || {
    skip "memtier" "$ours is not built"
    exit 0
}

# run PROGRAM LIBRARY-PATH OUTPUT ARGUMENTS...: what it says, and the environment it makes.
run() {
    local program=$1 path=$2 output=$3
    shift 3
    (
        env "${settings[@]}" LD_LIBRARY_PATH="$path" "$program" "$@" >"$work/stdout" 2>"$work/stderr"
        echo "status $?" >"$output"
    ) 2>/dev/null
    # Help has a line of ours; `setting` is said of more variables than by the original.
    grep -vE 'memtier is a malloc|^(programs\.| *-n/|setting )' "$work/stderr" | sed 's|^/[^ ]*/memtier: |memtier: |' >>"$output"
    grep -E '^(MEMKIND_|LD_PRELOAD)|^Options' "$work/stdout" | sort >>"$output"
}

compare() { # compare ARGUMENTS...: on both
    if [ ! -x "$theirs" ] || [ -z "$dist" ]; then
        skip "memtier $*" "the distribution's memtier is not installed"
        return
    fi
    run "$theirs" "$dist" "$work/expected" "$@"
    run "$ours" "$dist" "$work/got" "$@"
    same "memtier $* ${settings[*]}" "$work/expected" "$work/got"
}

same_answer() { # same_answer OPTION OPTION: to both
    diff <("$ours" "$1" -n) <("$ours" "$2" -n) && "$ours" "$1" -n | grep -q 'RATIO:1'
}

settings=()
compare
compare -h
compare --help
compare -x
compare --nope
compare -r
compare -r 1:0
compare -r 1 env
compare -r 1:2:3 env
compare -r a:b env
compare -r -1:1 env
compare -r 1:99999999999999999999 env
compare -r : env
compare -r 0:0 env
compare -r 1: env
compare -r 1:0 env
compare -r1:0 env
compare --ratio=1:0 env
compare --rat 1:0 env
compare -v -r 1:0 env
compare -r 1:0 -- env -i
compare -r 1:0 -t INIT_VAL:64 env
compare -r 1:0 /nowhere/program
compare -r 1:0 /tmp
compare -r 0:1 env
check "memtier -r=1:0 is -r 1:0" same_answer -r=1:0 -r1:0
settings=(LD_PRELOAD=libdl.so.2)
compare -r 1:0 env
settings=(MEMKIND_DAX_KMEM_NODES=0)
compare -r 0:1 env
compare -t INIT_VAL:1024 env
# Numbers as in C, with their blanks and signs; and what is none.
for ratio in 0x1F:1 1:0X2 010:1 +1:+3 " 1: 2" 08:1 1:09 0x:1 1:0xg 0x1g:1 1:a 1:2x "1:1 " 1x:1 1.5:1 1:1.5 1:: +-1:1; do
    compare -r "$ratio" env
done

dry_run() {
    "$ours" --dry-run -r 3:4 -t INIT_VAL:64 >"$work/got" || return
    printf '%s\n' LD_PRELOAD=libmemtier.so \
        "MEMKIND_MEM_TIERS=KIND:DRAM,RATIO:3;KIND:KMEM_DAX,RATIO:4;POLICY:DYNAMIC_THRESHOLD" \
        MEMKIND_MEM_THRESHOLDS=INIT_VAL:64 >"$work/expected"
    diff -u "$work/expected" "$work/got"
}
check "memtier --dry-run" dry_run

kinds() {
    "$ours" -n -k NODE:0,0=3 --kind=memkind_regular -t INIT_VAL:64 >"$work/got" || return
    printf '%s\n' LD_PRELOAD=libmemtier.so \
        "MEMKIND_MEM_TIERS=KIND:NODE:0/0,RATIO:3;KIND:memkind_regular,RATIO:1;POLICY:DYNAMIC_THRESHOLD" \
        MEMKIND_MEM_THRESHOLDS=INIT_VAL:64 >"$work/expected"
    diff -u "$work/expected" "$work/got" || return
    [ "$(LD_LIBRARY_PATH=$libdir "$ours" -k memkind_regular -k NODE:0=2 sh -c 'echo $MEMKIND_MEM_TIERS')" = \
        "KIND:memkind_regular,RATIO:1;KIND:NODE:0,RATIO:2;POLICY:STATIC_RATIO" ]
}
check "memtier --kind" kinds
refused() { # refused MESSAGE-PART ARGUMENTS...
    local words=$1
    shift
    ! "$ours" "$@" >"$work/stdout" 2>"$work/stderr" && grep -F -e "$words" "$work/stderr"
}
check "memtier --kind, portion 0" refused "a portion being 1 to 4294967295, not DRAM=0" -k DRAM=0 true
check "memtier --kind, two settings in one" refused "--kind takes KIND" -k "DRAM;POLICY" true
for kind in FOO FS_DAX dram node:x NODE: NODE:0:NEAR; do
    check "memtier --kind $kind" refused "memtier: no kind $kind: it is DRAM, " -k "$kind" true
    check "memtier --dry-run --kind $kind" refused "memtier: no kind $kind: it is DRAM, " -n -k "$kind=2"
done
check "memtier --kind and --ratio" refused "with --kind, portions stand after" -k DRAM -r 1:1 true
check "memtier --kind, one with a threshold" refused "requires multiple tiers" -k DRAM -t INIT_VAL:64 true
check "memtier --version" test "$("$ours" --version)" = "memtier $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"

signals() { # the program has the signals ignored that memtier was started with, and no others
    local expected got
    expected=$(grep SigIgn /proc/self/status)
    got=$(LD_LIBRARY_PATH=$libdir "$ours" -r 1:0 grep SigIgn /proc/self/status) || return
    [ "$got" = "$expected" ] || echo "with SIGPIPE $1: $got instead of $expected"
    [ "$got" = "$expected" ]
}
ignored() { # as under systemd
    trap '' PIPE
    signals ignored
}
check "memtier leaves SIGPIPE as it is" signals "as it was"
check "memtier leaves SIGPIPE ignored" ignored

installed() { # found beside the program where the dynamic linker would not look, and libmemkind beside them
    mkdir -p "$work/bin" "$work/lib" && cp "$ours" "$work/bin/memtier" && cp -P "$libdir"/lib*.so* "$work/lib" || return
    # shellcheck disable=SC2016
    env -u LD_LIBRARY_PATH "$work/bin/memtier" -r 1:0 sh -c '
        for library in libmemtier.so libmemkind.so; do
            grep "$library" /proc/$$/maps | grep -q "/preload-launcher/lib/" || exit
        done'
}
check "memtier finds the libraries beside it" installed

cannot_write() { # cannot_write STATUS TARGET ARGUMENTS...: to full devices and closed pipes, without a panic
    local status=$1 target=$2
    shift 2
    "$ours" "$@" >"$target" 2>"$work/stderr"
    local got=$?
    cat "$work/stderr"
    [ $got = "$status" ] && ! grep -q panicked "$work/stderr"
}
check "memtier --help, full device" cannot_write 1 /dev/full --help
check "memtier --dry-run, full device" cannot_write 1 /dev/full -n -r 1:1
check "memtier -x, full device" cannot_write 1 /dev/full -x
check "memtier --help, closed pipe" cannot_write 0 >(:) --help
no_errors() { LD_LIBRARY_PATH=$libdir "$ours" -v -r 1:0 true 2>/dev/full; }
check "memtier -v, standard error is full" no_errors
exit 0
