#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# memkind_ext.h: a program for each property of regions, pools and vectors, in C and C++.
#
# usage: ctest/ext/run.sh [part of a name]
#
# What a source needs besides stands in a comment line of it: " * compile: FLAGS".
# TEST_TIMEOUT: seconds for one test (default 60).
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/ext
work=build/ctest/ext
mkdir -p "$work" || exit 2
pattern=${1:-}

# build SOURCE PROGRAM [STANDARD]
build() {
    local -a compiler=("${cc[@]}" -std=gnu11)
    case $1 in *.cc) compiler=("${cxx[@]}" -std=c++17) ;; esac
    [ $# -lt 3 ] || compiler=("${compiler[0]}" "-std=$3")
    local -a extra
    read -ra extra < <(sed -n 's/^ \* compile: //p' "$1" | sed 's: *\*/$::')
    "${compiler[@]}" -Wall -Wextra -Werror -O1 -g -I"$include" -Ictest/api -I"$here" -o "$2" "$1" \
        -L"$libdir" -l:libmemkind.so.0 -lpthread "${extra[@]}"
}

run() {
    LD_LIBRARY_PATH=$libdir timeout "${TEST_TIMEOUT:-60}" "$@"
}

one() { # one SOURCE [STANDARD]
    local name=${1##*/}
    local program=$work/$name${2:+.$2}
    build "$1" "$program" "${@:2}" && run "$program"
}

for source in "$here"/*.c "$here"/*.cc; do
    name=${source##*/}
    case $name in *"$pattern"*) ;; *) continue ;; esac
    [ -e "$source" ] || continue
    check "ext/$name" one "$source"
done
exit 0
