#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes a header of the two code blocks of a document on SPDK's memory functions: functions as they stand, but for a struct
# that one declares within itself and the next one uses, and single calls, which become a function.
#
# usage: ctest/ext/spdk_example.sh FILE.md >HEADER
set -eu
blocks() { # blocks FILE NUMBER
    awk -v wanted="$2" '/^```c$/ { n++; inside = 1; next } /^```/ { inside = 0 } inside && n == wanted' "$1"
}
code=$(blocks "$1" 1)
flags=$(blocks "$1" 2)
[ -n "$code" ] && [ -n "$flags" ] || {
    echo "$0: $1 does not have two blocks of C" >&2
    exit 1
}
struct='/^    struct per_socket_buffers {$/,/^    } \*multi_buffers;$/'
sed -n "${struct}p" <<<"$code" | sed 's/} \*multi_buffers;/};/'
sed "${struct}c\\    struct per_socket_buffers *multi_buffers;" <<<"$code"
echo 'static void with_flags(size_t size, int socket_id, void *blocks[3])
{'
echo "$flags"
echo '    blocks[0] = dma_buffer;
    blocks[1] = shared_mem;
    blocks[2] = zero_buffer;
}'
