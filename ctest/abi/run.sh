#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The ABI contract: symbols, headers, layout, and every way of linking.
#
# MEMKIND_LIBDIR and MEMKIND_INCLUDE choose another library to look at.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir abi) || exit 2
here=ctest/abi
so=$libdir/libmemkind.so.0
archive=$libdir/libmemkind.a
dist=$(distribution_libdir)
# What a program needs besides libmemkind.a; the same list is in memkind.pc.
static_libs=(-lutil -lrt -lpthread -lm -ldl)

# ---- Symbols ----

# symbols SHARED-LIBRARY: its dynamic symbols in the form of exports.txt.
symbols() {
    readelf --dyn-syms -W "$1" | awk '
        $1 !~ /^[0-9]+:$/ || $8 == "" { next }
        $5 == "LOCAL" { next }
        $7 != "UND" { print $4 == "OBJECT" ? "OBJECT " $8 " " $3 : $4 " " $8 }
        $7 == "UND" && $5 == "WEAK" && $8 ~ /^(memkind|memtier|hbw)_/ { print "HOOK " $8 }' | sort
}

# public_names: the names that the distribution's headers declare and its library defines.
public_names() {
    local header
    for header in memkind.h hbwmalloc.h memkind_memtier.h; do
        echo "#include <$header>" | "${cc[@]}" -E -P -
    done | grep -oE '[A-Za-z_0-9]+' | sort -u >"$work/words"
    symbols "$dist/libmemkind.so.0" | sort -k2 | join -1 2 -2 1 -o 1.1,1.2,1.3 - "$work/words" | sed 's/ *$//' | sort
}

check_symbols() {
    grep -E '^(FUNC|OBJECT|HOOK) ' "$here/exports.txt" | sort >"$work/expected"
    symbols "$so" >"$work/got"
    same "libmemkind.so.0 has exactly the symbols of exports.txt" "$work/expected" "$work/got"

    if [ -z "$dist" ] || [ ! -e /usr/include/memkind.h ]; then
        skip "the distribution's public symbols" "libmemkind0 and libmemkind-dev are not installed"
    else
        public_names >"$work/public"
        if [ "$(wc -l <"$work/public")" -lt 50 ]; then
            fail "the distribution's public symbols" "only $(wc -l <"$work/public") found in $dist"
        else
            comm -12 "$work/public" "$work/expected" >"$work/agreed"
            same "$(wc -l <"$work/public") public symbols of the distribution's library are in exports.txt, same type and size" \
                "$work/public" "$work/agreed"
        fi
    fi

    { awk '/^(FUNC|OBJECT|STATIC)/ { print $2 }' "$here/exports.txt" && echo DW.ref.rust_eh_personality; } | sort >"$work/expected"
    nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort >"$work/got"
    same "libmemkind.a shows exactly the functions and variables of exports.txt" "$work/expected" "$work/got"
    if [ -e "$dist/libmemkind.a" ]; then
        awk '/^STATIC/ { print $2 }' "$here/exports.txt" | sort >"$work/expected"
        nm -g --defined-only "$dist/libmemkind.a" 2>"$work/nm" | awk '$2 == "T" && $3 ~ /^jemk_/ { print $3 }' | sort >"$work/got"
        same "libmemkind.a has the distribution's functions of jemalloc" "$work/got" "$work/expected"
    else
        skip "libmemkind.a has the distribution's functions of jemalloc" "libmemkind-dev is not installed"
    fi
    awk '/^HOOK/ { print $2 }' "$here/exports.txt" | sort >"$work/expected"
    nm -u "$archive" | awk '$1 == "w" && $2 ~ /^(memkind|memtier|hbw)_/ { print $2 }' | sort >"$work/got"
    same "libmemkind.a asks for the hooks weakly" "$work/expected" "$work/got"
}

dynamic() { readelf -dW "$so" | sed -n "s/.*($1).*\[\(.*\)\].*/\1/p"; }

check_dynamic_section() {
    local needed
    check "SONAME is libmemkind.so.0" test "$(dynamic SONAME)" = libmemkind.so.0
    check "libmemkind.so and libmemkind.so.0 are the same file" test "$libdir/libmemkind.so" -ef "$so"
    needed=$(dynamic NEEDED | grep -vE '^(lib(gcc_s|c|m|pthread|dl|rt|util)\.so\.[0-9]+|ld-linux.*)$')
    check "needs nothing but libgcc and libc${needed:+: $needed}" test -z "$needed"
    check "has no symbol versions, like the original" \
        test -z "$(readelf -VW "$so" | grep "Version definition")"
    # dlclose must not unmap code that threads and atexit handlers still use.
    check "is never unloaded (NODELETE)" sh -c "readelf -dW '$so' | grep -q NODELETE"
    check "can be opened late (no STATIC_TLS)" sh -c "! readelf -dW '$so' | grep -q STATIC_TLS"
    check "has no text relocations" sh -c "! readelf -dW '$so' | grep -q TEXTREL"
    check "wants no executable stack" sh -c "readelf -lW '$so' | grep GNU_STACK | grep -q 'RW '"
}

# ---- Headers ----

# flatten HEADER INCLUDE-DIR: the header's own text, preprocessed, one statement a line.
flatten() {
    printf '#include <%s>\n' "$1" >"$work/flatten.c"
    "${cc[@]}" -E -P -I"$2" "$work/flatten.c" | tr '\n\t' '  ' | sed 's/[;{}]/&\n/g; s/  */ /g'
}

# enumerators INCLUDE-DIR: the names of all enumeration constants.
enumerators() {
    local header
    for header in memkind.h hbwmalloc.h memkind_memtier.h; do
        flatten "$header" "$1" | awk '
            /enum[^;(]*\{ *$/ { inside = 1; next }
            inside { gsub(/\}.*/, ""); n = split($0, item, ",")
                     for (i = 1; i <= n; i++) { sub(/=.*/, "", item[i]); gsub(/ /, "", item[i])
                         if (item[i] ~ /^(MEMKIND|HBW|MEMTIER)_/) print item[i] }
                     inside = 0 }'
    done | sort -u
}

# constants INCLUDE-DIR NAMES-FILE: prints name, value and the size of each public enumeration type.
constants() {
    {
        echo '#include <stdio.h>'
        echo '#include <memkind.h>'
        echo '#include <hbwmalloc.h>'
        echo '#include <memkind_memtier.h>'
        cat <<'END'
#define C(x) printf("%s %lld\n", #x, (long long)(x));
#define T(x) printf("sizeof(%s) %zu %s\n", #x, sizeof(x), (x)-1 < 0 ? "signed" : "unsigned");
int main(void) {
END
        sed 's/.*/C(&)/' "$2"
        for type in memkind_memtype_t memkind_policy_t memkind_bits_t memkind_mem_usage_policy memkind_stat_type \
            memkind_stat_print_opt hbw_policy_t hbw_pagesize_t memtier_policy_t 'enum memkind_const' \
            'enum memkind_base_partition'; do
            echo "T($type)"
        done
        echo 'return 0; }'
    } >"$work/constants.c"
    "${cc[@]}" -w -I"$1" -o "$work/constants" "$work/constants.c" && "$work/constants"
}

# redeclare EXTENSION COMPILER: the distribution's declarations compiled after our headers. The
# compiler refuses one that differs in type.
redeclare() {
    local header extension=$1
    shift
    {
        printf '#include <%s>\n' memkind.h hbwmalloc.h memkind_memtier.h stddef.h
        echo '#ifdef __cplusplus'
        echo 'extern "C" {'
        echo '#endif'
        for header in memkind.h hbwmalloc.h memkind_memtier.h; do
            flatten "$header" /usr/include
        done | grep -E '^ *(extern [a-z_]*memkind_t MEMKIND_|[a-z].*\b(memkind|hbw|memtier)_[a-z_]*\()' |
            grep -E ';$' | grep -vE 'static|return|^ *memtier_kind_free' | sort -u | tee "$work/declarations"
        echo '#ifdef __cplusplus'
        echo '}'
        echo '#endif'
    } >"$work/redeclare.$extension"
    [ "$(wc -l <"$work/declarations")" -ge 82 ] || {
        echo "only $(wc -l <"$work/declarations") declarations found in the distribution's headers"
        return 1
    }
    "$@" -Wall -Wextra -Werror -Wno-deprecated-declarations -I"$include" -fsyntax-only "$work/redeclare.$extension"
}

# declared_once: no header of ours declares a function twice.
declared_once() {
    local header
    for header in memkind.h memkind_deprecated.h memkind_ext.h memkind_memtier.h hbwmalloc.h; do
        "${cc[@]}" -Wredundant-decls -Wno-deprecated-declarations -Werror -I"$include" -fsyntax-only -x c \
            -include "$include/$header" /dev/null || return
    done
}

check_headers() {
    check "no header declares a function twice" declared_once
    if [ ! -e /usr/include/memkind.h ]; then
        skip "same declarations as the distribution's headers" "libmemkind-dev is not installed"
        return
    fi
    enumerators /usr/include >"$work/names"
    check "the distribution's headers have enumeration constants" test "$(wc -l <"$work/names")" -ge 83
    constants /usr/include "$work/names" >"$work/expected" 2>&1
    constants "$include" "$work/names" >"$work/got" 2>&1
    same "$(wc -l <"$work/names") constants and the enumeration types equal the distribution's" "$work/expected" "$work/got"
    check "declarations equal the distribution's (C)" redeclare c "${cc[@]}" -std=c11
    check "declarations equal the distribution's (C++)" redeclare cc "${cxx[@]}" -std=c++17
}

# ---- Layout ----

check_layout() {
    local scratch=$work/pmem
    mkdir -p "$scratch"
    if check "layout.c compiles" "${cc[@]}" -Wall -Wextra -Werror -I"$include" -o "$work/layout" "$here/layout.c" "$so"; then
        check "structures have the original's layout" env LD_LIBRARY_PATH="$libdir" "$work/layout" "$scratch"
        if [ -n "$dist" ]; then
            check "so does the distribution's library (the test itself)" \
                env LD_LIBRARY_PATH="$dist" "$work/layout" "$scratch"
        fi
    fi
}

# ---- Linking ----

link_shared() { # link_shared OUTPUT FLAGS...
    local output=$1
    shift
    "${cc[@]}" -Wall -Wextra -Werror -I"$include" "$@" -o "$output" "$here/link.c" -L"$libdir" -l:libmemkind.so.0 -ldl &&
        LD_LIBRARY_PATH=$libdir "$output" "$libdir"
}

link_static() {
    local output=$1
    shift
    "${cc[@]}" -Wall -Wextra -Werror -I"$include" "$@" -o "$output" "$here/link.c" "$archive" "${static_libs[@]}" &&
        if readelf -dW "$output" | grep -q 'NEEDED.*memkind'; then
            echo "$output needs libmemkind.so.0 although it was linked with libmemkind.a"
            return 1
        fi && "$output" "$output"
}

# The library's constructor is part of the archive: it rejects a bad limit before main runs.
constructor_in() {
    local status
    MEMKIND_BACKGROUND_THREAD_LIMIT=-1 "$1" >"$work/constructor" 2>&1
    status=$?
    [ "$status" -eq 134 ] && grep -q MEMKIND_BACKGROUND_THREAD_LIMIT=-1 "$work/constructor" && return 0
    echo "exit status $status, expected 134; output:"
    cat "$work/constructor"
    return 1
}

copy_relocation() {
    readelf -rW "$1" | grep -c 'R_X86_64_COPY.*MEMKIND_' | grep -qx 26 && return 0
    echo "expected 26 copy relocations of MEMKIND_*, got:"
    readelf -rW "$1" | grep COPY
    return 1
}

has_linker() { "${cc[@]}" -fuse-ld="$1" -Wl,--version -o /dev/null >/dev/null 2>&1; }

check_linking() {
    local linker output
    for linker in bfd gold lld; do
        if ! has_linker $linker; then
            skip "link with $linker" "the linker is not installed"
            continue
        fi
        output=$work/link-$linker
        check "$linker, shared, PIE" link_shared "$output-pie" -fuse-ld=$linker -fPIE -pie
        check "$linker, shared, not PIE" link_shared "$output-nopie" -fuse-ld=$linker -fno-pic -no-pie
        # That the non-PIE program copies the variables is what makes it worth testing.
        [ "$(uname -m)" = x86_64 ] &&
            check "$linker, shared, not PIE: the variables are copied" copy_relocation "$output-nopie"
        check "$linker, static, PIE" link_static "$output-a-pie" -fuse-ld=$linker -fPIE -pie
        check "$linker, static, not PIE" link_static "$output-a-nopie" -fuse-ld=$linker -fno-pic -no-pie
        check "$linker, static, sections collected" link_static "$output-a-gc" -fuse-ld=$linker -ffunction-sections -Wl,--gc-sections
        check "$linker, static: the constructor runs" constructor_in "$output-a-pie"
    done
    check "shared: the constructor runs" env LD_LIBRARY_PATH="$libdir" \
        bash -c "$(declare -f constructor_in); work=$work; constructor_in '$work/link-bfd-pie'"
    if [ -n "$dist" ] && [ -e /usr/include/memkind.h ]; then
        check "a program linked with the distribution's library runs on ours" distribution_program -fPIE -pie
        check "so does one that is not PIE" distribution_program -fno-pic -no-pie
    else
        skip "a program linked with the distribution's library runs on ours" "libmemkind-dev is not installed"
    fi
}

# The distribution's library does not mention the hooks, so the linker exports them only when told to.
distribution_program() {
    "${cc[@]}" -rdynamic "$@" -o "$work/link-dist" "$here/link.c" -L"$dist" -lmemkind -ldl &&
        LD_LIBRARY_PATH=$dist "$work/link-dist" libmemkind.so.0 &&
        LD_LIBRARY_PATH=$libdir "$work/link-dist" "$libdir"
}

check_static_mix() {
    local rustc=${RUSTC:-rustc} cargo
    cargo=${CARGO:-$(scripts/cargo-env.sh)}
    case $cargo in *RUSTC=*) rustc=${cargo##*RUSTC=} rustc=${rustc%% *} ;; esac
    have "$rustc" || rustc=$HOME/.cargo/bin/rustc
    if ! have "$rustc"; then
        skip "static with another Rust library" "no rustc"
    elif check "another Rust static library compiles" \
        "$rustc" --edition 2024 --crate-type staticlib -O -o "$work/libother.a" "$here/other.rs"; then
        check "static, before another Rust library" build_and_run "$work/mix-rust" \
            -DOTHER_RUST "$here/static_mix.c" "$archive" "$work/libother.a" "${static_libs[@]}"
        check "static, after another Rust library" build_and_run "$work/mix-rust" \
            -DOTHER_RUST "$here/static_mix.c" "$work/libother.a" "$archive" "${static_libs[@]}"
    fi
    if ! echo '#include <jemalloc/jemalloc.h>' | "${cc[@]}" -E - >/dev/null 2>&1; then
        skip "static with another jemalloc" "libjemalloc-dev is not installed"
    else
        check "static, before another jemalloc" build_and_run "$work/mix-jemalloc" \
            -DOTHER_JEMALLOC "$here/static_mix.c" "$archive" -l:libjemalloc.a "${static_libs[@]}" -lstdc++
        check "static, after another jemalloc" build_and_run "$work/mix-jemalloc" \
            -DOTHER_JEMALLOC "$here/static_mix.c" -l:libjemalloc.a "$archive" "${static_libs[@]}" -lstdc++
    fi
}

# jemalloc's functions in both archives: what a program prints that calls each of them.
check_jemk() {
    check "static: every jemk_ function" jemk_ours
    if [ ! -e "$dist/libmemkind.a" ]; then
        skip "the distribution's jemk_ functions do the same" "libmemkind-dev is not installed"
        return
    fi
    check "the distribution's jemk_ functions do the same" jemk_both
}

jemk_ours() { build_and_run "$work/jemk" "$here/jemk.c" "$archive" "${static_libs[@]}"; }

jemk_both() {
    # The distribution's packages have no libdaxctl.so to link to.
    "${cc[@]}" -DORIGINAL -Wall -Wextra -Werror -o "$work/jemk-dist" "$here/jemk.c" "$dist/libmemkind.a" \
        -lhwloc -lnuma -l:libdaxctl.so.1 -lstdc++ "${static_libs[@]}" || return
    "$work/jemk-dist" >"$work/expected" 2>&1
    jemk_ours >"$work/got" 2>&1
    diff -u "$work/expected" "$work/got"
}

build_and_run() {
    local output=$1
    shift
    "${cc[@]}" -Wall -Wextra -Werror -I"$include" -o "$output" "$@" && "$output"
}

check_loading() {
    check "load.c compiles" "${cc[@]}" -Wall -Wextra -Werror -o "$work/load" "$here/load.c" -ldl -lpthread || return
    check "dlopen libmemkind.so.0, use, dlclose, again" env LD_LIBRARY_PATH="$libdir" "$work/load" libmemkind.so.0 "$here/exports.txt"
    check "dlopen libmemkind.so, use, dlclose, again" env LD_LIBRARY_PATH="$libdir" "$work/load" libmemkind.so "$here/exports.txt"
    check "dlopen without static TLS to spare" env LD_LIBRARY_PATH="$libdir" GLIBC_TUNABLES=glibc.rtld.optional_static_tls=0 \
        "$work/load" libmemkind.so.0 "$here/exports.txt"
}

check_cxx_inclusion() {
    local standard header compiler
    for header in "$include"/*.h; do
        echo "#include <${header##*/}>"
    done >"$work/all_headers.inc"
    for standard in c++11 c++20; do
        check "every header twice in two units, $standard" cxx_units $standard
        check "the allocators in containers, $standard" allocators $standard "$libdir" -Wall -Wextra -Werror -I"$include"
    done
    for compiler in "${cxx[*]}" clang++; do
        have "${compiler%% *}" || continue
        for standard in c++98 c++11 c++14 c++17 c++20; do
            check "the allocators honour alignas, $standard, $compiler" overaligned $standard "$compiler"
            check "the C++ headers without exceptions, $standard, $compiler" no_exceptions $standard "$compiler"
        done
    done
    if [ -n "$dist" ] && [ -e /usr/include/memkind_allocator.h ]; then
        check "the original's allocators in containers, on our library" allocators c++11 "$dist" -w -DORIGINAL
    else
        skip "the original's allocators in containers, on our library" "libmemkind-dev is not installed"
    fi
}

# allocators STANDARD LIBDIR FLAGS...
allocators() {
    local standard=$1 dir=$2
    shift 2
    "${cxx[@]}" -std="$standard" "$@" -o "$work/allocators" "$here/allocators.cc" -L"$dir" -l:libmemkind.so.0 &&
        mkdir -p "$work/pmem" && LD_LIBRARY_PATH=$libdir "$work/allocators" "$work/pmem"
}

overaligned() { # overaligned STANDARD COMPILER
    local -a compiler
    read -ra compiler <<<"$2"
    "${compiler[@]}" -std="$1" -Wall -Wextra -Werror -pedantic -I"$include" -o "$work/overaligned" \
        "$here/overaligned.cc" -L"$libdir" -l:libmemkind.so.0 &&
        mkdir -p "$work/pmem" && LD_LIBRARY_PATH=$libdir "$work/overaligned" "$work/pmem"
}

no_exceptions() { # no_exceptions STANDARD COMPILER
    local -a compiler
    read -ra compiler <<<"$2"
    # Aborts, without core files.
    ulimit -c 0
    "${compiler[@]}" -std="$1" -fno-exceptions -fno-rtti -Wall -Wextra -Werror -pedantic -I"$include" \
        -o "$work/no_exceptions" "$here/no_exceptions.cc" -L"$libdir" -l:libmemkind.so.0 &&
        mkdir -p "$work/pmem" && LD_LIBRARY_PATH=$libdir MEMKIND_HBW_NODES=0 "$work/no_exceptions" "$work/pmem"
}

cxx_units() {
    "${cxx[@]}" -std="$1" -Wall -Wextra -Werror -I"$work" -I"$here" -I"$include" -o "$work/include-$1" \
        "$here/include_a.cc" "$here/include_b.cc" -L"$libdir" -l:libmemkind.so.0 &&
        LD_LIBRARY_PATH=$libdir "$work/include-$1"
}

check_symbols
check_dynamic_section
check_headers
check_layout
check_linking
check_static_mix
check_jemk
check_loading
check_cxx_inclusion
exit 0
