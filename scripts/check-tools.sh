#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Says what is missing to build, and which package has it.
set -u
missing=

need() { # need PACKAGES COMMAND...
    packages=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $packages"
}

need gcc "${CC:-cc}" --version
need make make --version
need binutils objcopy --version
need pkg-config pkg-config --version
if [ -n "$missing" ]; then
    echo "Cannot build yet. Missing Debian/Ubuntu packages:$missing" >&2
    echo "Install them, or let scripts/setup.sh do it (as root or with sudo)." >&2
    exit 1
fi
exec scripts/cargo-env.sh >/dev/null
