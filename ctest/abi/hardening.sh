#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How the shared libraries are linked: what the loader fills in is read-only afterwards, and no memory is both
# writable and executable.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh

# hardened LIBRARY
hardened() {
    local segments dynamic
    segments=$(readelf -lW "$1") && dynamic=$(readelf -dW "$1") || return
    grep -E 'GNU_(STACK|RELRO)|LOAD' <<<"$segments"
    grep -E 'FLAGS|TEXTREL' <<<"$dynamic"
    grep -q ' GNU_RELRO ' <<<"$segments" || { echo "no RELRO"; return 1; }
    grep -Eq 'FLAGS_1.* NOW' <<<"$dynamic" || { echo "not bound when loaded"; return 1; }
    # shellcheck disable=SC2016  # a literal
    # Beside itself is where a library may look for others, and nowhere else.
    ! grep -E 'RPATH|RUNPATH' <<<"$dynamic" | grep -vF '[$ORIGIN]' || { echo "looks for libraries elsewhere"; return 1; }
    ! grep -q TEXTREL <<<"$dynamic" || { echo "relocations in code"; return 1; }
    grep -Eq 'GNU_STACK .* RW +0' <<<"$segments" || { echo "an executable stack"; return 1; }
    ! grep -Eq 'LOAD .* RWE ' <<<"$segments" || { echo "memory writable and executable"; return 1; }
}

# To load a library is a good part of what each start of a program takes.
needs_little() {
    local needed
    needed=$(readelf -dW "$libdir/libmemkind.so.0" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    echo "$needed"
    case $("${cc[@]}" -print-file-name=libgcc_eh.a) in
    /*) ;;
    *) echo "the compiler has no static unwinder" && return 77 ;;
    esac
    ! grep -Ev '^(libc\.so\.6|ld-linux-.*)$' <<<"$needed"
}

# A program is loaded at any address, too.
hardened_program() {
    hardened "$1" && readelf -hW "$1" | grep -q 'Type: *DYN'
}

# The test itself must see a library that is not so.
is_seen() {
    local work
    work=$(new_workdir hardening) || return
    echo 'int x; int f(void) { return x; }' >"$work/x.c"
    "${cc[@]}" -shared -fPIC -o "$work/$1.so" "$work/x.c" "${@:2}" || return
    ! hardened "$work/$1.so"
}

for library in libmemkind libautohbw libmemtier; do
    check "hardening of $library" hardened "$libdir/$library.so.0"
done
check "libmemkind needs the C library alone" needs_little
programs=${CARGO_TARGET_DIR:-target}/release
for program in memkind-info memtier memkind-hbw-nodes memkind-auto-dax-kmem-nodes; do
    if [ -e "$programs/$program" ]; then
        check "hardening of $program" hardened_program "$programs/$program"
    else
        skip "hardening of $program" "not in $programs"
    fi
done
check "hardening, executable stack is seen" is_seen stack -Wl,-z,now,-z,relro,-z,execstack
check "hardening, late binding is seen" is_seen lazy -Wl,-z,lazy,-z,relro
check "hardening, no RELRO is seen" is_seen norelro -Wl,-z,now,-z,norelro
check "hardening, a path of the builder's is seen" is_seen path -Wl,-z,now,-z,relro,-rpath,/tmp
exit 0
