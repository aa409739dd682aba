#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The lock-free parts of the heap under a model of memory: tests/loom, a workspace of its own.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
read -ra cargo <<<"${CARGO:-$(scripts/cargo-env.sh)}"
read -ra flags <<<"${CARGOFLAGS:---locked}"
loom=(--release --manifest-path tests/loom/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/loom" "${flags[@]}")
mkdir -p build

check "loom: the models compile" "${cargo[@]}" test "${loom[@]}" --no-run || exit 1
timeout -k 10 300 "${cargo[@]}" test "${loom[@]}" --no-fail-fast >build/loom-tests.log 2>&1
status=$?
[ $status -eq 124 ] && echo "longer than 300 s" >>build/loom-tests.log
sed -n -e 's/^test \(.*\) \.\.\. ok$/PASS loom: \1/p' \
    -e 's/^test \(.*\) \.\.\. FAILED$/FAIL loom: \1: see below/p' build/loom-tests.log
if [ $status -ne 0 ]; then
    fail "loom" "exit status $status"
    tail -n 40 build/loom-tests.log | indent
fi
check "loom: cargo fmt --check" "${cargo[@]}" fmt --manifest-path tests/loom/Cargo.toml --check
exit 0
