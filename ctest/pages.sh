#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs every command of docs/*.md that stands in a block marked "sh run", in the order of the pages, and writes the blocks
# marked "c file=NAME" to files first. "sh run PROGRAM" is for machines that have this program. Links between all pages of
# this tree lead somewhere.
#
# MEMKIND_STAGE  directory with an installation; without it `make install` makes one
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
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
        /^```[a-z0-9]+ file=/ { sub(/^```[a-z0-9]+ file=/, ""); file = work "/" $0; printf "" >file; next }
        /^```sh run/ { commands = 1; text = NF > 2 ? "need " $3 : ""; next }
        /^```/ { if (commands) print text; commands = 0; file = ""; next }
        file != "" { print >file }
        commands { text = text (text == "" ? "" : "; ") $0 }' "$1"
}

if have python3; then
    check "links lead to pages and headings that exist" scripts/check-links.py
else
    skip "links" "no python3"
fi

# An installed system, by MEMKIND_STAGE, may not be able to write here.
if [ -z "${MEMKIND_STAGE:-}" ]; then
    if have python3 mkdocs mandoc; then
        check "the site: every link in it leads somewhere" scripts/site.sh
    else
        skip "the site" "needs mkdocs, mandoc and python3"
    fi
fi

# Pages call the clone so.
ln -s "$PWD" "$work/memkind"
need() {
    command -v "$1" >/dev/null || {
        echo "no $1"
        exit 77
    }
}
run_block() { (cd "$work" && bash -euo pipefail -c "$(declare -f need); $1"); }

for page in start choosing migrating compared tuning reliability troubleshooting languages; do
    while IFS= read -r block; do
        check "docs/$page.md: $block" run_block "$block"
    done < <(blocks "docs/$page.md")
done
