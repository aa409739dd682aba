#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The headers that build.rs generates into cargo's OUT_DIR with the feature `headers`, and their
# committed copies in include/.
#
# usage: scripts/headers.sh copy | diff
#   copy   copies them into include/
#   diff   prints the differences; exit status 1 when there are any
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-}
case $mode in copy | diff) ;; *)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac

cargo=${CARGO:-$(scripts/cargo-env.sh)}
# This package is the only one that is not from a registry. Its name is no mark: cargo leaves it out of the
# id where the directory has the same name.
# shellcheck disable=SC2086  # command prefixes and lists of flags
out=$($cargo check --release --features headers ${CARGOFLAGS:---locked} --message-format=json |
    sed -n '/"reason":"build-script-executed"/{/"package_id":"path+/s/.*"out_dir":"\([^"]*\)".*/\1/p}')
if ! ls "$out"/*.h >/dev/null 2>&1; then
    echo "scripts/headers.sh: build.rs wrote no headers into '$out'" >&2
    exit 1
fi

status=0
for generated in "$out"/*.h; do
    committed=include/${generated##*/}
    case $mode in
    copy) cmp -s "$generated" "$committed" || { cp "$generated" "$committed" && echo "$committed"; } ;;
    diff) diff -u --label "$committed" --label "generated" "$committed" "$generated" || status=1 ;;
    esac
done
exit $status
