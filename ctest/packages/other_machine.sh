#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Packages for another machine (arm64): what they need is what that machine's packages are called there, and their tools
# run under qemu's user emulation.
#
# PACKAGES  directory for packages and roots
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/packages/lib.sh
work=$PACKAGES/arm64
target=aarch64-unknown-linux-gnu
libraries=/usr/aarch64-linux-gnu

if [ "$(uname -m)" = aarch64 ] || [ "$(id -u)" -ne 0 ] || ! have dpkg-deb rpmbuild ||
    ! scripts/check-tools.sh "$target" >/dev/null 2>&1 || [ ! -d "$libraries" ]; then
    skip "packages for arm64" "needs root, dpkg-dev, rpmbuild, gcc-aarch64-linux-gnu and Rust's library for $target"
    exit 0
fi
export PACKAGES=$work

# What a package is said to need, without versions.
needs() { dpkg-deb -f "$work/$1"_*_arm64.deb Depends | tr -d ' ' | sed 's/([^)]*)//g'; }
same_needs() { # same_needs PACKAGE NEEDS
    local got
    got=$(needs "$1")
    echo "Depends: $got"
    [ "$got" = "$2" ]
}
tools() { # tools DIRECTORY LIBRARIES
    local tool
    for tool in memkind-info memtier; do
        qemu-aarch64-static -L "$libraries" -E LD_LIBRARY_PATH="$2" "$1/usr/bin/$tool" --version || return
    done
}

check "arm64: make deb" "${MAKE:-make}" -s --no-print-directory deb TARGET="$target" || exit 1
check "arm64: what the library needs" same_needs libmemkind0 libc6,libgcc-s1
check "arm64: what the tools need" same_needs libmemkind-progs libc6,libgcc-s1,libmemkind0
tree=$work/deb
mkdir -p "$tree/var/lib/dpkg/info" "$tree/var/lib/dpkg/updates" && : >"$tree/var/lib/dpkg/status"
check "arm64: deb, installed" dpkg --root="$tree" --force-depends --force-architecture --log=/dev/null -i "$work"/*.deb
check "arm64: make rpm" "${MAKE:-make}" -s --no-print-directory rpm TARGET="$target"
mkdir -p "$work/rpm" && rpm --root "$work/rpm" --dbpath /var/lib/rpm --initdb
check "arm64: rpm, installed" rpm --root "$work/rpm" --dbpath /var/lib/rpm --nodeps --ignorearch -i "$work"/*.rpm
if have qemu-aarch64-static; then
    check "arm64: deb, tools" tools "$tree" "$tree/usr/lib/aarch64-linux-gnu"
    check "arm64: rpm, tools" tools "$work/rpm" "$work/rpm/usr/lib64"
else
    skip "arm64: tools" "no qemu-aarch64-static (package qemu-user-static)"
fi
exit 0
