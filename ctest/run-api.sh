#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds and runs the property tests in ctest/api against our library, the distribution's, or both.
#
# usage: ctest/run-api.sh [--against ours|static|distribution|both|dropin] [pattern]
#
# `dropin` builds with the distribution's headers and library and runs on ours: what an already
# installed program meets. `static` links our libmemkind.a. `pattern` is a shell pattern for test names
# (stats_*), or a part of one.
#
# MEMKIND_LIBDIR      directory with our libmemkind.so.0   (default: build/lib)
# MEMKIND_INCLUDE     directory with our headers           (default: include)
# MEMKIND_DIST_LIBDIR directory with the distribution's    (default: /usr/lib/x86_64-linux-gnu)
# TEST_TIMEOUT        seconds for one test                 (default: 300)
# For programs of another machine (ctest/foreign/run.sh):
# MEMKIND_CC          compiler, with flags                 (default: gcc)
# MEMKIND_RUN         program that runs them, if any
# MEMKIND_OUT         directory for programs               (default: build/ctest)
# MEMKIND_EXCEPTIONS  file of tests that cannot pass, a line "NAME: reason" for each: such a test is run, and
#                     counted as skipped if it fails, as failed if it passes. "NAME: not run: reason" skips one.
#
# A test may name further link flags in a comment line of its own: " * link: -rdynamic", and
# a source in ctest/api/lib to be built as a shared object beside the program: " * library: NAME".
# " * huge pages: N" makes root reserve N pages of 2 MiB while it runs.
# Exit status: 0 nothing failed, 1 something failed, 2 wrong usage or nothing to run.

root=$(cd "$(dirname "$0")/.." && pwd) || exit 2
libdir=${MEMKIND_LIBDIR:-$root/build/lib}
include=${MEMKIND_INCLUDE:-$root/include}
distribution=${MEMKIND_DIST_LIBDIR:-/usr/lib/x86_64-linux-gnu}
limit=${TEST_TIMEOUT:-300}
against=ours
cc=${MEMKIND_CC:-gcc} exceptions=${MEMKIND_EXCEPTIONS:-/dev/null}

usage() {
    sed -n '/^# usage:/s/^# //p' "$0" >&2
    exit 2
}

if [ "$1" = --against ]; then
    against=$2
    shift 2 || usage
fi
[ $# -le 1 ] || usage
pattern=${1:-}
case $against in
ours | static | distribution | dropin) libraries=$against ;;
both) libraries="distribution ours" ;;
*) usage ;;
esac

passed=0 failed=0 skipped=0

# report STATUS NAME LIBRARY FILE-WITH-REASON: of a test that cannot pass, $excepted is the reason.
report() {
    if [ "$1" = FAIL ] && [ -n "$excepted" ]; then
        echo "$excepted" >"$4"
        set -- SKIP "$2" "$3" "$4"
    elif [ "$1" = PASS ] && [ -n "$excepted" ]; then
        echo "passes, and $exceptions says that it cannot: $excepted" >"$4"
        set -- FAIL "$2" "$3" "$4"
    fi
    case $1 in
    PASS) passed=$((passed + 1)) ;;
    SKIP) skipped=$((skipped + 1)) ;;
    FAIL) failed=$((failed + 1)) ;;
    esac
    reason=$(tail -n 3 "$4" | tr '\n' ' ')
    [ "$1" = PASS ] && reason=
    printf '%s %s [%s]%s\n' "$1" "$2" "$3" "${reason:+: $reason}"
}

# build SOURCE PROGRAM LIBRARY: compiles unless the program is newer than all it is made from.
build() {
    case $3 in
    ours) headers="-I$include" link="-L$libdir -l:libmemkind.so.0" made_from=$libdir/libmemkind.so.0 ;;
    static) headers="-I$include" link="$libdir/libmemkind.a" made_from=$link ;;
    *) headers='' link="-L$distribution -lmemkind" made_from=$distribution/libmemkind.so.0 ;;
    esac
    newest=$(ls -t "$2" "$1" "$root"/ctest/api/*.h "$root"/ctest/api/lib/* "$made_from" 2>/dev/null | head -n 1)
    [ "$newest" = "$2" ] && return 0
    extra=$(sed -n 's/^ \* link: //p' "$1" | sed 's: *\*/$::')
    compile="$cc -std=gnu11 -Wall -Wextra -Werror -O1 -g $headers"
    # The flags are lists of words, so they are not quoted.
    # shellcheck disable=SC2086
    for shared in $(sed -n 's/^ \* library: \([a-z_]*\).*/\1/p' "$1"); do
        $compile -shared -fPIC -o "$(dirname "$2")/$shared.so" "$root/ctest/api/lib/$shared.c" $link || return
    done
    # shellcheck disable=SC2086
    $compile -o "$2" "$1" $link -lpthread -L"${2%/*}" -Wl,-rpath,"${2%/*}" $extra
}

run_library() {
    library=$1
    out=${MEMKIND_OUT:-$root/build/ctest}/$library
    mkdir -p "$out" || exit 2
    runtime=$libdir
    [ "$library" = distribution ] && runtime=$distribution
    if [ ! -e "$runtime/libmemkind.so.0" ]; then
        echo "$0: no libmemkind.so.0 in $runtime" >&2
        exit 2
    fi
    for source in "$root"/ctest/api/*.c; do
        name=$(basename "$source" .c)
        # The pattern is meant to be one.
        # shellcheck disable=SC2254
        case $name in
        *$pattern*) ;;
        *) continue ;;
        esac
        program=$out/$name
        excepted=$(sed -n "s/^$name: //p" "$exceptions")
        case $excepted in "not run: "*)
            echo "${excepted#not run: }" >"$program.out"
            report SKIP "$name" "$library" "$program.out"
            continue
            ;;
        esac
        if ! build "$source" "$program" "$library" 2>"$program.err"; then
            grep -m 1 error: "$program.err" >"$program.out"
            report FAIL "$name" "$library" "$program.out"
            continue
        fi
        pages=$(sed -n 's/^ \* huge pages: \([0-9]*\).*/\1/p' "$source")
        with=${pages:+$root/scripts/with-huge-pages.sh $pages}
        # shellcheck disable=SC2086  # no word, or a command with its argument
        $with env LD_LIBRARY_PATH="$runtime" timeout "$limit" ${MEMKIND_RUN:-} "$program" >"$program.out" 2>"$program.err"
        status=$?
        case $status in
        0) report PASS "$name" "$library" "$program.err" ;;
        77) report SKIP "$name" "$library" "$program.out" ;;
        *)
            [ $status -eq 124 ] && echo "longer than $limit s" >>"$program.err"
            [ $status -ne 1 ] && echo "exit status $status" >>"$program.err"
            report FAIL "$name" "$library" "$program.err"
            ;;
        esac
    done
}

for chosen in $libraries; do
    run_library "$chosen"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $((passed + failed + skipped)) -gt 0 ] || exit 2
[ $failed -eq 0 ]
