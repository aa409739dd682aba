# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What a virtual machine is made of, fetched or built once and kept in $cache: programs,
# a kernel, a base file system. Packages come from the configured package sources
# and are only unpacked there, never installed; no root is needed. Sourced by numa-vm,
# which sets $cache, $here (its directory), $kernel_packages and $kernel, where the kernel is kept.
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
        case $command in
        QEMU) command=qemu-system-$arch package=qemu-system-${foreign_arch:-x86} package=${package/arm64/arm} ;;
        esac
        in_path "$command" || wanted+=("$package")
    done <<'P'
QEMU
busybox busybox-static
cpio cpio
numactl numactl
zstd zstd
xz xz-utils
lz4 lz4
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
    if [ "$arch" != x86_64 ]; then
        fetch_foreign_kernel
        return
    fi
    local dir=$kernel.tmp package real found moddir
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
    python3 "$here/vm/kernel.py" modules "$moddir" "$dir/modules" rdma dummy crc32_generic ib_uverbs rdma_rxe
    rm -rf "$dir/root" "$dir"/*.deb "$kernel"
    mv "$dir" "$kernel"
}

# foreign SUITE COMMAND...: apt-get for another machine and another suite of the distribution, with files of its own
foreign() {
    local suite=$1 state=$cache/apt-$1 mirror
    shift
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    touch "$state/status"
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -nE 's,^(URIs:|deb( \[.*\])?) +(https?://[^ ]*/debian)/?( .*)?$,\3,p' | head -n 1)
    {
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
        [ "$suite" != bookworm ] ||
            echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror-security $suite-security main"
    } >"$state/sources.list"
    apt-get -q -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root \
        -o APT::Architecture="$foreign_arch" -o APT::Architectures="$foreign_arch" "$@"
}

# build_kernel DIR: DIR/vmlinux from the sources in DIR/root, with what vm/config-64k has and no modules
build_kernel() {
    local dir=$1 tools=$1/tools make missing
    mkdir -p "$dir/source" "$tools/packages"
    (cd "$tools/packages" && apt-get download -q bison flex m4 bc) || return
    for package in "$tools"/packages/*.deb; do dpkg -x "$package" "$tools"; done
    tar -xf "$dir"/root/usr/src/linux-source-*.tar.xz -C "$dir/source" --strip-components=1 || return
    make=(env PATH="$tools/usr/bin:$PATH" BISON_PKGDATADIR="$tools/usr/share/bison" M4="$tools/usr/bin/m4"
        make -C "$dir/source" -j"$(nproc)" ARCH="$foreign_arch" CROSS_COMPILE=aarch64-linux-gnu-)
    "${make[@]}" KCONFIG_ALLCONFIG="$here/vm/config-64k" allnoconfig || return
    # What depends on an option that is off is left out without a word.
    missing=$(grep '^CONFIG' "$here/vm/config-64k" | grep -vxFf "$dir/source/.config" | paste -sd ' ')
    [ -z "$missing" ] || { echo "this kernel cannot have $missing"; return 1; }
    "${make[@]}" Image || return
    cp "$dir/source/arch/$foreign_arch/boot/Image" "$dir/vmlinux" && rm -rf "$dir/source" "$tools"
}

# The kernel of another machine, as it is: what it needs to boot is built in. The firmware tells it the topology; the
# one of bookworm also tells of flash memory that belongs to no node, and the kernel then sees no nodes.
fetch_foreign_kernel() {
    local dir=$kernel.tmp package real
    rm -rf "$dir"
    mkdir -p "$dir/modules" "$dir/packages"
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || cannot "packages for $arch are looked for on Debian only"
    foreign bookworm update >"$dir/log" 2>&1 || :
    foreign trixie update >>"$dir/log" 2>&1 || :
    (
        cd "$dir/packages" || exit
        for package in $kernel_packages; do
            real=$(foreign bookworm install -s "$package" 2>/dev/null | sed -nE 's/^Inst (linux-image-[0-9.]+\+[^ ]+) .*/\1/p' | head -n 1)
            foreign bookworm download "${real:-$package}" && break
        done && foreign bookworm download busybox-static libhwloc15 libudev1 libltdl7 libcap2 &&
            foreign trixie download qemu-efi-aarch64
    ) >>"$dir/log" 2>&1 || cannot "cannot download a kernel ($kernel_packages): $(tail -n 1 "$dir/log")"
    for package in "$dir"/packages/*.deb; do dpkg -x "$package" "$dir/root"; done
    case $kernel_packages in
    linux-source-*) build_kernel "$dir" >>"$dir/log" 2>&1 || cannot "cannot build a kernel: $(tail -n 1 "$dir/log")" ;;
    *) cp "$dir"/root/boot/vmlinuz-* "$dir/vmlinux" ;;
    esac
    cp "$dir"/root/usr/share/qemu-efi-aarch64/QEMU_EFI.fd "$dir/firmware"
    : >"$dir/modules/boot.list"
    rm -rf "$dir/root/boot" "$dir"/root/usr/src "$dir"/root/lib/modules "$dir"/root/usr/lib/modules "$dir/packages" "$kernel"
    mv "$dir" "$kernel"
}

# The path of a file where all directories are real: /lib may be a link to /usr/lib.
canonical() { echo "$(realpath "$(dirname "$1")")/$(basename "$1")"; }

# libraries_of: the libraries of the ELF files named on standard input, one a line
libraries_of() {
    # Those of another machine are all in the base file system.
    [ "$arch" = x86_64 ] || return 0
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

# build_foreign_base STAGE: what is of another machine: busybox, the C library, libhwloc
build_foreign_base() {
    local file
    busybox=$kernel/root/bin/busybox
    for file in ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libgcc_s.so.1 libgomp.so.1 libdl.so.2 libpthread.so.0; do
        cp -L "/usr/aarch64-linux-gnu/lib/$file" "$1/usr/lib/"
    done
    find "$kernel/root" -name 'lib*.so.*' ! -type d -exec cp -L {} "$1/usr/lib/" \;
}

# The file system that every guest starts with: one cpio archive.
build_base() {
    local stage=$cache/stage.tmp applet file busybox
    rm -rf "$stage"
    mkdir -p "$stage"/{dev,proc,sys,run,mnt,root,etc,var,usr/bin,usr/sbin,usr/lib,usr/lib64}
    mkdir -m 1777 "$stage/tmp"
    for applet in bin sbin lib lib64; do ln -s usr/$applet "$stage/$applet"; done
    busybox=$(program busybox)
    [ "$arch" = x86_64 ] || build_foreign_base "$stage"
    cp -L "$busybox" "$stage/usr/bin/busybox"
    for applet in $("$(program busybox)" --list); do
        [ -e "$stage/usr/bin/$applet" ] || ln -s busybox "$stage/usr/bin/$applet"
    done
    # Real programs in the place of busybox's of the same name.
    for applet in numactl mkfs.ext4; do
        [ "$arch" = x86_64 ] || break
        file=$(program $applet) || continue
        rm -f "$stage/usr/bin/$applet"
        cp -L "$file" "$stage/usr/bin/$applet"
    done
    find "$stage/usr/bin" -type f | libraries_of | while read -r file; do put "$stage" "$file"; done
    [ "$arch" != x86_64 ] || put "$stage" /lib64/ld-linux-x86-64.so.2
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
    [ "$(uname -m)" = x86_64 ] || cannot "the test machines run on x86-64, this one is $(uname -m)"
    case $arch in
    x86_64) ;;
    aarch64)
        foreign_arch=arm64
        [ -z "$own_kernel" ] || cannot "machines with $arch have one kernel"
        [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || cannot "there is no C library for arm64 here (libc6-arm64-cross)"
        ;;
    *) cannot "no test machines with $arch" ;;
    esac
    in_path python3 || cannot "there is no python3 here"
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [ -d "$cache/programs" ] || fetch_programs
    find_unpacked_libraries
    PATH=$PATH:$cache/programs/usr/bin:$cache/programs/bin
    [ -f "$kernel/vmlinux" ] || fetch_kernel
    if [ ! -f "$cache/base.cpio" ] || [ "$here/vm/guest-init" -nt "$cache/base.cpio" ] || [ "$here/vm/parts.sh" -nt "$cache/base.cpio" ]; then
        build_base
    fi
    flock -u 9
    exec 9>&-
}
