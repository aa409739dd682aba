#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Inside of a root with these packages installed: every example by the line that stands in it, the tools, the pages of
# the manual as files.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/packages/lib.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
documentation=/usr/share/doc/libmemkind-dev

one_example() {
    local line=$2
    [ -n "$line" ] && cp "$1" "$documentation"/examples/*.h "$work" && cd "$work" && rm -f a.out && bash -euc "$line" || return
    # An array of 1 MiB is enough for stream.
    case $1 in
    */stream.c) "./$(program_of "$line")" 1 ;;
    *) "./$(program_of "$line")" ;;
    esac
}
for source in "$documentation"/examples/*.c "$documentation"/examples/*.cpp; do
    line=$(compile_line "$source")
    check "debian: ${source##*/}: ${line:-it says how it is compiled}" one_example "$source" "$line"
done

tools() {
    memkind-info --version && memkind-info >/dev/null && memtier --version && memtier --kind DRAM ls / >/dev/null
}
check "debian: tools" tools
