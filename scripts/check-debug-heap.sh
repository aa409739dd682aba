#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The C property tests about mappings, file-backed and full kinds on a library that checks its own invariants, and
# whose jemalloc does: a hook that breaks a rule of jemalloc's aborts here instead of corrupting later.
set -u
cd "$(dirname "$0")/.." || exit 2
. scripts/testlib.sh
read -ra cargo <<<"${CARGO:-$(scripts/cargo-env.sh)}"
read -ra flags <<<"${CARGOFLAGS:---locked}"
target=${CARGO_TARGET_DIR:-target}/debug-heap
patterns=${*:-pmem fixed extent fork full defrag destroy calloc memalign memtier}
# The library checks its own rules too.
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true

check "the library builds with debug-jemalloc" \
    "${cargo[@]}" build --release --lib --features debug-jemalloc --target-dir "$target" "${flags[@]}" || exit 1
work=$(new_workdir debug-heap) || exit 2
mkdir -p "$work/lib"
cp "$target/release/libmemkind.so" "$work/lib/libmemkind.so.0"

# A library without the assertions would pass everything: look for one of jemalloc's messages.
check "that library has jemalloc's assertions" grep -q "Failed assertion" "$work/lib/libmemkind.so.0"
# Debug builds fill memory with patterns, which tests about the contents of overlapping areas would notice.
export JEMK_MALLOC_CONF=junk:false
# jemalloc 5.3.1 forgets a counter (arena_bin_reset, nonfull_slabs) when an arena is destroyed that still
# has blocks, which memkind_destroy_kind allows, and stumbles over it when it adds up statistics.
known='src.ctl\.c:[0-9]*: Failed assertion: "bstats->nonfull_slabs == 0"'
# These assertions read whether new pages are zero: on a file system that is full, SIGBUS (7).
unbacked='pmem_full_few_calls \[ours\]'
for pattern in $patterns; do
    MEMKIND_LIBDIR=$work/lib MEMKIND_INCLUDE=$include ctest/run-api.sh --against ours "$pattern" 2>/dev/null
done >"$work/results"
sed -n -e "s/^FAIL \(.*\): .*$known.*/SKIP debug heap: \1: an assertion of jemalloc's own is wrong here, see the script/p;t" \
    -e "s/^FAIL \($unbacked\): .*expected 0, got 7.*/SKIP debug heap: \1: an assertion reads pages that the file system cannot hold/p;t" \
    -e 's/^\(PASS\|FAIL\|SKIP\) /&debug heap: /p' "$work/results" | sort -u >"$work/named"
cat "$work/named"
[ -s "$work/named" ] || fail "debug heap" "no test was run"
exit 0
