#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind_ext.h: a program for each property of kinds by description, maps, regions, pools and vectors, in C and C++.
#
# usage: ctest/ext/run.sh [part of a name]
#
# What a source needs besides stands in a comment line of it: " * compile: FLAGS".
# TEST_TIMEOUT: seconds for one test (default 300).
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/ext
work=build/ctest/ext
mkdir -p "$work" || exit 2
pattern=${1:-}

# build SOURCE PROGRAM [STANDARD COMPILER...]
build() {
    local -a compiler=("${cc[@]}" -std=gnu11)
    case $1 in *.cc | *.cpp) compiler=("${cxx[@]}" -std=c++17) ;; esac
    local -a extra
    local standard
    standard=$(sed -n 's/^ \* standard: \([a-z0-9+]*\).*/\1/p' "$1")
    [ -z "$standard" ] || compiler=("${compiler[0]}" "-std=$standard")
    [ $# -lt 3 ] || compiler=("${@:4}" "-std=$3")
    read -ra extra < <(sed -n 's/^ \* compile: //p' "$1" | sed 's: *\*/$::')
    "${compiler[@]}" -Wall -Wextra -Werror -O1 -g -I"$include" -Ictest/api -I"$here" -o "$2" "$1" \
        -L"$libdir" -l:libmemkind.so.0 -lpthread "${extra[@]}"
}

run() {
    LD_LIBRARY_PATH=$libdir timeout "$test_limit" "$@"
}

one() { # one SOURCE [STANDARD COMPILER...]
    local name=${1##*/}
    local program=$work/$name${2:+.$2}${3:+.${3##*/}}
    build "$1" "$program" "${@:2}" && run "$program"
}

# SPDK_EXAMPLE: a document to take the code from instead.
"$here/spdk_example.sh" "${SPDK_EXAMPLE:-$here/spdk_example.md}" >"$work/spdk_example.h"

for source in "$here"/*.c "$here"/*.cc; do
    name=${source##*/}
    case $name in *"$pattern"*) ;; *) continue ;; esac
    [ -e "$source" ] || continue
    check "ext/$name" one "$source"
done

# The C++ header with every standard and compiler, the adapter as plain C11.
wanted() { [[ $1 == *"$pattern"* ]]; }
if wanted cxx.cc; then
    for standard in c++11 c++14 c++20 c++2b; do
        check "ext/cxx.cc, $standard" one "$here/cxx.cc" $standard "${cxx[@]}"
        have clang++ && check "ext/cxx.cc, $standard, clang++" one "$here/cxx.cc" $standard clang++
    done
    # As programs have it that are compiled without RTTI, and with the warnings of strict ones.
    for compiler in "${cxx[0]}" clang++; do
        have "$compiler" && check "ext/cxx.cc, $compiler -fno-rtti -Wshadow" one "$here/cxx.cc" c++17 "$compiler" -fno-rtti -Wshadow
    done
fi
if wanted compat_evpl.c; then
    check "ext/compat_evpl.c, gnu99" one "$here/compat_evpl.c" gnu99 "${cc[@]}"
fi
# Blocks that a child does not inherit, and memory that is taken in advance, with MEMKIND_CHECKS too.
with_checks() {
    MEMKIND_CHECKS=all one "$1"
}
for name in kind_fork dma_kind map_fork; do
    if wanted $name.c; then check "ext/$name.c, with checks" with_checks "$here/$name.c"; fi
done
# A program that has the real library is told so.
real() { # real HEADER GUARD DIRECTORY NAME
    local output
    output=$(echo "#include <$1>" | "${cc[@]}" -x c "-D$2" -I"$include" -I"$include/memkind/compat/$3" -fsyntax-only - 2>&1) && return 1
    [[ $output == *"$4"* ]]
}
if wanted compat_real; then
    check "ext: the adapter refuses to stand beside the real libevpl" real evpl.h EVPL_INCLUDED evpl "real libevpl"
    for name in env log; do
        check "ext: $name.h refuses to stand beside SPDK's" real "spdk/$name.h" "SPDK_${name^^}_H" "" "SPDK's own header"
    done
fi
for example in packet_pool.c echo.c memory_pool.cpp uring_copy.c node_buffers.c; do
    if wanted "$example"; then check "examples/$example" one "examples/$example"; fi
done
exit 0
