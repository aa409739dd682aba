#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the parts of the test suite and counts their results.
#
# usage: scripts/check.sh [part...]
#   default: every part but checks-long, programs, packages, numa, loom, guards, faults, fuzz, soak, musl, arm64 and the
#   long stress ones, in the order below
#
# Builds first; if that fails, nothing else is run.
# The last line of output is "N passed, N failed, N skipped"; the exit status is
# 0 only when nothing failed. The whole output of a part is in build/log/PART.log.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh

all_parts="scripts headers rust abi api ext checks preload programs-short examples tbb consumers bindings pages install packages-short debug-heap stress-short fuzz-short faults-short numa-ci musl-short arm64-short reports"

# Each part prints lines PASS, FAIL and SKIP (see scripts/testlib.sh).
run_part() {
    case $1 in
    build) check "make all" build ;;
    scripts) scripts/check-scripts.sh ;;
    headers) scripts/check-headers.sh ;;
    rust) scripts/check-rust.sh ;;
    abi) ctest/abi/run.sh && ctest/abi/hardening.sh && ctest/abi/secure.sh ;;
    api) api_tests ;;
    ext) ctest/ext/run.sh ;;
    checks) ctest/checks/run.sh ;;
    checks-long) ctest/checks/run.sh long ;;
    preload) ctest/preload/settings.sh && ctest/preload/launcher.sh && ctest/preload/family.sh && ctest/preload/start.sh ;;
    programs) ctest/preload/programs.sh ;;
    programs-short) ctest/preload/programs.sh --short ;;
    examples) ctest/examples/run.sh ;;
    tbb) ctest/tbb/run.sh ;;
    consumers) ctest/consumers/run.sh ;;
    bindings) ctest/bindings/run.sh ;;
    pages) ctest/pages.sh ;;
    install) ctest/consumers/install.sh ;;
    packages-short) ctest/packages/run.sh short ;;
    packages) ctest/packages/run.sh full ;;
    debug-heap) scripts/check-debug-heap.sh ;;
    loom) scripts/check-loom.sh ;;
    guards) python3 -B bench/guards.py ;;
    stress-short) ctest/stress/run.sh short && ctest/soak/run.sh 8 ;;
    soak) ctest/soak/run.sh ;;
    fuzz-short) ctest/fuzz/run.sh short ;;
    fuzz) ctest/fuzz/run.sh long ;;
    stress) ctest/stress/run.sh long ;;
    stress-valgrind) ctest/stress/run.sh valgrind ;;
    faults-short) ctest/faults/run.sh short ;;
    faults) ctest/faults/run.sh long ;;
    # Four machines show most of what can go wrong.
    numa-ci) ctest/numa/run.sh --jobs "$(nproc)" hbm kmem hbm-tie hbm-tiny ;;
    numa) ctest/numa/run.sh ;;
    musl-short) ctest/foreign/run.sh musl --short ;;
    musl) ctest/foreign/run.sh musl ;;
    arm64-short) ctest/foreign/run.sh arm64 --short ;;
    arm64) ctest/foreign/run.sh arm64 ;;
    reports) ctest/reports.sh "${ran[@]}" ;;
    *)
        echo "scripts/check.sh: no part called '$1'; there are: $all_parts" >&2
        return 2
        ;;
    esac
}

# Shows what it does: the first time it takes minutes.
build() { "${MAKE:-make}" --no-print-directory all >&3 2>&1; }

# The C property tests on our library, and the same programs as the
# distribution's headers and library make them, again on ours.
api_tests() {
    ctest/run-api.sh --against ours
    if [ -e /usr/include/memkind.h ]; then
        ctest/run-api.sh --against dropin
    else
        echo "SKIP api on programs built for the distribution's memkind: no package libmemkind-dev"
    fi
}

# shellcheck disable=SC2086  # a list of words
[ $# -gt 0 ] || set -- $all_parts
mkdir -p build/log || exit 2
passed=0 failed=0 skipped=0 ran=()
summary=build/log/summary
: >"$summary"
exec 3>&1
count() { grep -c "^$1 " "$2"; }

# A function, so that bash has read the whole script before it starts: a run takes minutes.
main() {
    for part in build "$@"; do
        log=build/log/$part.log
        echo "== $part"
        start=$SECONDS
        run_part "$part" 2>&1 </dev/null | grep -vE --line-buffered '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' | tee "$log"
        status=${PIPESTATUS[0]}
        # A part that breaks off, or that finds nothing to test, has not passed.
        if ! grep -qE '^(PASS|FAIL|SKIP) ' "$log"; then
            echo "FAIL $part: no test was run (exit status $status)" | tee -a "$log"
        elif [ "$status" -ne 0 ] && ! grep -q '^FAIL ' "$log"; then
            echo "FAIL $part: ended early (exit status $status)" | tee -a "$log"
        fi
        passed=$((passed + $(count PASS "$log")))
        failed=$((failed + $(count FAIL "$log")))
        skipped=$((skipped + $(count SKIP "$log")))
        grep -E '^(FAIL|SKIP) ' "$log" | sed "s/^\(FAIL\|SKIP\) /\1 [$part] /" >>"$summary"
        echo "== $part: $((SECONDS - start)) s"
        ran+=("$part")
        [ "$part" != build ] || [ "$failed" -eq 0 ] || break
    done

    if grep -q . "$summary"; then
        echo "== not passed"
        sort "$summary"
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
}
main "$@"; exit
