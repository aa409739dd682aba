#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The stress test (stress.c) on our library, in several shapes.
#
# usage: ctest/stress/run.sh short|long|valgrind [seconds for each shape]     (default: 12, 60 and 60)
#
# MEMKIND_LIBDIR   directory with our libmemkind.so.0 (default: build/lib)
# STRESS_SEED      the seed to start from, to repeat a run
#
# Not run under ThreadSanitizer: the library is not built with it, so the sanitizer would not see the
# library's own synchronization and take every block that changes hands for a race.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh

case ${1:-} in
short) seconds=${2:-12} ;;
long | valgrind) seconds=${2:-60} ;;
*)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
work=$(new_workdir "stress-$1") || exit 2
# A node of high-bandwidth memory, so that those kinds exist.
export MEMKIND_HBW_NODES=${MEMKIND_HBW_NODES:-0}

# compile PROGRAM FLAG...
compile() {
    local program=$work/$1
    shift
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -g "$@" -I"$include" -o "$program" ctest/stress/*.c \
        -L"$libdir" -l:libmemkind.so.0 -lpthread
}

# stress NAME [COMMAND...] -- OPTION...: one run; its last line says what was done.
stress() {
    local name="stress $1" before=() status
    shift
    while [ "$1" != -- ]; do
        before+=("$1")
        shift
    done
    shift
    LD_LIBRARY_PATH=$libdir "${before[@]+"${before[@]}"}" "$program" ${STRESS_SEED:+-s "$STRESS_SEED"} "$@" \
        >"$work/out" 2>"$work/err" </dev/null
    status=$?
    if [ $status -eq 0 ]; then
        pass "$name"
    elif [ -n "$known" ] && grep -q "$known" "$work/err"; then
        skip "$name" "an assertion of jemalloc's own is wrong here, see scripts/check-debug-heap.sh"
    else
        fail "$name" "options $*, exit status $status: $(grep . "$work/err" | head -n 2 | tr '\n' ' ')"
    fi
    indent <"$work/out"
}

# A message that stands for a known fault elsewhere.
known=
check "the stress test compiles" compile stress || exit 1
program=$work/stress
if [ "$1" = short ]; then
    stress "8 threads, no forks" -- -t "$seconds" -f
    exit 0
fi

# Leaks are not asked for: the heap belongs to the library. Children are followed. Nor are statistics: under valgrind
# freed blocks are kept back for a while, and count as allocated.
under_valgrind() {
    local valgrind=(valgrind -q --error-exitcode=9 --fair-sched=yes --child-silent-after-fork=no)
    if have valgrind; then
        stress "8 threads under valgrind" "${valgrind[@]}" -- -t "$((seconds * 2))" -o 40000 -b 500 -m
        stress "1 thread under valgrind" "${valgrind[@]}" -- -t "$seconds" -o 40000 -b 500 -n 1 -m
    else
        skip "stress under valgrind" "valgrind is not installed"
    fi
}
if [ "$1" = valgrind ]; then
    under_valgrind
    exit 0
fi

stress "8 threads" -- -t "$seconds"
stress "2 threads, 40 blocks" -- -t "$seconds" -n 2 -b 40
stress "40 threads, 60000 blocks" -- -t "$seconds" -n 40 -b 60000
stress "1 thread" -- -t "$seconds" -n 1
stress "threads without forks and with lasting kinds" -- -t "$seconds" -f -c
for option in MEMKIND_ARENA_NUM_PER_KIND=1 MEMKIND_HOG_MEMORY=1 MEMKIND_BACKGROUND_THREAD_LIMIT=2; do
    stress "8 threads, $option" env "$option" -- -t "$((seconds / 4 + 1))"
done
under_valgrind
# Only the program is instrumented: that the model itself is right, and free of undefined behaviour.
if compile stress-sanitized -fsanitize=address,undefined -fno-sanitize-recover=all 2>"$work/err"; then
    program=$work/stress-sanitized
    stress "8 threads, program under ASan and UBSan" env ASAN_OPTIONS=detect_leaks=0 -- -t "$((seconds / 4 + 1))"
else
    skip "stress, program under ASan and UBSan" "$(grep -m 1 . "$work/err")"
fi
program=$work/stress
# A library whose jemalloc checks itself; scripts/check-debug-heap.sh builds it, and explains the wrong assertion.
if [ build/debug-heap/lib/libmemkind.so.0 -nt "$libdir/libmemkind.so.0" ]; then
    libdir=$PWD/build/debug-heap/lib
    known='src/ctl\.c:[0-9]*: Failed assertion: "bstats->nonfull_slabs == 0"'
    stress "8 threads, jemalloc's assertions" env JEMK_MALLOC_CONF=junk:false -- -t "$seconds" -c -m
else
    skip "stress with jemalloc's assertions" "no new library in build/debug-heap: run make check-debug-heap first"
fi
exit 0
