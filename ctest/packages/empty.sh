#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Packages in empty roots without a system: their files are where the distribution has such files, all examples compile
# by the line that stands in them and run, and nothing is left after removal. Crates are packaged and used from outside.
#
# PACKAGES  directory for packages and roots
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/packages/lib.sh
work=$PACKAGES
root=$PWD

# expected LIBDIR: the files that `make install` would put below /usr there.
expected() {
    "${MAKE:-make}" -s --no-print-directory list-installed PREFIX=/usr LIBDIR="$1" | sed 's|^/||' | LC_ALL=C sort
}

# without the compression of manual pages, and without what each kind of package adds.
plain() { sed -e 's|\(/man[0-9]/.*\)\.gz$|\1|' -e '\|^usr/share/doc/|d' | LC_ALL=C sort; }

# examples DIRECTORY NAME: compiles and runs each example with the library below DIRECTORY.
examples() {
    local directory=$1 lib=$2 name=$3 source line
    # The compilers as they are in a system with these packages.
    export CPATH=$directory/usr/include LD_LIBRARY_PATH=$lib PATH=$work/bin:$PATH
    mkdir -p "$work/bin" && for source in gcc g++ cc; do
        printf '#!/bin/sh\nexec /usr/bin/%s "$@" "-L%s"\n' $source "$lib" >"$work/bin/$source"
        chmod +x "$work/bin/$source"
    done
    export PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$directory
    for source in "$root"/examples/*.c "$root"/examples/*.cpp; do
        line=$(compile_line "$source")
        check "$name: ${source##*/}: ${line:-it says how it is compiled}" one_example "$source" "$line" "$lib"
    done
}
one_example() {
    local source=$1 line=$2 lib=$3 program
    [ -n "$line" ] && mkdir -p "$work/example" && cp "$source" "$root"/examples/*.h "$work/example" && cd "$work/example" && rm -f a.out || return
    bash -euc "$line" || return
    program=$(program_of "$line")
    ldd "./$program" | grep -F "libmemkind.so.0 => $lib/libmemkind.so.0" || return
    case $source in
    */stream.c) "./$program" 1 ;;
    *) "./$program" ;;
    esac
}

tools() { # tools DIRECTORY: each tells its version or its help
    local tool
    for tool in "$1"/usr/bin/*; do
        "$tool" --help >/dev/null || [ $? -eq 2 ] || {
            echo "$tool"
            return 1
        }
    done
    "$1/usr/bin/memkind-info" && "$1/usr/bin/memtier" --kind DRAM ls / >/dev/null
}

deb() {
    local tree=$work/deb lib
    check "deb: made" scripts/package.sh deb || return
    lib=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
    mkdir -p "$tree/var/lib/dpkg/info" "$tree/var/lib/dpkg/updates" && : >"$tree/var/lib/dpkg/status"
    files "$tree" >"$work/before"
    check "deb: installed" dpkg --root="$tree" --force-depends --log=/dev/null -i "$work"/*.deb || return
    files "$tree" | plain >"$work/got"
    expected "/$lib" | grep -v '^usr/share/licenses/' | plain >"$work/expected"
    same "deb: the files of make install" "$work/expected" "$work/got"
    check "deb: licenses" grep -q jemalloc "$tree/usr/share/doc/libmemkind0/copyright"
    (examples "$tree" "$tree/$lib" deb)
    check "deb: tools" env LD_LIBRARY_PATH="$tree/$lib" bash -c "$(declare -f tools); tools $tree"
    (rust "$tree" "$tree/$lib")
    check "deb: removed" dpkg --root="$tree" --force-depends --log=/dev/null -P libmemkind0 libmemkind-dev libmemkind-progs
    files "$tree" >"$work/after"
    same "deb: nothing is left" "$work/before" "$work/after"
    if have lintian; then
        check "deb: lintian has no errors" lintian --fail-on error --suppress-tags bad-distribution-in-changes-file "$work"/*.deb
    else
        skip "deb: lintian" "not installed"
    fi
}

rpm_package() {
    local tree=$work/rpm
    check "rpm: made" scripts/package.sh rpm || return
    mkdir -p "$tree" && rpm --root "$tree" --dbpath /var/lib/rpm --initdb && files "$tree" >"$work/before"
    check "rpm: installed" rpm --root "$tree" --dbpath /var/lib/rpm --nodeps -i "$work"/*.rpm || return
    files "$tree" | plain >"$work/got"
    expected /usr/lib64 >"$work/expected"
    same "rpm: the files of make install" "$work/expected" "$work/got"
    (examples "$tree" "$tree/usr/lib64" rpm)
    check "rpm: tools" env LD_LIBRARY_PATH="$tree/usr/lib64" bash -c "$(declare -f tools); tools $tree"
    check "rpm: removed" rpm --root "$tree" --dbpath /var/lib/rpm --nodeps -e memkind memkind-devel memkind-progs
    files "$tree" >"$work/after"
    same "rpm: nothing is left" "$work/before" "$work/after"
}

# The crates as cargo packages them, in a program elsewhere, linked to the packaged library by pkg-config.
rust() {
    local directory=$1 lib=$2 cargo
    cargo=${CARGO:-$(scripts/cargo-env.sh 2>/dev/null)} || {
        skip "crates" "no cargo"
        return
    }
    export PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$directory LD_LIBRARY_PATH=$lib
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/bindings
    check "crates: packaged" package_crates "$cargo"
    [ -d "$work/crates" ] || return
    check "crates: the example, from outside" outside "$cargo"
}
package_crates() {
    local minor
    # shellcheck disable=SC2086  # a command prefix
    minor=$($1 --version | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    if [ "${minor:-0}" -lt 90 ]; then
        echo "packaging crates that need each other takes cargo 1.90"
        return 77
    fi
    cd "$root/bindings/rust" || return
    # Both at once: the one needs the other, which no registry has.
    # shellcheck disable=SC2086  # a command prefix
    $1 package -q --locked --offline --allow-dirty --no-verify --workspace || return
    mkdir -p "$work/crates" && for crate in "$CARGO_TARGET_DIR"/package/memkind-*.crate; do
        tar -xzf "$crate" -C "$work/crates" || return
    done
    # A crate is of use to a reader with its page, its license and its examples.
    for file in README.md LICENSE Cargo.toml src/lib.rs; do
        for crate in "$work"/crates/*; do
            [ -s "$crate/$file" ] || {
                echo "${crate##*/} is packaged without $file"
                return 1
            }
        done
    done
}
outside() {
    local crate
    mkdir -p "$work/outside/src" && cd "$work/outside" || return
    crate=$(echo "$work"/crates/memkind-[0-9]*)
    cp "$crate/examples/kinds.rs" src/main.rs || return
    cat >Cargo.toml <<TOML
[package]
name = "outside"
version = "0.1.0"
edition = "2021"
[dependencies]
allocator-api2 = "0.4"
memkind = "1.15"
[patch.crates-io]
memkind = { path = "$crate" }
memkind-sys = { path = "$(echo "$work"/crates/memkind-sys-*)" }
[workspace]
TOML
    # shellcheck disable=SC2086
    cp "$root/bindings/rust/Cargo.lock" . && $1 run -q --offline
}

if [ "$(id -u)" -ne 0 ]; then
    skip "packages in empty roots" "dpkg and rpm install as root only"
    exit 0
fi
if have dpkg-deb dpkg-shlibdeps; then deb; else skip "deb" "no dpkg-dev"; fi
if have rpmbuild; then rpm_package; else skip "rpm" "no rpmbuild"; fi
exit 0
