#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Fuzzing (fuzz.h). `short` runs every input of the corpus once. `long` makes inputs, by libFuzzer with coverage of the
# library where clang has it, else at random.
#
# usage: ctest/fuzz/run.sh short
#        ctest/fuzz/run.sh long [seconds for each target]      default: FUZZ, or 600
#
# An input that fails is left in build/fuzz-long: it belongs into ctest/fuzz/corpus, with the mend.
# AFL++ runs a target on standard input: afl-fuzz -n -i ctest/fuzz/corpus/settings -o out -- build/fuzz-short/fuzz settings
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/fuzz
case ${1:-} in
short | long) ;;
*)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
work=$(new_workdir "fuzz-$1") || exit 2
seconds=${2:-${FUZZ:-600}}
ulimit -c 0
export LD_LIBRARY_PATH=$libdir FUZZ_LIBDIR=$libdir
unset LD_PRELOAD MEMKIND_MEM_TIERS MEMKIND_HBW_NODES MEMKIND_DEBUG MEMKIND_CHECKS

compile() {
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -g -I"$include" -Ictest/api -o "$work/fuzz" "$here"/*.c \
        -L"$libdir" -l:libmemkind.so.0 -lpthread
}
check "the fuzzing targets compile" compile || exit 1

if [ "$1" = short ]; then
    for target in operations settings environment; do
        check "fuzz, the corpus of $target" timeout 300 "$work/fuzz" $target "$here/corpus/$target"/*
    done
    exit 0
fi

# A library that counts which of its code runs. Stable compilers have that, too.
instrumented() {
    local flags=-Cpasses=sancov-module
    for option in level=3 inline-8bit-counters pc-table; do
        flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
    done
    read -ra cargo <<<"${CARGO:-$(scripts/cargo-env.sh)}"
    RUSTFLAGS=$flags "${cargo[@]}" rustc --release --locked --lib --crate-type staticlib \
        --target "$(uname -m)-unknown-linux-gnu" --target-dir "$work/target" &&
        # The fuzzer, in the same program, is to have the C library's functions and not those of the library's own.
        scripts/static-archive.sh "$work"/target/*/release/libmemkind.a "$work/libmemkind.a"
}

coverage=no
if have clang && echo 'int LLVMFuzzerTestOneInput(const char *b, long n) { return b && n < 0; }' |
    clang -x c -fsanitize=fuzzer -o "$work/probe" - 2>/dev/null; then
    check "the library with coverage compiles" instrumented && coverage=yes
fi

# with_coverage TARGET
with_coverage() {
    mkdir -p "$work/corpus-$1"
    clang -std=gnu11 -O1 -g -fsanitize=fuzzer -DFUZZ_TARGET="fuzz_$1" -I"$include" -Ictest/api -o "$work/fuzz-$1" \
        "$here"/*.c "$work/libmemkind.a" -lpthread -ldl -lm &&
        (cd "$work" && "./fuzz-$1" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=8192 -timeout=60 \
            "corpus-$1" "$root/$here/corpus/$1") 2>&1 | tail -n 30
    return "${PIPESTATUS[0]}"
}

# by_chance TARGET
by_chance() {
    (cd "$work" && ln -sfn "$root/ctest" ctest && ./fuzz "$1" -r "$seconds" "${FUZZ_SEED:-$RANDOM}")
}

for target in operations settings environment; do
    if [ $coverage = yes ] && [ $target != environment ]; then
        check "fuzz $target, $seconds s" with_coverage $target
    else
        check "fuzz $target, $seconds s" by_chance $target
    fi
done
exit 0
