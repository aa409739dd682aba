#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The committed headers are those that are generated from src/ffi, and each of them compiles alone, without a
# warning, in C and C++. What the original's allow, C90 with inline functions and C++98, ours do; those in C++ alone
# C++11 to C++23.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh

check "include/ is what cbindgen generates (else: make headers)" scripts/headers.sh diff

# A build of the library does not build cbindgen and what that needs.
builds_cbindgen() { # builds_cbindgen FLAGS...
    # shellcheck disable=SC2086  # command prefixes and lists of flags
    ${CARGO:-$(scripts/cargo-env.sh)} tree ${CARGOFLAGS:---locked} --edges normal,build --prefix none "$@" | grep -q '^cbindgen '
}
only_for_headers() { ! builds_cbindgen && builds_cbindgen --features headers; }
check "cbindgen is built for the headers only" only_for_headers

# Cargo names a package otherwise in a directory of its name, as a clone of this repository has.
in_a_clone_named_memkind() {
    local copy
    copy=$(new_workdir headers)/memkind && mkdir "$copy" || return
    cp -R Cargo.toml Cargo.lock build.rs cbindgen.toml src include scripts "$copy" || return
    echo '/* drifted apart */' >>"$copy/include/memkind_ext.h"
    CARGO_TARGET_DIR=$(realpath "${CARGO_TARGET_DIR:-target}")
    export CARGO_TARGET_DIR
    "$copy/scripts/headers.sh" diff >"$copy.log" 2>&1 && echo "no difference is seen" && return 1
    "$copy/scripts/headers.sh" copy && cmp include/memkind_ext.h "$copy/include/memkind_ext.h"
}
check "headers are generated in a directory named memkind" in_a_clone_named_memkind

compiles() { # compiles HEADER LANGUAGE COMPILER...
    local header=$1 language=$2
    shift 2
    # C++ headers that use the C ones; no other warning flag hides anything.
    echo "#include <$header>" | "$@" -x "$language" -Wall -Wextra -Werror -pedantic -I"$include" -fsyntax-only -
}

# Each committed header, as it is built: one that the Makefile forgets is missing here.
for path in include/*.h; do
    header=${path##*/}
    for standard in gnu90 c99 c17; do
        # The allocators are class templates: C++ only.
        case $header in *_allocator.h) continue ;; esac
        check "$header alone, $standard" compiles "$header" c "${cc[@]}" -std=$standard
        # clang takes no bool in C90, in the original's headers neither.
        [ $standard != gnu90 ] && have clang && check "$header alone, $standard, clang" compiles "$header" c clang -std=$standard
    done
    for standard in c++98 c++11 c++20; do
        case $header-$standard in *_allocator.h-c++98) continue ;; esac
        check "$header alone, $standard" compiles "$header" c++ "${cxx[@]}" -std=$standard
        have clang++ && check "$header alone, $standard, clang" compiles "$header" c++ clang++ -std=$standard
    done
done
for path in include/*.hpp; do
    header=${path##*/}
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        check "$header alone, $standard" compiles "$header" c++ "${cxx[@]}" -std=$standard
        have clang++ && check "$header alone, $standard, clang" compiles "$header" c++ clang++ -std=$standard
    done
done
scripts/check-man.sh
