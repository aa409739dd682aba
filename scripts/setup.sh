#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs what is needed to build and check the library on Debian or Ubuntu: packages, and Rust's library for other
# machines where rustup has brought Rust; nothing is configured. Safe to run again. As root, or as a user who may use sudo.
#
# usage: scripts/setup.sh [build|demo|check|bench|fuzz|programs|packages|site]
#   what for; check is the default. demo needs what build does and more, check what demo does and more;
#   bench, fuzz, programs and packages each need what check does and more; site needs what build does and more
set -eu
cd "$(dirname "$0")/.."

build_packages="ca-certificates gcc libc6-dev make binutils pkg-config libhwloc15"
# The original's library and headers, to build a program for it.
demo_packages="libmemkind-dev"
# What make site writes pages with.
site_packages="mkdocs mandoc"
# The original's tools, what the tests link and build with, and what lets hwloc read any XML file.
check_packages="$site_packages g++ clang libomp-dev lld python3 cmake autoconf automake shellcheck
    libjemalloc-dev libmemkind-progs libtbbmalloc2 libhwloc-dev libhwloc-plugins numactl libibverbs-dev ibverbs-providers groff-base gfortran python3-numpy dpkg-dev rpm
    musl-tools linux-libc-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
# What make bench compares with, and counts instructions with.
bench_packages="libmemkind0 libmemkind-progs libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libtbbmalloc2 valgrind perl sqlite3 redis-server"
# libFuzzer, for make fuzz.
fuzz_packages="libclang-rt-dev"
# The programs that make check-preload runs, beside what is there anyway.
programs_packages="perl git sqlite3 redis-server redis-tools nginx-light apache2-utils openssl xz-utils
    default-jdk-headless nodejs golang-go python3-numpy"
# What make check-packages makes roots and images with.
packages_packages="debootstrap lintian buildah gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"

what=${1:-check}
case $what in
build) packages=$build_packages ;;
demo) packages="$build_packages $demo_packages" ;;
check) packages="$build_packages $demo_packages $check_packages" ;;
bench) packages="$build_packages $demo_packages $check_packages $bench_packages" ;;
fuzz) packages="$build_packages $demo_packages $check_packages $fuzz_packages" ;;
site) packages="$build_packages $site_packages python3" ;;
packages) packages="$build_packages $demo_packages $check_packages $packages_packages" ;;
programs) packages="$build_packages $demo_packages $check_packages $programs_packages" ;;
*)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac

if ! command -v apt-get >/dev/null; then
    cat >&2 <<END
scripts/setup.sh knows Debian and Ubuntu only (no apt-get here). Install by hand:
a C compiler, GNU make, binutils, pkg-config, hwloc 2,
and Rust 1.85 or newer (https://rustup.rs). What the tests use stands at the top of this script, by Debian's names.
END
    exit 1
fi

# A password can be typed only on a terminal.
may_install() {
    [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

export DEBIAN_FRONTEND=noninteractive
apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }

# candidate PACKAGE: the version that apt would install, without epoch.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}//p'; }

known() { # known PACKAGE...: those of them that the configured sources have
    local package
    for package; do
        case $(candidate "$package") in '' | '(none)') ;; *) echo "$package" ;; esac
    done
}

missing() { # missing PACKAGE...: those not installed
    local package
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

# shellcheck disable=SC2086  # a list of packages
required=$(missing $build_packages)
# shellcheck disable=SC2046,SC2086
set -- $(missing $packages)
updated=no
if [ $# -gt 0 ] && ! may_install; then
    echo "Missing packages: $*" >&2
    echo "To install them, run scripts/setup.sh as root or with sudo." >&2
    [ -z "$required" ] || exit 1
    echo "Going on without them: what needs them is skipped." >&2
elif [ $# -gt 0 ]; then
    as_root apt-get update -q
    updated=yes
    for package in $required; do
        [ -n "$(known "$package")" ] || {
            echo "The package sources of this machine do not have '$package'." >&2
            exit 1
        }
    done
    # A package that only tests use may not exist everywhere; its tests are then skipped.
    # shellcheck disable=SC2046
    apt_install $(known "$@")
fi

# Rust: the one that is there, if it is new enough; else the distribution's newest.
if ! scripts/cargo-env.sh >/dev/null 2>&1; then
    may_install || {
        scripts/cargo-env.sh
        exit 1
    }
    [ $updated = yes ] || as_root apt-get update -q
    rust=
    # cargo-web is Debian's newer cargo beside an old one; Ubuntu numbers its packages.
    for cargo in cargo cargo-web $(apt-cache pkgnames cargo-1. | grep -E '^cargo-1\.[0-9]+$' | sort -rV); do
        version=$(candidate "$cargo")
        case $cargo in cargo-1.*) version=${cargo#cargo-} ;; esac
        if [ -n "$(known "$cargo")" ] && dpkg --compare-versions "$version" ge 1.85; then
            rust="$cargo rustc${cargo#cargo}"
            break
        fi
    done
    if [ -z "$rust" ]; then
        echo "No package source of this machine has cargo 1.85 or newer: install Rust from https://rustup.rs" >&2
        exit 1
    fi
    # shellcheck disable=SC2046,SC2086
    apt_install $rust $(known "rustfmt${cargo#cargo}" "rust${cargo#cargo}-clippy")
fi
# Rust's libraries for other machines: only rustup has them.
if [ "$what" = check ] && command -v rustup >/dev/null; then
    for target in x86_64-unknown-linux-musl aarch64-unknown-linux-gnu; do
        directory=$(rustc --print target-libdir --target "$target" 2>/dev/null || :)
        [ -d "$directory" ] || timeout 300 rustup target add "$target" ||
            echo "Going on without: tests for $target are skipped." >&2
    done
fi
echo "Ready: $($(scripts/cargo-env.sh) --version), $(gcc --version | head -n 1)"
