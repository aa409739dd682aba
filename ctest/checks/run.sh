#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks of what programs do with blocks (MEMKIND_CHECKS): each fault in each sort of kind, in programs with the
# libraries preloaded, and under valgrind and AddressSanitizer; and the property tests of ctest/api with all checks on.
#
# usage: ctest/checks/run.sh [faults | objects | preload | tools | races | load | api | ext | long]...   (default: all but long)
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/checks
work=$(new_workdir ctest/checks) || exit 2
ulimit -c 0
unset LD_PRELOAD MEMKIND_CHECKS MEMKIND_DEBUG MEMKIND_MEM_TIERS MEMKIND_HBW_NODES
export LD_LIBRARY_PATH=$libdir

# build NAME [FLAG...]
build() {
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -g -I"$include" -o "$work/${2:-}$1" "$here/$1.c" \
        "${@:3}" -L"$libdir" -l:libmemkind.so.0 -lpthread
}

faults() {
    build faults '' -O1 || return
    scripts/with-huge-pages.sh 8 timeout "$test_limit" "$work/faults"
}

objects() {
    build objects '' -O1 && timeout "$test_limit" "$work/objects"
}

# preloaded FAULT KIND VARIABLE...: what the program says that it will be told is what it is told first.
preloaded() {
    local said
    said=$(env "${@:3}" timeout "$test_limit" "$work/preloaded" "$1" "$2" 2>"$work/preloaded.err")
    echo "expected: $said"
    head -n 20 "$work/preloaded.err"
    # libautohbw has messages of its own.
    [ "$(grep -m 1 ^memkind: "$work/preloaded.err")" = "$said" ]
}

preload() {
    local fault
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -Wno-use-after-free -O1 -g -fno-builtin -o "$work/preloaded" "$here/preloaded.c" ||
        { fail checks/preload "does not build"; return; }
    for fault in overflow double interior use none; do
        check "checks/preload autohbw, $fault" preloaded $fault memkind_hbw_preferred MEMKIND_HBW_NODES=0 AUTO_HBW_SIZE=0 \
            LD_PRELOAD="$libdir/libautohbw.so.0" MEMKIND_CHECKS=free,overflow,use,guard
        check "checks/preload memtier, $fault" preloaded $fault memkind_default MEMKIND_MEM_TIERS="KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" \
            LD_PRELOAD="$libdir/libmemtier.so.0" MEMKIND_CHECKS=free,overflow,use,guard
    done
}

# memcheck KIND FAULT: the errors that memcheck counts, of each program one.
memcheck() {
    local status
    timeout "$test_limit" valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        "$work/tools" "$1" "$2" >"$work/memcheck.out" 2>&1
    status=$?
    cat "$work/memcheck.out"
    if [ "$2" = none ]; then
        [ $status -eq 0 ] && grep -q 'ERROR SUMMARY: 0 errors' "$work/memcheck.out"
        return
    fi
    [ $status -eq 9 ] && grep -q 'ERROR SUMMARY: 1 errors' "$work/memcheck.out" && case $2 in
    overflow) grep -q 'is 0 bytes after a block of size 10 alloc' "$work/memcheck.out" ;;
    use) grep -q 'is 0 bytes inside a block of size 10 free' "$work/memcheck.out" ;;
    double) grep -q 'Invalid free()' "$work/memcheck.out" ;;
    leak) grep -q '100 bytes in 1 blocks are definitely lost' "$work/memcheck.out" ;;
    esac
}

# threads [small]: memcheck has nothing to say of a correct program with threads.
threads() {
    timeout "$test_limit" valgrind --error-exitcode=9 "$work/threads" "$@" >"$work/memcheck.out" 2>&1
    local status=$?
    head -n 40 "$work/memcheck.out"
    [ $status -eq 0 ] && grep -q 'ERROR SUMMARY: 0 errors' "$work/memcheck.out"
}

# sanitized KIND FAULT. LeakSanitizer lists only what its own malloc gave: lost blocks of kinds are listed by ours.
sanitized() {
    local status checks=
    [ "$2" != leak ] || checks=leak
    MEMKIND_CHECKS=$checks ASAN_OPTIONS=detect_leaks=1 timeout "$test_limit" "$work/asan-tools" "$1" "$2" >"$work/asan.out" 2>&1
    status=$?
    head -n 12 "$work/asan.out"
    case $2 in
    none) [ $status -eq 0 ] && [ ! -s "$work/asan.out" ] ;;
    overflow | use) [ $status -eq 1 ] && grep -q 'ERROR: AddressSanitizer: use-after-poison' "$work/asan.out" ;;
    double) [ $status -eq 134 ] && grep -q '^memkind: double free of 10 bytes' "$work/asan.out" ;;
    leak) [ $status -eq 0 ] && grep -q '^memkind: alive: 1 block, 100 bytes' "$work/asan.out" &&
        ! grep -q LeakSanitizer "$work/asan.out" ;;
    esac
}

# "none" turns all of them off.
unwatched() {
    MEMKIND_CHECKS=none ASAN_OPTIONS=detect_leaks=0 timeout "$test_limit" "$work/asan-tools" default overflow
}

tools() {
    local sort fault
    build tools '' -O0 || { fail checks/tools "does not build"; return; }
    # Each run of memcheck takes seconds; with a file-backed kind, whose mapping is large, half a minute.
    for fault in overflow use double leak none; do
        for sort in default fixed; do
            [ $sort = default ] || [ $fault = none ] || continue
            if have valgrind; then
                check "checks/memcheck $sort, $fault" memcheck $sort $fault
            else
                skip "checks/memcheck $sort, $fault" "no valgrind"
            fi
        done
    done
    if ! build threads '' -O1; then
        fail checks/threads "does not build"
    elif have valgrind; then
        check "checks/memcheck threads" threads
        check "checks/memcheck threads, small stacks" threads small
    else
        skip "checks/memcheck threads" "no valgrind"
    fi
    if ! build tools asan- -O0 -fsanitize=address >/dev/null 2>&1; then
        skip checks/asan "the compiler has no AddressSanitizer"
        return
    fi
    check "checks/asan none" unwatched
    for fault in overflow use double leak none; do
        for sort in default regular pmem fixed; do
            check "checks/asan $sort, $fault" sanitized $sort $fault
        done
    done
}

# raced KIND FAULT [SUPPRESSION]: no race is reported but one of the program's, which is.
raced() {
    local status
    echo "${3:-}" >"$work/suppressions"
    TSAN_OPTIONS="exitcode=66 suppressions=$work/suppressions" timeout "$test_limit" setarch -R "$work/tsan-races" "$1" "$2" >"$work/tsan.out" 2>&1
    status=$?
    head -n 12 "$work/tsan.out"
    case $2 in
    none | kinds) [ $status -eq 0 ] && [ ! -s "$work/tsan.out" ] ;;
    race) [ $status -eq 66 ] && [ "$(grep -c 'WARNING: ThreadSanitizer: data race' "$work/tsan.out")" -eq 1 ] &&
        grep -q ' write_to ' "$work/tsan.out" ;;
    esac
}

races() {
    local sort fault
    # The sanitizer needs addresses that are not randomized, and some machines do not allow that.
    if ! build races tsan- -O1 -fsanitize=thread >/dev/null 2>&1 || ! setarch -R true 2>/dev/null; then
        skip checks/tsan "no ThreadSanitizer here"
        return
    fi
    for fault in none race; do
        for sort in default regular pmem; do
            check "checks/tsan $sort, $fault" raced $sort $fault
        done
    done
    # What memkind_checks(3) says to suppress, and what is left then.
    for fault in kinds race; do
        check "checks/tsan $fault, suppressed" raced default $fault called_from_lib:libmemkind.so
    done
}

# A list that cannot be understood ends the process when the library is loaded, as does "none" beside others.
malformed() {
    local list
    build faults '' -O1 || return
    for list in fre all,none none,leak free,none; do
        MEMKIND_CHECKS=$list "$work/faults" default:0 >"$work/malformed.out" 2>&1
        [ $? -eq 134 ] && grep -q "^MEMKIND_FATAL: Wrong value of MEMKIND_CHECKS=$list: it is all, " "$work/malformed.out" ||
            { echo "$list"; return 1; }
    done
}

load() { check checks/malformed malformed; }

# mode NAME LONG: prints the checks for a test that is to be run; LONG is "long" for those that take long.
mode() {
    awk -v name="$1" -v long="$2" '$1 == name { mode = $2; time = $3 }
        END { if (mode != "never" && time == long) print mode ? mode : "all" }' "$here/exceptions.txt"
}

# api [long]: the tests of ctest/api; TEST_TIMEOUT is for each (run-api.sh).
api() {
    local source name mode
    for source in ctest/api/*.c; do
        name=$(basename "$source" .c)
        mode=$(mode "$name" "${1:-}")
        [ -z "$mode" ] || MEMKIND_CHECKS=$mode ctest/run-api.sh --against ours "$name" |
            sed -n "s:^\([A-Z]* \)\($name \[ours\].*\):\1checks/\2:p"
    done
}

# ext [long]: the tests of ctest/ext.
ext() {
    local source name mode
    for source in ctest/ext/*.c; do
        name=$(basename "$source" .c)
        mode=$(mode "ext/$name" "${1:-}")
        [ -z "$mode" ] || MEMKIND_CHECKS=$mode ctest/ext/run.sh "$name.c" |
            sed -n "s:^\([A-Z]* \)\(ext/$name\.c.*\):\1checks/\2:p"
    done
}

# What takes more than ten seconds with checks.
long() { api long && ext long; }

[ $# -gt 0 ] || set -- faults objects preload tools races load api ext
for part; do
    case $part in
    faults | objects) check "checks/$part" "$part" ;;
    preload | tools | races | load | api | ext | long) $part ;;
    *) echo "ctest/checks/run.sh: no part called '$part'" >&2; exit 2 ;;
    esac
done
exit 0
