#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Clippy, with all lints denied.
#
# usage: scripts/clippy.sh [ARGUMENT...]    as of cargo clippy
# Exit status: that of cargo; 77, with the reason on standard output, where clippy is not installed, or is of another
# version than the code is written against and has complaints.
set -u
read -ra cargo <<<"${CARGO:-$("$(dirname "$0")/cargo-env.sh")}"
written_against=1.95

if ! version=$("${cargo[@]}" clippy --version 2>/dev/null); then
    echo "clippy is not installed"
    exit 77
fi
"${cargo[@]}" clippy "$@" -- -D warnings && exit
status=$?
# Rust 1.95 has clippy 0.1.95.
case "$version " in *" 0.$written_against "* | *" 0.$written_against."*) exit $status ;; esac
echo "the lints are kept clean for clippy $written_against; this one, $version, has complaints"
exit 77
