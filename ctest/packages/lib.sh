# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Shared by the scripts of this directory: source it after scripts/testlib.sh.

# The line of an example's first comment that says how it is compiled.
compile_line() { sed -n 's/^[ *\/]* \(\(gcc\|g++\|cc\) .*\)$/\1/p' "$1" | head -n 1; }

# program_of LINE: the file that the line writes.
program_of() {
    case $1 in
    *' -o '*) set -- "${1#* -o }" && echo "${1%% *}" ;;
    *) echo a.out ;;
    esac
}

# files ROOT: all that is in it, but directories and what the package tools keep for themselves.
files() {
    (cd "$1" && find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -path ./tmp -prune -o \
        -path ./var/lib/apt -prune -o -path ./var/lib/dpkg -prune -o -path ./var/lib/rpm -prune -o -path ./var/cache -prune -o \
        -path ./var/log -prune -o -path ./run -prune -o ! -type d ! -path ./etc/ld.so.cache -printf '%P\n') | LC_ALL=C sort
}
