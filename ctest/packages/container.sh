#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# packaging/Containerfile, built by buildah from the source archive on an image made of the bare Debian: no image is
# downloaded.
#
# PACKAGES  directory with the bare root and the source archive
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$PACKAGES

if ! have buildah || [ ! -d "$work/bare" ]; then
    skip "container" "needs buildah and the bare Debian"
    exit 0
fi
image() { buildah --root "$work/containers" --runroot "$work/containers-run" --storage-driver vfs "$@"; }
base() {
    local container
    container=$(image from scratch) && image copy -q "$container" "$work/bare" / &&
        image commit -q "$container" docker.io/library/debian:12 && image rm "$container" &&
        image tag docker.io/library/debian:12 docker.io/library/debian:12-slim
}
build() { # build NAME FLAGS...
    image build --isolation chroot --pull-never --layers -f "$work/context/packaging/Containerfile" -t "$@" "$work/context"
}
run() { # run IMAGE COMMAND...
    local container status
    container=$(image from --pull-never "$1") || return
    image run --isolation chroot "$container" -- "${@:2}"
    status=$?
    image rm "$container" >/dev/null
    return "$status"
}

mkdir -p "$work/context" && tar -xzf "$work"/memkind-*.tar.gz -C "$work/context" --strip-components 1 || exit 1
check "container: an image of Debian" base || exit 1
check "container: the image with the tools" build localhost/memkind &&
    check "container: memkind-info" run localhost/memkind memkind-info
# shellcheck disable=SC2016  # for the inner shell
check "container: the image to build programs with" build localhost/memkind-dev --target dev &&
    check "container: a program" run localhost/memkind-dev sh -euc '
        cd /tmp && gcc /usr/share/doc/libmemkind-dev/examples/kinds.c $(pkg-config --cflags --libs memkind) && ./a.out'
exit 0
