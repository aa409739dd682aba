#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The manual pages: they format without a warning, refer to pages that exist, leave nothing out (functions,
# constants, variables, options), declare functions as the headers do, and their examples run.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
work=$(new_workdir man) || exit 2
shopt -s nullglob

# Pages that are only another name of one.
is_link() { grep -q '^\.so ' "$1"; }

link_leads_somewhere() {
    local target
    target=$(sed -n 's|^\.so man[1-8]/||p' "$1")
    [ -e "man/$target" ] && ! is_link "man/$target" && grep -qx "\.so man${target##*.}/$target" "$1"
}

formats() {
    local warnings
    warnings=$(groff -man -ww -Tutf8 "$1" 2>&1 >/dev/null) || return
    [ -z "$warnings" ] && return 0
    echo "$warnings"
    return 1
}

# References to pages of ours: NAME (SECTION) as .BR writes it.
references_exist() {
    local missing
    missing=$(sed -n 's/\\-/-/g; s/^\.BR \([a-z_-]*\) (\([1-8]\)).*/\1.\2/p' "$1" |
        grep -E '^(lib)?(memkind|memtier|hbw|pmem|fixed|autohbw)' | sort -u |
        while IFS= read -r page; do [ -e "man/$page" ] || echo "$page"; done)
    [ -z "$missing" ] && return 0
    echo "no such page:"
    echo "$missing"
    return 1
}

# declarations PAGE: as C. Quotation marks of the macros go; blanks do not matter.
declarations() {
    awk '/^\.nf/ { on = 1 } /^\.fi/ { on = 0 } on && /^\.B/' "$1" | sed 's/^\.B[IR]* //; s/"//g; s/\\-/-/g'
}

declares_as_headers_do() {
    declarations "$1" | "${cc[@]}" -x c -std=c99 -D_DEFAULT_SOURCE -Wall -Wextra -Werror -I"$include" -fsyntax-only - || return
    # A function that no header has would be a declaration of its own.
    declarations "$1" | grep -oE '\b[a-zA-Z_]+\(' | tr -d '(' | sort -u | while IFS= read -r name; do
        grep -qw "$name" "$include"/*.h || grep -qx "HOOK $name" ctest/abi/exports.txt || echo "no header has $name"
    done | { ! grep .; }
}

# examples PAGE: writes each one into a file of its own, prints the files.
examples() {
    local name=${1##*/} suffix=c
    grep -q '^#include <.*_allocator\.h>' "$1" && suffix=cc
    awk -v file="$work/$name." -v suffix=".$suffix" '/^\.EX/ { on = 1; text = ""; next }
        /^\.EE/ { on = 0; if (text ~ /main\(/) { n++; path = file n suffix; printf "%s", text >path; print path } }
        on && !/^\.in/ { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); sub(/^\\&/, ""); text = text $0 "\n" }' "$1"
}

runs() {
    local -a compiler=("${cc[@]}" -std=c99 -D_DEFAULT_SOURCE)
    case $1 in *.cc) compiler=("${cxx[@]}" -std=c++11) ;; esac
    "${compiler[@]}" -Wall -Wextra -Werror -I"$include" -o "$1.bin" "$1" -L"$libdir" -lmemkind || return
    LD_LIBRARY_PATH=$libdir timeout "$test_limit" "$1.bin"
}

# References of headers to a part of a page, as "memkind(3), HEAP MANAGEMENT": the page has such a heading.
sections_exist() {
    sed 's/^ \* *//' "$include"/*.h | tr '\n' ' ' | grep -oE '\b[a-z_]+\([1-8]\), [A-Z][A-Z -]+[A-Z]\b' | sort -u |
        while IFS= read -r reference; do
            page=${reference%%(*} section=${reference#*(} section=${section%%)*}
            grep -iqxE "\.S[HS] ${reference#*, }" "man/$page.$section" || echo "no such part: $reference"
        done | { ! grep .; }
}

pages=(man/*.[1-8])
for page in "${pages[@]}"; do
    if is_link "$page"; then
        check "$page leads to a page" link_leads_somewhere "$page"
        continue
    fi
    if have groff; then
        check "$page formats without a warning" formats "$page"
    else
        skip "$page formats without a warning" "groff is not installed"
    fi
    check "$page refers to pages that exist" references_exist "$page"
    case $page in *allocator.3) ;; *)
        [ -z "$(declarations "$page" | grep '#include')" ] ||
            check "$page declares what the headers declare" declares_as_headers_do "$page"
        ;;
    esac
    for example in $(examples "$page"); do
        check "${example##*/} runs" runs "$example"
    done
done

check "headers refer to parts of pages that exist" sections_exist

for page in "${pages[@]}"; do is_link "$page" || declarations "$page"; done >"$work/declared"
everything_is_declared() {
    local kind name
    # A function that no header has is not public.
    grep -E '^(FUNC|HOOK) ' ctest/abi/exports.txt | while read -r kind name; do
        if [ "$kind" = FUNC ] && ! grep -qw "$name" "$include"/*.h; then continue; fi
        grep -qw "$name" "$work/declared" || echo "no page declares $name"
        [ "$kind" = HOOK ] || [ -e "man/$name.3" ] || echo "man/$name.3 does not lead to its page"
    done | { ! grep .; }
}
check "every exported function is in a manual page, and found by its name" everything_is_declared

for page in "${pages[@]}"; do is_link "$page" || sed 's/\\-/-/g' "$page"; done >"$work/text"
# missing TEXT: of the words on standard input, those that TEXT has not; fails if there are any.
missing() {
    sort -u | while IFS= read -r word; do grep -qwe "$word" "$1" || echo "not there: $word"; done | { ! grep .; }
}
constants() {
    {
        sed -n 's/^OBJECT \([A-Z_]*\) .*/\1/p' ctest/abi/exports.txt
        # Numbers of things, and the deprecated numbers of kinds, are left out.
        sed -n 's/^ *\(\(MEMKIND\|HBW\|MEMTIER\)_[A-Z0-9_]*\) = .*/\1/p' "$include"/*.h |
            grep -vE '_MAX_VALUE$|_PARTITION_|_NUM_BASE_KIND$'
    } | missing "$work/text"
}
check "every kind and every constant is in a manual page" constants

names_for_cxx() {
    sed -n 's/^    \([A-Z_]*\) = [0-9]*,*$/\1/p' "$include/memkind_allocator.h" | missing man/memkindallocator.3
}
check "every one of libmemkind::kinds is in memkindallocator.3" names_for_cxx

# Only that section counts: a variable may have the name of a kind.
variables() {
    awk '/^\.SH/ { on = $2 == "ENVIRONMENT" } on' man/memkind.3 >"$work/environment"
    grep -o 'c"MEMKIND_[A-Z_]*"' src/env.rs | tr -d 'c"' | missing "$work/environment"
}
check "every variable of src/env.rs is in memkind.3, ENVIRONMENT" variables

# Options as they stand in a text: after a blank or a bracket.
has_options() { # has_options PROGRAM
    sed 's/\\-/-/g' "man/$1.1" >"$work/$1" || return
    "${CARGO_TARGET_DIR:-target}/release/$1" --help | grep -oE '(^|[[ |])--?[a-z-]+' | tr -d '[ |' |
        grep -vxe --membind | missing "$work/$1"
}
for program in src/bin/*.rs src/bin/*/main.rs; do
    program=${program#src/bin/} program=${program%/main.rs} program=${program%.rs}
    check "$program.1 has the options of $program --help" has_options "$program"
done
exit 0
