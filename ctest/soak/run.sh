#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A long run (soak.c): without checks and with them.
#
# usage: ctest/soak/run.sh [seconds]      default: SOAK, or 600
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
seconds=${1:-${SOAK:-600}}
work=$(new_workdir soak) || exit 2
ulimit -c 0

compile() {
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O2 -g -I"$include" -Ictest/api -o "$work/soak" ctest/soak/soak.c \
        -L"$libdir" -l:libmemkind.so.0 -lpthread
}

# soak NAME SECONDS [COMMAND...]: the last line says what was done.
soak() {
    local seed=${SOAK_SEED:-$RANDOM} status
    LD_LIBRARY_PATH=$libdir timeout $(($2 * 3 + 120)) env "${@:3}" "$work/soak" "$2" "$seed" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status -eq 0 ]; then
        pass "$1"
    else
        fail "$1" "exit status $status, seed $seed: $(head -n 2 "$work/err" | tr '\n' ' ')"
    fi
    indent <"$work/out"
}

check "the soak test compiles" compile || exit 1
soak "soak" "$seconds"
[ "$seconds" -lt 60 ] || soak "soak with checks" "$((seconds / 4))" MEMKIND_CHECKS=free,overflow
exit 0
