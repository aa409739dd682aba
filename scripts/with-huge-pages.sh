#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs a command while node 0 has the given number of free huge pages of 2 MiB, and restores their number afterwards.
# That takes root. Without it, or where memory is too much in pieces, the command runs with what there is
# and has to look.
#
# usage: scripts/with-huge-pages.sh N COMMAND [ARGUMENT...]
n=${1:?}
shift
pool=/sys/devices/system/node/node0/hugepages/hugepages-2048kB
[ -d "$pool" ] || pool=/sys/kernel/mm/hugepages/hugepages-2048kB
number() { cat "$pool/$1" 2>/dev/null || echo 0; }

if [ ! -w "$pool/nr_hugepages" ]; then
    "$@"
    exit
fi
# One at a time: a later run finds the number as it was.
exec 9>"${TMPDIR:-/tmp}/memkind-huge-pages.lock"
flock 9
before=$(number nr_hugepages)
missing=$((n - $(number free_hugepages)))
if [ $missing -gt 0 ]; then
    trap 'echo "$before" >"$pool/nr_hugepages"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    echo $((before + missing)) >"$pool/nr_hugepages" 2>/dev/null
    if [ "$(number free_hugepages)" -lt "$n" ]; then
        # Pages of files, and other movable ones, may be in the way.
        echo 1 >/proc/sys/vm/compact_memory 2>/dev/null
        echo $((before + missing)) >"$pool/nr_hugepages" 2>/dev/null
    fi
fi
"$@" 9>&-
