#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The Rust side: unit and documentation tests, formatting, lints, documentation.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
read -ra cargo <<<"${CARGO:-$(scripts/cargo-env.sh)}"
read -ra flags <<<"${CARGOFLAGS:---locked}"
mkdir -p build

# Each Rust test is a result of its own. Compiled first, so that the time limit is the tests' own.
check "cargo test compiles" "${cargo[@]}" test --release --no-run "${flags[@]}"
timeout -k 10 "${RUST_TEST_TIMEOUT:-1200}" "${cargo[@]}" test --release --no-fail-fast "${flags[@]}" >build/rust-tests.log 2>&1
status=$?
[ $status -eq 124 ] && echo "longer than ${RUST_TEST_TIMEOUT:-1200} s" >>build/rust-tests.log
sed -n -e 's/^test \(.*\) \.\.\. ok$/PASS \1/p' \
    -e 's/^test \(.*\) \.\.\. FAILED$/FAIL \1: see below/p' \
    -e 's/^test \(.*\) \.\.\. ignored\(, \(.*\)\)\?$/SKIP \1: \3/p' build/rust-tests.log
if [ $status -ne 0 ]; then
    fail "cargo test" "exit status $status"
    tail -n 60 build/rust-tests.log | indent
fi

if "${cargo[@]}" fmt --version >/dev/null 2>&1; then
    check "cargo fmt --check" "${cargo[@]}" fmt --check
else
    skip "cargo fmt --check" "rustfmt is not installed"
fi

check "cargo clippy" scripts/clippy.sh --release --all-targets --features headers "${flags[@]}"

# The preload libraries are a workspace of their own.
preload=(--manifest-path preload/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/preload" --release "${flags[@]}")
check "preload: cargo test" "${cargo[@]}" test "${preload[@]}"
if "${cargo[@]}" fmt --version >/dev/null 2>&1; then
    check "preload: cargo fmt --check" "${cargo[@]}" fmt --manifest-path preload/Cargo.toml --all --check
fi
check "preload: cargo clippy" scripts/clippy.sh "${preload[@]}" --all-targets

if [ -n "${RUSTDOC:-}" ] || have rustdoc || [ -x "$HOME/.cargo/bin/rustdoc" ]; then
    check "cargo doc" env RUSTDOCFLAGS="-D warnings" "${cargo[@]}" doc --release --no-deps --document-private-items "${flags[@]}"
else
    skip "cargo doc" "rustdoc is not installed"
fi
exit 0
