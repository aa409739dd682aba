#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Counts the instructions of a libmemkind per operation and kind, within a minute. Needs valgrind.
#
# usage: bench/quick.sh LIBMEMKIND.SO.0 [op:size...]      e.g. bench/quick.sh build/lib/libmemkind.so.0 pair:64
set -eu
[ $# -ge 1 ] || set -- "$(dirname "$0")/../build/lib/libmemkind.so.0"
command -v valgrind >/dev/null || {
    echo "bench/quick.sh needs valgrind (package valgrind)" >&2
    exit 2
}
exec python3 -B "$(dirname "$0")/quick.py" "$@"
