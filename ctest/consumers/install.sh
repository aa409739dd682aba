#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `make install` puts exactly the files of installed.txt where PREFIX, LIBDIR, INCLUDEDIR, BINDIR, MANDIR,
# LICENSEDIR and DESTDIR say, and `make uninstall` removes exactly these.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir install) || exit 2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

run_make() { "${MAKE:-make}" -s --no-print-directory "$@"; }

# installed TREE: its files, with the names of the directories.
installed() {
    (cd "$1" && find . ! -type d | sed "s|^\./||; s|^$prefix/||") |
        sed "s|^$libdir_name/|LIBDIR/|; s|^$includedir_name/|INCLUDEDIR/|; s|^$bindir_name/|BINDIR/|; s|^$mandir_name/|MANDIR/|; s|^$licensedir_name/|LICENSEDIR/|" | sort
}

expected() {
    {
        grep -v '^#' ctest/consumers/installed.txt | sed "s/VERSION/${version#*.}/"
        find man -name '*.[1-8]' 2>/dev/null | sed 's|.*/\(.*\)\.\([1-8]\)$|MANDIR/man\2/\1.\2|'
    } | sort
}

modes_are_right() {
    local wrong
    wrong=$(find "$1" -type f \( -path "*/$bindir_name/*" ! -perm 755 -o ! -path "*/$bindir_name/*" ! -perm 644 \))
    [ -z "$wrong" ] && return 0
    # shellcheck disable=SC2086
    ls -l $wrong
    return 1
}

links_are_right() {
    [ "$(readlink "$1/libmemkind.so")" = "libmemkind.so.0.${version#*.}" ] &&
        [ "$(readlink "$1/libmemkind.so.0")" = "libmemkind.so.0.${version#*.}" ] && return 0
    ls -l "$1"
    return 1
}

# DESTDIR is where the files are for now, not where they will be: it must appear in none of them.
mentions_no_destdir() { ! grep -rIlF "$1" "$1"; }

pc_is_right() {
    local answer
    answer=$(PKG_CONFIG_LIBDIR=$1 pkg-config --print-errors --modversion --variable=libdir memkind &&
        PKG_CONFIG_LIBDIR=$1 pkg-config --variable=includedir memkind) || return
    case $answer in *"$2"*"$3"*) return 0 ;; esac
    echo "$answer"
    return 1
}

round_trip() { # round_trip NAME MAKE-VARIABLES...
    local name=$1 tree=$work/$1
    shift
    check "$name: install" run_make install DESTDIR="$tree" "$@" || return
    installed "$tree" >"$work/got"
    expected >"$work/expected"
    same "$name: exactly the files of installed.txt" "$work/expected" "$work/got"
    check "$name: modes" modes_are_right "$tree"
    check "$name: links" links_are_right "$tree/$prefix/$libdir_name"
    check "$name: DESTDIR is in no file" mentions_no_destdir "$tree"
    check "$name: memkind.pc names the directories" pc_is_right "$tree/$prefix/$libdir_name/pkgconfig" \
        "/$prefix/$libdir_name" "/$prefix/$includedir_name"
    check "$name: list-installed names the same files" diff \
        <(run_make list-installed "$@" | sort) <(cd "$tree" && find . ! -type d | sed 's/^\.//' | sort)

    # Files of others, beside ours, must stay.
    touch "$tree/$prefix/$libdir_name/libmemkind_other.so" "$tree/$prefix/$includedir_name/memkind_other.h"
    check "$name: uninstall" run_make uninstall DESTDIR="$tree" "$@"
    (cd "$tree" && find . ! -type d | sed 's|.*/||' | sort) >"$work/got"
    printf '%s\n' libmemkind_other.so memkind_other.h >"$work/expected"
    same "$name: uninstall removes exactly what was installed" "$work/expected" "$work/got"
}

prefix=usr/local libdir_name=lib includedir_name=include bindir_name=bin mandir_name=share/man licensedir_name=share/licenses/memkind
round_trip "default directories"

prefix=opt/numa libdir_name=lib/x86_64 includedir_name=include/numa bindir_name=tools mandir_name=doc/man licensedir_name=doc/memkind
round_trip "chosen directories" PREFIX=/opt/numa LIBDIR=/opt/numa/lib/x86_64 INCLUDEDIR=/opt/numa/include/numa \
    BINDIR=/opt/numa/tools MANDIR=/opt/numa/doc/man LICENSEDIR=/opt/numa/doc/memkind
exit 0
