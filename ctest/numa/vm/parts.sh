# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What a virtual machine is made of, fetched or built once and kept in $cache: programs,
# a kernel, a base file system. Packages come from the configured package sources
# and are only unpacked there, never installed; no root is needed. Sourced by numa-vm,
# which sets $cache, $here (its directory) and $kernel_packages.
# shellcheck disable=SC2154

# Says why there can be no machine here; 77 is the status of a test that is skipped.
cannot() {
    echo "${0##*/}: $*" >&2
    exit 77
}

# The packages of programs that this machine lacks, and what they need.
fetch_programs() {
    local command package wanted=() dir=$cache/programs
    while read -r command package; do
        in_path "$command" || wanted+=("$package")
    done <<'P'
qemu-system-x86_64 qemu-system-x86
busybox busybox-static
cpio cpio
numactl numactl
zstd zstd
mkfs.ext4 e2fsprogs
P
    rm -rf "$dir.tmp"
    mkdir -p "$dir.tmp/packages"
    if [ ${#wanted[@]} -gt 0 ]; then
        in_path apt-get || cannot "there is no ${wanted[*]} here, and no apt-get to fetch them"
        local names
        names=$(resolve "${wanted[@]}") || names=
        if [ -z "$names" ] && [ "$(id -u)" = 0 ]; then
            apt-get update -q >/dev/null 2>&1 || :
            names=$(resolve "${wanted[@]}") || names=
        fi
        [ -n "$names" ] || cannot "the package sources do not have ${wanted[*]}"
        # shellcheck disable=SC2086  # a list of names
        (cd "$dir.tmp/packages" && apt-get download -q $names) >"$dir.tmp/log" 2>&1 ||
            cannot "cannot download $names: $(tail -n 1 "$dir.tmp/log")"
        for package in "$dir.tmp"/packages/*.deb; do
            dpkg -x "$package" "$dir.tmp"
        done
    fi
    rm -rf "$dir.tmp/packages" "$dir"
    mv "$dir.tmp" "$dir"
}

resolve() { # resolve PACKAGE...: those of them and of what they need that are not installed
    apt-get install -s -q --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

in_path() { PATH=$PATH:/usr/sbin:/sbin type -P "$1" >/dev/null; }

# program NAME: the path of a program, of this machine or unpacked
program() {
    local dir
    PATH=$PATH:/usr/sbin:/sbin type -P "$1" && return
    for dir in usr/bin bin usr/sbin sbin; do
        [ ! -x "$cache/programs/$dir/$1" ] || {
            echo "$cache/programs/$dir/$1"
            return
        }
    done
    echo "numa-vm: no program $1" >&2
    return 1
}

# Where the libraries of unpacked programs are.
find_unpacked_libraries() {
    local root=$cache/programs
    unpacked_libraries=$(find "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu -name '*.so.*' -printf '%h\n' 2>/dev/null |
        sort -u | paste -sd :)
}

# run_unpacked COMMAND...: with the libraries that an unpacked program in it may need
run_unpacked() {
    case " $*" in
    *" $cache/programs/"*) LD_LIBRARY_PATH=$unpacked_libraries "$@" ;;
    *) "$@" ;;
    esac
}

fetch_kernel() {
    local dir=$cache/kernel.tmp package real found moddir
    rm -rf "$dir"
    mkdir -p "$dir/modules"
    for package in $kernel_packages; do
        # A package of the newest kernel names the real one in its dependencies.
        real=$(apt-cache depends "$package" 2>/dev/null | sed -nE 's/^ +Depends: (linux-image-[^ ]+)$/\1/p' | head -n 1)
        (cd "$dir" && apt-get download -q "${real:-$package}") >"$dir/log" 2>&1 && break
    done
    ls "$dir"/*.deb >/dev/null 2>&1 || cannot "cannot download a kernel ($kernel_packages): $(tail -n 1 "$dir/log")"
    dpkg -x "$dir"/*.deb "$dir/root"
    python3 "$here/vm/kernel.py" vmlinux "$dir"/root/boot/vmlinuz-* "$dir/vmlinux"
    for found in "$dir"/root/{usr/,}lib/modules/*/; do
        [ ! -d "$found" ] || moddir=$found
    done
    basename "$moddir" >"$dir/version"
    python3 "$here/vm/kernel.py" modules "$moddir" "$dir/modules" boot virtio_pci virtio_console
    python3 "$here/vm/kernel.py" modules "$moddir" "$dir/modules" nvdimm nfit nd_pmem device_dax dax_pmem kmem
    python3 "$here/vm/kernel.py" modules "$moddir" "$dir/modules" ext4 ext4
    rm -rf "$dir/root" "$dir"/*.deb "$cache/kernel"
    mv "$dir" "$cache/kernel"
}

# The path of a file where all directories are real: /lib may be a link to /usr/lib.
canonical() { echo "$(realpath "$(dirname "$1")")/$(basename "$1")"; }

# libraries_of: the libraries of the ELF files named on standard input, one a line
libraries_of() {
    LD_LIBRARY_PATH=$unpacked_libraries xargs -r -d '\n' ldd 2>/dev/null |
        sed -nE 's/^\t(.* => )?(\/[^ ]+) \(0x.*/\2/p' | sort -u
}

put() { # put STAGE FILE...: copies files to their own path, following links
    local stage=$1 file place
    shift
    for file; do
        place=$(canonical "$file")
        place=${place#"$cache/programs"}
        [ -e "$stage$place" ] || {
            mkdir -p "$stage$(dirname "$place")"
            cp -L "$file" "$stage$place"
        }
    done
}

# The file system that every guest starts with: one cpio archive.
build_base() {
    local stage=$cache/stage.tmp applet file busybox
    rm -rf "$stage"
    mkdir -p "$stage"/{dev,proc,sys,run,mnt,root,etc,var,usr/bin,usr/sbin,usr/lib,usr/lib64}
    mkdir -m 1777 "$stage/tmp"
    for applet in bin sbin lib lib64; do ln -s usr/$applet "$stage/$applet"; done
    busybox=$(program busybox)
    cp -L "$busybox" "$stage/usr/bin/busybox"
    for applet in $("$busybox" --list); do
        [ -e "$stage/usr/bin/$applet" ] || ln -s busybox "$stage/usr/bin/$applet"
    done
    # Real programs in the place of busybox's of the same name.
    for applet in numactl mkfs.ext4; do
        file=$(program $applet) || continue
        rm -f "$stage/usr/bin/$applet"
        cp -L "$file" "$stage/usr/bin/$applet"
    done
    find "$stage/usr/bin" -type f | libraries_of | while read -r file; do put "$stage" "$file"; done
    put "$stage" /lib64/ld-linux-x86-64.so.2
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$stage/etc/passwd"
    printf 'root:x:0:\n' >"$stage/etc/group"
    ln -s /proc/mounts "$stage/etc/mtab"
    cp "$here/vm/guest-init" "$stage/init"
    chmod 755 "$stage/init"
    (cd "$stage" && find . -mindepth 1 | LC_ALL=C sort | archive) >"$cache/base.tmp"
    (cd "$stage" && find . -mindepth 1 | sed 's,^\./,,') >"$cache/base.list"
    mv "$cache/base.tmp" "$cache/base.cpio"
    rm -rf "$stage"
}

archive() { run_unpacked "$(program cpio)" -o -H newc -R 0:0 --quiet; }

# Everything that is missing, one process at a time.
prepare() {
    [ "$(uname -m)" = x86_64 ] || cannot "the test machines are x86-64, this one is $(uname -m)"
    in_path python3 || cannot "there is no python3 here"
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [ -d "$cache/programs" ] || fetch_programs
    find_unpacked_libraries
    PATH=$PATH:$cache/programs/usr/bin:$cache/programs/bin
    [ -f "$cache/kernel/vmlinux" ] || fetch_kernel
    if [ ! -f "$cache/base.cpio" ] || [ "$here/vm/guest-init" -nt "$cache/base.cpio" ] || [ "$here/vm/parts.sh" -nt "$cache/base.cpio" ]; then
        build_base
    fi
    flock -u 9
    exec 9>&-
}
