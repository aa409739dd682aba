#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs every command of docs/*.md that stands in a block marked "sh run", in the order of the pages, and writes the blocks
# marked "c file=NAME" to files first. Links between pages must lead somewhere.
#
# MEMKIND_STAGE  directory with an installation; without it `make install` makes one
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=${MEMKIND_STAGE:-$work/stage}
if [ -z "${MEMKIND_STAGE:-}" ]; then
    check "staged installation" "${MAKE:-make}" -s --no-print-directory install SUDO_UID=0 PREFIX="$stage" \
        LIBDIR="$stage/lib" INCLUDEDIR="$stage/include" BINDIR="$stage/bin" MANDIR="$stage/share/man" DESTDIR= || exit 1
fi
export PATH="$stage/bin:$PATH" PKG_CONFIG_PATH=$stage/lib/pkgconfig LD_LIBRARY_PATH=$stage/lib

# blocks PAGE: writes files, and prints the commands of each block as one line, with ";" for a new line.
blocks() {
    awk -v work="$work" '
        /^```c file=/ { sub(/^```c file=/, ""); file = work "/" $0; printf "" >file; next }
        /^```sh run$/ { commands = 1; text = ""; next }
        /^```/ { if (commands) print text; commands = 0; file = ""; next }
        file != "" { print >file }
        commands { text = text (text == "" ? "" : "; ") $0 }' "$1"
}

run_block() { (cd "$work" && bash -euo pipefail -c "$1"); }

links_lead_somewhere() {
    local target missing=0
    while read -r target; do
        [ -e "$root/docs/$target" ] || {
            echo "$1: $target does not exist"
            missing=1
        }
    done < <(grep -o '](\([^)#:]*\))' "$1" | sed 's/^](//; s/)$//')
    return $missing
}

for page in start choosing migrating compared tuning reliability troubleshooting; do
    check "docs/$page.md: its links" links_lead_somewhere "docs/$page.md"
    while IFS= read -r block; do
        check "docs/$page.md: $block" run_block "$block"
    done < <(blocks "docs/$page.md")
done
