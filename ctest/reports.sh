#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One line for each promise of reports.txt: whether the tests that show it pass.
#
# usage: ctest/reports.sh [PART...]
#
# PART is a part of the test suite that has just been run: its results are read from build/log. Tests of
# other parts are run here, and no others of theirs.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
work=$(new_workdir reports) || exit 2
ran=" $* "

# run PART NAME: runs the tests of this name.
run() {
    case $1 in
    api) ctest/run-api.sh "$2" ;;
    abi) CHECK_ONLY=$2 ctest/abi/run.sh ;;
    headers) CHECK_ONLY=$2 scripts/check-headers.sh ;;
    preload)
        CHECK_ONLY=$2 ctest/preload/family.sh
        CHECK_ONLY=$2 ctest/preload/start.sh
        ;;
    programs) ctest/preload/programs.sh "${2%%[ *]*}" ;;
    # Machines show all of theirs at once.
    numa-ci)
        [ -e "$work/numa" ] || ctest/numa/run.sh --jobs "$(nproc)" hbm kmem hbm-tie hbm-tiny >"$work/numa"
        cat "$work/numa"
        ;;
    *) echo "FAIL $2: there is no part $1" ;;
    esac
}

# results PART NAME: the lines of results with this name.
results() {
    local line rest
    case $ran in
    *" $1 "*) cat "build/log/$1.log" ;;
    *) run "$1" "$2" ;;
    esac 2>&1 </dev/null | while IFS= read -r line; do
        rest=${line#PASS } rest=${rest#FAIL } rest=${rest#SKIP }
        # shellcheck disable=SC2053  # the name is a pattern
        [ "$rest" != "$line" ] && [[ $rest == $2 || $rest == $2:* || $rest == $2\ \[* ]] && echo "$line"
    done
}

promise() { # promise PART NAMES PROMISE
    local name names
    IFS=';' read -ra names <<<"$2"
    : >"$work/results"
    for name in "${names[@]}"; do
        read -r name <<<"$name"
        results "$1" "$name" >"$work/found"
        grep -q . "$work/found" || echo "FAIL $name: there is no such test" >"$work/found"
        cat "$work/found" >>"$work/results"
    done
    if grep -q '^FAIL ' "$work/results"; then
        fail "$3" "$1: $(grep -c '^FAIL ' "$work/results") of $(wc -l <"$work/results") tests"
        grep '^FAIL ' "$work/results" | indent
    elif grep -q '^PASS ' "$work/results"; then
        pass "$3"
    else
        skip "$3" "$(head -n 1 "$work/results")"
    fi
}

while IFS='|' read -r part names text; do
    case $part in '#'* | '') continue ;; esac
    read -r part <<<"$part"
    read -r text <<<"$text"
    promise "$part" "$names" "$text"
done <ctest/reports.txt
exit 0
