#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes packages of what `make install` installs, into build/packages or $PACKAGES.
#
# usage: scripts/package.sh deb | rpm | dist [TARGET]
#   deb    libmemkind0, libmemkind-dev and libmemkind-progs, as Debian divides them
#   rpm    memkind, memkind-devel and memkind-progs, with rpmbuild
#   dist   a source archive with all crates in it, which builds without a network
#
# PACKAGE_AS_BUILT=yes takes the binaries as they are, with names of this machine's directories in them, and compresses
# little: for tests.
# TARGET is the machine that they are for, as Rust names it.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-} target=${2:-} cross=${CROSS_COMPILE:-}
case $what in deb | rpm | dist) ;; *)
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
    ;;
esac
# The name of the person who packages, from the variables of Debian's tools.
maintainer="${DEBFULLNAME:-The memkind authors} <${DEBEMAIL:-packages@memkind.invalid}>"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
out=${PACKAGES:-$PWD/build/packages}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
as_built=${PACKAGE_AS_BUILT:-no}
mkdir -p "$out"

# The date of the last commit, so that the same source gives the same package. Not for cargo, which would build
# jemalloc once more: it writes no dates.
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}

need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null || {
        echo "scripts/package.sh: $1 is missing (package $2)" >&2
        exit 1
    }
}

# Installs below $work/root. Names of the building user's directories stay out of the binaries.
stage() { # stage LIBDIR
    local registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
    [ "$as_built" = yes ] || export RUSTFLAGS="--remap-path-prefix=$registry=crates --remap-path-prefix=$PWD/vendor=crates"
    "${MAKE:-make}" -s --no-print-directory install TARGET="$target" SUDO_UID= PREFIX=/usr LIBDIR="$1" DESTDIR="$work/root" \
        INCLUDEDIR=/usr/include BINDIR=/usr/bin MANDIR=/usr/share/man \
        LICENSEDIR=/usr/share/licenses/memkind >&2
    find "$work/root" -type f \( -name '*.so.*' -o -path '*/bin/*' \) -exec "${cross}strip" --strip-unneeded {} +
    find "$work/root/usr/share/man" -type f -exec gzip -9n {} +
    if [ "$as_built" != yes ] && grep -rlaF -e "$registry" -e "$PWD/vendor/" -e "$PWD/src/" \
        -e "$PWD/target/" -e "$PWD/preload/" "$work/root"; then
        echo "scripts/package.sh: these files name directories of this machine" >&2
        exit 1
    fi
    export SOURCE_DATE_EPOCH=$date
    # A page under a second name is a line ".so man3/PAGE.3", which finds PAGE.3.gz by itself.
}

deb_control() { # deb_control PACKAGE DEPENDS
    local section=libs multi=same summary text
    case $1 in
    libmemkind0)
        summary="heap manager for many kinds of memory, shared library"
        text=" It contains the shared library, and libautohbw and libmemtier for LD_PRELOAD."
        ;;
    libmemkind-dev)
        section=libdevel
        summary="heap manager for many kinds of memory, development files"
        text=" It contains headers, the static library, manual pages and examples."
        ;;
    libmemkind-progs)
        section=admin multi=foreign
        summary="heap manager for many kinds of memory, tools"
        text=" It contains memkind-info, memkind-hbw-nodes, memkind-auto-dax-kmem-nodes and memtier."
        ;;
    esac
    cat <<CONTROL
Package: $1
Source: memkind
Version: $version-1
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$work/$1" | cut -f 1)
Depends: $2
Section: $section
Priority: optional
Multi-Arch: $multi
Description: $summary
 A program takes memory of a chosen kind: high-bandwidth memory, persistent memory
 used as RAM, huge pages, a file. Each kind has a heap of its own. Binary
 compatible with memkind 1.14.
 .
$text
CONTROL
}

deb() {
    need dpkg-shlibdeps dpkg-dev
    local lib package architecture compression=(-Zxz)
    [ "$as_built" = no ] || compression=(-Zgzip -z1)
    case $target in
    '') architecture=$(dpkg --print-architecture) ;;
    *-linux-gnu) architecture=$(dpkg-architecture -t"${target/-unknown/}" -qDEB_HOST_ARCH 2>/dev/null) ;;
    *)
        echo "scripts/package.sh: Debian has no machines like $target" >&2
        exit 1
        ;;
    esac
    # dpkg's tools look for it.
    export DEB_HOST_ARCH=$architecture
    lib=usr/lib/$(dpkg-architecture -a"$architecture" -qDEB_HOST_MULTIARCH)
    stage "/$lib"
    cd "$work"
    # Debian's place for licenses is the file copyright.
    rm -r root/usr/share/licenses
    mkdir -p libmemkind0/"$lib" libmemkind-dev/"$lib" libmemkind-dev/usr/share/man libmemkind-progs/usr/share/man
    mv root/"$lib"/*.so.* libmemkind0/"$lib"
    mv root/"$lib"/* libmemkind-dev/"$lib"
    mv root/usr/include libmemkind-dev/usr
    mv root/usr/bin libmemkind-progs/usr
    mv root/usr/share/man/man1 libmemkind-progs/usr/share/man
    mv root/usr/share/man/* libmemkind-dev/usr/share/man
    mkdir -p libmemkind-dev/usr/share/doc/libmemkind-dev/examples
    cp "$OLDPWD"/examples/*.[ch] "$OLDPWD"/examples/*.cpp "$OLDPWD"/README.md "$OLDPWD"/docs/*.md libmemkind-dev/usr/share/doc/libmemkind-dev/examples
    mv libmemkind-dev/usr/share/doc/libmemkind-dev/examples/*.md libmemkind-dev/usr/share/doc/libmemkind-dev
    for package in libmemkind0 libmemkind-dev libmemkind-progs; do
        mkdir -p $package/DEBIAN $package/usr/share/doc/$package
        cp "$OLDPWD"/packaging/copyright $package/usr/share/doc/$package/copyright
        printf 'memkind (%s-1) unstable; urgency=medium\n\n  * Release %s.\n\n -- %s  %s\n' \
            "$version" "$version" "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" |
            gzip -9n >$package/usr/share/doc/$package/changelog.Debian.gz
        gzip -9nc "$OLDPWD"/CHANGELOG.md >$package/usr/share/doc/$package/changelog.gz
    done
    # dpkg's tools look for the source package's file.
    mkdir -p debian
    printf 'Source: memkind\n\nPackage: libmemkind0\nArchitecture: any\n' >debian/control
    printf 'libmemkind 0 libmemkind0 (>= %s)\nlibmemtier 0 libmemkind0 (>= %s)\nlibautohbw 0 libmemkind0 (>= %s)\n' \
        "$version" "$version" "$version" >libmemkind0/DEBIAN/shlibs
    dpkg-gensymbols -plibmemkind0 -v"$version" -Plibmemkind0 -q -c0 -Olibmemkind0/DEBIAN/symbols
    echo "activate-noawait ldconfig" >libmemkind0/DEBIAN/triggers
    # Another machine's libraries are those of its cross compiler, whose packages have names of their own.
    local foreign needs
    foreign=/usr/$(dpkg-architecture -a"$architecture" -qDEB_HOST_GNU_TYPE)/lib
    depends() {
        dpkg-shlibdeps -O -l"$work/libmemkind0/$lib" -l"$foreign" -S"$work/libmemkind0" "$@" >needs 2>complaints || {
            cat complaints >&2
            exit 1
        }
        sed -n "s/:$architecture\\b//g; s/-$architecture-cross\\b//g; s/^shlibs:Depends=//p" needs
    }
    # What the preload libraries need of this very package needs no dependency. libhwloc is loaded when needed.
    needs=$(depends libmemkind0/"$lib"/libmemkind.so.0.*)
    deb_control libmemkind0 "$(sed 's/libmemkind0[^,]*, *//' <<<"$needs")" >libmemkind0/DEBIAN/control
    sed -i '/^Depends:/a Recommends: libhwloc15' libmemkind0/DEBIAN/control
    deb_control libmemkind-dev "libmemkind0 (= $version-1)" >libmemkind-dev/DEBIAN/control
    needs=$(depends libmemkind-progs/usr/bin/*)
    deb_control libmemkind-progs "$needs, libmemkind0 (>= $version)" >libmemkind-progs/DEBIAN/control
    for package in libmemkind0 libmemkind-dev libmemkind-progs; do
        find $package -type d -exec chmod 755 {} +
        (cd $package && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >$package/DEBIAN/md5sums
        dpkg-deb "${compression[@]}" --root-owner-group --build $package "$out" >&2
    done
    ls "$out"/*_"$version"-1_*.deb
}

rpm() {
    need rpmbuild rpm
    local payload=w7.xzdio
    [ "$as_built" = no ] || payload=w1.gzdio
    stage /usr/lib64
    rpmbuild -bb --quiet ${target:+--target "${target%%-*}"} --define "_binary_payload $payload" --define "_topdir $work/rpm" --define "_rpmdir $out" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "memkind_version $version" --define "memkind_root $work/root" packaging/memkind.spec >&2
    ls "$out"/memkind*-"$version"-*.rpm
}

dist() {
    local name=memkind-$version cargo
    cargo=${CARGO:-$(scripts/cargo-env.sh)}
    mkdir "$work/$name"
    git ls-files -z | grep -zv '^\.github/' | xargs -0 tar -c | tar -xC "$work/$name"
    # One directory of crates for the library, the preload libraries and the crates for Rust programs.
    mkdir -p "$work/$name/vendor"
    $cargo vendor --locked -q --versioned-dirs -s preload/Cargo.toml -s bindings/rust/Cargo.toml "$work/$name/vendor" >"$work/config"
    cat "$work/$name/.cargo/config.toml" - >"$work/merged" <<CONFIG

# All crates are in this archive.
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
CONFIG
    mv "$work/merged" "$work/$name/.cargo/config.toml"
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$date" -c "$name" |
        gzip -9n >"$out/$name.tar.gz"
    echo "$out/$name.tar.gz"
}

$what
