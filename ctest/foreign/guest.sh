#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs in a booted machine: the property tests that are programs in a directory, each with a line of its result.
#
# usage: guest.sh DIRECTORY SECONDS NAME...
directory=$1 limit=$2
shift 2
LD_LIBRARY_PATH=$(dirname "$0")/lib
export LD_LIBRARY_PATH
# shellcheck disable=SC3045 # the shell of the machine is busybox, which knows it
ulimit -c 0
for name; do
    (cd /tmp && timeout "$limit" "$directory/$name" >/tmp/said 2>/tmp/complained </dev/null)
    status=$?
    case $status in
    0) echo "PASS $name" ;;
    77) echo "SKIP $name: $(tail -n 1 /tmp/said)" ;;
    *) echo "FAIL $name: status $status: $(tail -n 3 /tmp/complained | tr '\n' ' ')" ;;
    esac
done
