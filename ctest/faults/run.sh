#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Fault injection (inject.c): in steps of a program that uses kinds of every sort (steps.c), and in programs with a
# library preloaded, each system call of the library's fails in turn.
#
# usage: ctest/faults/run.sh short|long [step | preload]...
#   short  what has been found once (found.txt), and each 97th case: half a minute
#   long   all: some minutes for each step
#
# MEMKIND_LIBDIR   directory with our libraries (default: build/lib)
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/preload/modes.sh
here=ctest/faults
case ${1:-} in
short) slice=97 ;;
long) slice=1 ;;
*)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
work=$(new_workdir "faults-$1") || exit 2
shift
ulimit -c 0
unset LD_PRELOAD MEMKIND_MEM_TIERS MEMKIND_HBW_NODES MEMKIND_DEBUG MEMKIND_CHECKS
# Files in memory, in a directory of this run's own.
files=$(mktemp -d "$tier_dir/memkind-faults.XXXXXX") || exit 2
trap 'rm -rf "$files"' EXIT
# What ends a process by design: a kernel without NUMA, a child that would write to its parent's file, and a preload
# library that cannot be what it was asked to be. The C library knows ENOMEM only for the stack of a thread.
fatal='^Unexpected error\.|^MEMKIND_FATAL: (\[.*\] NUMA not available|A forked child cannot make its file-backed memory private)'
refused='^MEMKIND_FATAL|HBW init call FAILED|^MEMKIND_MEM_TIERING_LOG_ERROR|memory exhausted|[Cc]annot allocate memory|error while loading shared libraries'

compile() {
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O2 -g -o "$work/inject" "$here"/inject.c "$here"/trace.c &&
        "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O2 -g -I"$include" -Ictest/api -o "$work/steps" "$here"/steps*.c \
            -L"$libdir" -l:libmemkind.so.0 -lpthread &&
        "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -g -fno-builtin -o "$work/app" "$here"/app.c -lpthread
}

# report NAME COMMAND...: as check, with the figures of inject too.
report() {
    local output status
    output=$("${@:2}" 2>&1 </dev/null)
    status=$?
    case $status in
    0) pass "$1" ;;
    77) skip "$1" "${output##*$'\n'}" ;;
    *) fail "$1" "exit status $status" ;;
    esac
    printf '%s\n' "$output" | tail -n 12 | indent
}

# step STEP OPTION...
step() {
    local directory=$files/$1
    mkdir -p "$directory" || return
    LD_LIBRARY_PATH=$libdir report "faults in $1${2:+, ${*:2}}" "$work/inject" "${@:2}" -a "$fatal" \
        "$work/steps" "$1" "$directory" "$work/$1.figures"
}

# Cases that the library once did not survive.
found() {
    local line options
    while read -r line; do
        case $line in '#'* | '') continue ;; esac
        read -ra options <<<"$line"
        case $line in
        'preload '*) preloaded "${options[1]}" ls "${options[@]:2}" ;;
        *) step "${options[@]}" ;;
        esac
    done <"$here"/found.txt
}

# preloaded MODE PROGRAM OPTION...: with a library preloaded
preloaded() {
    local mode=$1 program=$2 variables words=()
    shift 2
    case $program in
    ls) words=(-l scripts) ;;
    sort) words=(Makefile) ;;
    esac
    # The program's copy of what it is given, and files, are in this run's directory.
    mapfile -t variables < <(tier_dir=$files mode_variables "$mode")
    report "faults in ${program##*/}, $mode, $*" "$work/inject" "$@" -a "$refused" \
        env "${variables[@]}" AUTO_HBW_LOG=-1 "$program" "${words[@]}"
}

preload() {
    local mode
    for mode in memtier dram dynamic autohbw; do
        preloaded $mode "$work/app" -k $slice
    done
    for mode in memtier autohbw; do
        preloaded $mode ls -k $slice
        preloaded $mode sort -k $slice
    done
}

check "fault injection compiles" compile || exit 1
[ $# -gt 0 ] || set -- default static huge pmem full fixed nodes described shared stats tiers hbw fork threads pool \
    vector region map dma hwloc preload
[ $slice -eq 1 ] || found
for part; do
    case $part in
    preload) preload ;;
    *) step "$part" -k $slice ;;
    esac
done
exit 0
