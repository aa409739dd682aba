#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The C property tests about mappings and file-backed kinds on a library whose jemalloc checks its own
# invariants: a hook that breaks a rule of jemalloc's aborts here instead of corrupting later.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
read -ra cargo <<<"${CARGO:-$(scripts/cargo-env.sh)}"
read -ra flags <<<"${CARGOFLAGS:---locked}"
target=${CARGO_TARGET_DIR:-target}/debug-heap
patterns=${*:-pmem fixed extent fork defrag destroy calloc memalign}

check "the library builds with debug-jemalloc" \
    "${cargo[@]}" build --release --lib --features debug-jemalloc --target-dir "$target" "${flags[@]}" || exit 1
work=$(new_workdir debug-heap) || exit 2
mkdir -p "$work/lib"
cp "$target/release/libmemkind.so" "$work/lib/libmemkind.so.0"

# A library without the assertions would pass everything: look for one of jemalloc's messages.
check "that library has jemalloc's assertions" grep -q "Failed assertion" "$work/lib/libmemkind.so.0"
# Debug builds fill memory with patterns, which tests about the contents of overlapping areas would notice.
export _RJEM_MALLOC_CONF=junk:false
for pattern in $patterns; do
    MEMKIND_LIBDIR=$work/lib MEMKIND_INCLUDE=$include ctest/run-api.sh --against ours "$pattern" 2>/dev/null
done | sed -n 's/^\(PASS\|FAIL\|SKIP\) /&debug heap: /p' | sort -u
exit 0
