#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The packages and the README's commands in a bare Debian that debootstrap makes: replaces Debian's own memkind, every
# page's commands and every example, removal; then the source archive, built there without a network.
#
# PACKAGES      directory with packages
# BARE_ROOT     a root that debootstrap has made, to be copied instead of making one
# README_CHECK  yes: also `make check` there, which takes some twenty minutes more
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/packages/lib.sh
work=$PACKAGES
root=$PWD
suite=bookworm

if [ "$(id -u)" -ne 0 ] || ! have debootstrap unshare; then
    skip "a bare Debian" "needs root and debootstrap"
    exit 0
fi
make_bare() {
    if [ -n "${BARE_ROOT:-}" ]; then
        cp -a "$BARE_ROOT" "$work/bare"
    else
        debootstrap --variant=minbase "$suite" "$work/bare"
    fi
}
check "debian: a bare root" make_bare || exit 1

# in_root ROOT COMMAND...: in that root, with this tree at /src to read; mounts go when the command ends.
in_root() {
    mkdir -p "$1/src"
    # shellcheck disable=SC2016  # for the inner shell
    SOURCE=$root unshare --mount --propagation private bash -euc '
        inside=$1
        shift
        mount -t proc proc "$inside/proc"
        mount --rbind /sys "$inside/sys"
        mount --rbind /dev "$inside/dev"
        mount --bind -o ro "$SOURCE" "$inside/src"
        exec chroot "$inside" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive "$@"' - "$@"
}
apt_get() { in_root "$1" apt-get -y -q --no-install-recommends "${@:2}"; }

packages() {
    local inside=$work/installed
    cp -a "$work/bare" "$inside" && mkdir "$inside/packages" && cp "$work"/*.deb "$inside/packages" || return
    check "debian: what the pages compile with" apt_get "$inside" update && \
        check "debian: a compiler" apt_get "$inside" install gcc g++ libc6-dev pkg-config || return

    # A program for Debian's memkind; then nothing of that, but for what it depends on.
    check "debian: its own memkind" apt_get "$inside" install libmemkind-dev
    check "debian: a program for that" in_root "$inside" gcc -o /root/existing /src/examples/first_steps.c -lmemkind
    in_root "$inside" dpkg -P libmemkind-dev libmemkind0 >/dev/null
    files "$inside" >"$work/before"
    check "debian: its own memkind again" apt_get "$inside" install libmemkind-dev

    # shellcheck disable=SC2016  # for the inner shell
    check "debian: these packages replace it" in_root "$inside" bash -c 'apt-get -y -q install /packages/*.deb'
    check "debian: the program runs on" in_root "$inside" /root/existing
    in_root "$inside" bash /src/ctest/packages/in_root.sh
    in_root "$inside" env MEMKIND_STAGE=/usr bash /src/ctest/pages.sh | sed 's/^[A-Z]* /&debian: /'
    check "debian: removed" apt_get "$inside" purge libmemkind0 libmemkind-dev libmemkind-progs
    files "$inside" >"$work/after"
    same "debian: nothing is left" "$work/before" "$work/after"
    rm -rf "$inside"
}

# Runs a command in a root, and fails if its output has warnings. Rust there is the oldest that builds the library.
without_warnings() {
    in_root "$@" >"$work/output" 2>&1 || {
        cat "$work/output"
        return 1
    }
    ! grep -A 5 '^warning' "$work/output"
}

# What failed is told, and the logs stay when the root goes.
make_check() {
    local status
    in_root "$1" make -C /memkind check >"$work/check.out" 2>&1
    status=$?
    cp -a "$1/memkind/build/log" "$work/check-log"
    grep -E '^FAIL \[|^[0-9]+ passed, ' "$work/check.out"
    return $status
}

readme() {
    local inside=$work/readme
    check "source archive: made" scripts/package.sh dist || return
    cp -a "$work/bare" "$inside" && mkdir "$inside/memkind" &&
        tar -xzf "$work"/memkind-*.tar.gz -C "$inside/memkind" --strip-components=1 || return
    check "README: scripts/setup.sh" in_root "$inside" bash -c 'cd /memkind && scripts/setup.sh demo' || return
    check "README: make demo, without a network" without_warnings "$inside" unshare --net make -C /memkind demo SETUP=no
    check "README: sudo make install" in_root "$inside" unshare --net make -C /memkind install SETUP=no
    # shellcheck disable=SC2016  # for the inner shell
    check "README: a program by pkg-config" in_root "$inside" bash -euc 'cd /root
        gcc /memkind/examples/kinds.c $(pkg-config --cflags --libs memkind) && ./a.out && memkind-info'
    check "README: sudo make uninstall" in_root "$inside" make -C /memkind uninstall SETUP=no
    check "README: the dynamic linker knows nothing of it any more" in_root "$inside" bash -c '! ldconfig -p | grep /usr/local/lib/libmemkind'
    same "README: nothing is left" <(files "$work/bare/usr/local") <(files "$inside/usr/local")
    if [ "${README_CHECK:-no}" = yes ]; then
        check "README: make check" make_check "$inside"
    else
        skip "README: make check" "takes half an hour: README_CHECK=yes"
    fi
    rm -rf "$inside"
}

packages
readme
exit 0
