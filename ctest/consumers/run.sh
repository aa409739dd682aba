#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs and build systems that use the library the way its users' do: pkg-config, autotools, CMake,
# OpenMP run-time libraries, Python, and the tools and libraries of the distribution's memkind.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir consumers) || exit 2
here=$root/ctest/consumers
dist=$(distribution_libdir)
stage=${MEMKIND_STAGE:-$work/stage}
export LC_ALL=C

# ---- Build systems, against a staged installation ----

expected_version() { sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1; }

# runs PROGRAM: it must print our version, with the staged library.
runs() {
    local got
    got=$(LD_LIBRARY_PATH=$stage/lib "$1") || return
    [ "$got" = "memkind $(expected_version)" ] && return 0
    echo "it printed '$got' instead of 'memkind $(expected_version)'"
    return 1
}

with_pkg_config() {
    local flags
    flags=$(pkg-config --cflags --libs 'memkind >= 1.8.0') || return
    # shellcheck disable=SC2086  # flags
    "${cc[@]}" -o "$work/pkg-config" "$here/consumer.c" $flags && runs "$work/pkg-config"
}

with_pkg_config_static() {
    local flags
    flags=$(pkg-config --cflags --libs --static memkind) || return
    # shellcheck disable=SC2086
    "${cc[@]}" -o "$work/static" "$here/consumer.c" ${flags/-lmemkind/-l:libmemkind.a} || return
    if readelf -dW "$work/static" | grep memkind; then
        echo "the program still needs the shared library"
        return 1
    fi
    runs "$work/static"
}

# A program that is static altogether. The linker warns that it needs the shared glibc to load libhwloc.
with_pkg_config_all_static() {
    local flags name
    flags=$(pkg-config --cflags --libs --static memkind) || return
    for name in -static -static-pie; do
        # shellcheck disable=SC2086
        "${cc[@]}" $name -o "$work/all-static" "$here/consumer.c" $flags || return
        if readelf -dW "$work/all-static" | grep NEEDED; then
            return 1
        fi
        runs "$work/all-static" || return
    done
}

# The headers with SPDK's and libevpl's names are found by a package of their own, and need no other.
with_compat() {
    local flags
    flags=$(pkg-config --cflags --libs memkind-compat) || return
    cat >"$work/compat.c" <<'END'
#include <spdk/env.h>
#include <spdk/log.h>
#include <evpl/evpl.h>
int main(void)
{
    void *buffer = spdk_malloc(4096, 64, NULL, SPDK_ENV_SOCKET_ID_ANY, SPDK_MALLOC_DMA);
    struct evpl_iovec iovec = {0};
    if (buffer == NULL)
        return 1;
    spdk_free(buffer);
    return (int)evpl_iovec_length(&iovec);
}
END
    # shellcheck disable=SC2086
    "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -o "$work/compat" "$work/compat.c" $flags &&
        LD_LIBRARY_PATH=$stage/lib "$work/compat"
}

with_autotools() {
    have autoreconf automake || {
        echo "autoconf and automake are not installed"
        return 77
    }
    cp -r "$here/autotools" "$work/autotools" && cp "$here/consumer.c" "$work/autotools" && cd "$work/autotools" &&
        autoreconf -i && ./configure && make -s && runs ./consumer
}

with_cmake() { # with_cmake PROJECT PROGRAM...
    local project=$1 program
    shift
    have cmake || {
        echo "cmake is not installed"
        return 77
    }
    CMAKE_PREFIX_PATH=$stage cmake -S "$here/$project" -B "$work/$project" && cmake --build "$work/$project" || return
    for program; do
        runs "$work/$project/$program" || return
    done
}

# Moved as a whole, the CMake package finds what is beside it; also through a link, as /lib may be one.
with_cmake_moved() {
    have cmake || return 77
    local moved=$work/moved stage
    mkdir -p "$moved/usr" && cp -a "${MEMKIND_STAGE:-$work/stage}/." "$moved/usr" && ln -s usr/lib "$moved/lib" || return
    for stage in "$moved/usr" "$moved"; do
        CMAKE_PREFIX_PATH=$stage cmake -S "$here/cmake-package" -B "$work/moved-build" &&
            grep -F "memkind_DIR:PATH=$stage/lib/cmake" "$work/moved-build/CMakeCache.txt" &&
            cmake --build "$work/moved-build" --clean-first && runs "$work/moved-build/consumer" || return
        if grep -rF "${MEMKIND_STAGE:-$work/stage}/" "$work/moved-build/CMakeFiles" --include=flags.make --include=link.txt; then
            echo "it still looks where it was installed"
            return 1
        fi
        rm -r "$work/moved-build"
    done
}

# A version that is too new must be refused, by both.
refuses_newer() {
    if pkg-config --exists 'memkind >= 99'; then
        echo "pkg-config accepts memkind >= 99"
        return 1
    fi
    have cmake || return 0
    mkdir -p "$work/newer"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(newer C)' \
        'find_package(memkind 99 CONFIG REQUIRED)' >"$work/newer/CMakeLists.txt"
    if CMAKE_PREFIX_PATH=$stage cmake -S "$work/newer" -B "$work/newer/build" >"$work/newer/log" 2>&1; then
        echo "CMake accepts memkind 99"
        return 1
    fi
    grep -q 'version: *'"$(expected_version)" "$work/newer/log" && return 0
    cat "$work/newer/log"
    return 1
}

# Ranges of versions, which CMake has from 3.19 on: both ends count.
cmake_ranges() {
    local range version found expected
    version=$(expected_version)
    [ "$(printf '%s\n' 3.19 "$(cmake --version 2>/dev/null | sed -n '1s/.* //p')" | sort -V | head -n 1)" = 3.19 ] || {
        echo "CMake is older than 3.19, or not installed"
        return 77
    }
    mkdir -p "$work/ranges"
    while read -r expected range; do
        printf '%s\n' 'cmake_minimum_required(VERSION 3.19)' 'project(ranges C)' "find_package(memkind $range CONFIG)" \
            'message("found=${memkind_FOUND}")' >"$work/ranges/CMakeLists.txt"
        found=$(CMAKE_PREFIX_PATH=$stage cmake -S "$work/ranges" -B "$work/ranges/build" 2>&1 | sed -n 's/^found=//p')
        [ "$found" = "$expected" ] || {
            echo "memkind $range: found=$found"
            return 1
        }
        rm -r "$work/ranges/build"
    done <<END
1 1.0...$version
1 1.0...<99
0 1.0...<$version
0 1.0...1.10
0 98...99
END
}

# our_example SOURCE: compiles as its head says, without a warning, and runs.
our_example() {
    local flags
    flags=$(pkg-config --cflags --libs memkind) || return
    ! grep -q -e -fopenmp "$1" || flags="-fopenmp $flags"
    # shellcheck disable=SC2086
    "${cc[@]}" -Wall -Wextra -Werror -O1 -o "$work/example" "$1" $flags && LD_LIBRARY_PATH=$stage/lib "$work/example"
}

build_systems() {
    local example
    if [ -z "${MEMKIND_STAGE:-}" ]; then
        check "staged installation" "${MAKE:-make}" -s --no-print-directory install PREFIX="$stage" \
            LIBDIR="$stage/lib" INCLUDEDIR="$stage/include" BINDIR="$stage/bin" MANDIR="$stage/share/man" DESTDIR= || return
    fi
    export PKG_CONFIG_PATH=$stage/lib/pkgconfig
    check "pkg-config" with_pkg_config
    check "pkg-config --static" with_pkg_config_static
    check "pkg-config --static, a static program" with_pkg_config_all_static
    check "pkg-config, SPDK's and libevpl's names" with_compat
    check "autotools, PKG_CHECK_MODULES" with_autotools
    check "CMake, pkg_check_modules" with_cmake cmake-pkgconfig consumer
    check "CMake, find_package, shared and static" with_cmake cmake-package consumer consumer_static
    check "CMake, find_package, when the installation has been moved" with_cmake_moved
    check "a version that does not exist yet is refused" refuses_newer
    check "CMake, find_package, ranges of versions" cmake_ranges
    for example in "$root"/examples/*.c; do
        check "examples/${example##*/}" our_example "$example"
    done
    unset PKG_CONFIG_PATH
}

# ---- OpenMP ----

# openmp_runs PROGRAM LIBRARY-PATH HBW-KIND LARGE-CAPACITY-KIND
openmp_runs() {
    LD_LIBRARY_PATH=$2 timeout "$test_limit" "$1" "$(realpath "$libdir")" "$3" "$4"
}

openmp() { # openmp NAME PROGRAM LIBRARY-PATH KIND-WITHOUT-NODES
    check "$1, no HBW and no DAX memory" env -u MEMKIND_HBW_NODES -u MEMKIND_DAX_KMEM_NODES \
        bash -c "$(declare -f openmp_runs); libdir='$libdir'; openmp_runs '$2' '$3' '$4' '$4'"
    check "$1, HBW memory on node 0" env -u MEMKIND_DAX_KMEM_NODES MEMKIND_HBW_NODES=0 \
        bash -c "$(declare -f openmp_runs); libdir='$libdir'; openmp_runs '$2' '$3' memkind_hbw_preferred '$4'"
    check "$1, HBW and DAX memory on node 0" env MEMKIND_HBW_NODES=0 MEMKIND_DAX_KMEM_NODES=0 \
        bash -c "$(declare -f openmp_runs); libdir='$libdir'; openmp_runs '$2' '$3' memkind_hbw_preferred memkind_dax_kmem_all"
}

# libgomp_with_memkind: prints the directory of a libgomp.so.1 that knows memkind (GCC 14 and later):
# LIBGOMP_DIR, the installed one, or one downloaded from the configured package sources.
libgomp_with_memkind() {
    local dir version
    for dir in "${LIBGOMP_DIR:-}" "$(dirname "$("${cc[@]}" -print-file-name=libgomp.so.1)")" "/usr/lib/$("${cc[@]}" -print-multiarch)"; do
        if grep -q libmemkind "$dir/libgomp.so.1" 2>/dev/null; then
            echo "$dir"
            return
        fi
    done
    have apt-cache apt-get dpkg-deb || return
    for version in $(apt-cache madison libgomp1 2>/dev/null | awk -F'|' '{ gsub(/ /, "", $2); print $2 }'); do
        dpkg --compare-versions "$version" ge 14 || continue
        mkdir -p "$work/libgomp"
        (cd "$work/libgomp" && apt-get download -qq "libgomp1=$version" && dpkg-deb -x libgomp1_*.deb .) >"$work/libgomp.log" 2>&1
        dir=$(find "$work/libgomp" -name 'libgomp.so.1' -printf '%h\n' | head -n 1)
        if grep -q libmemkind "$dir/libgomp.so.1" 2>/dev/null; then
            echo "$dir"
            return
        fi
    done
}

openmp_clients() {
    local dir
    if ! have clang; then
        skip "OpenMP: LLVM libomp" "clang is not installed"
    elif ! echo 'int main(void) { return 0; }' | clang -fopenmp=libomp -x c -o "$work/empty" - 2>/dev/null; then
        skip "OpenMP: LLVM libomp" "libomp-dev is not installed"
    elif check "OpenMP: clang compiles" clang -Wall -Wextra -Werror -O1 -fopenmp=libomp -rdynamic -o "$work/openmp-llvm" "$here/openmp.c" -ldl; then
        # libomp takes every allocation from memkind when MEMKIND_DEFAULT is available.
        openmp "OpenMP: LLVM libomp" "$work/openmp-llvm" "$libdir" memkind_default
    fi

    dir=$(libgomp_with_memkind)
    if [ -z "$dir" ]; then
        skip "OpenMP: GCC libgomp" "libgomp knows memkind from GCC 14 on; neither the installed one nor the package sources have it (LIBGOMP_DIR names another)"
    elif check "OpenMP: gcc compiles" "${cc[@]}" -Wall -Wextra -Werror -O1 -fopenmp -rdynamic -o "$work/openmp-gnu" "$here/openmp.c" -ldl; then
        openmp "OpenMP: GCC libgomp" "$work/openmp-gnu" "$dir:$libdir" -
    fi
}

# ---- Python ----

python_clients() {
    if ! have python3; then
        skip "Python, ctypes" "python3 is not installed"
        return
    fi
    check "Python, ctypes" env LD_LIBRARY_PATH="$libdir" python3 "$here/client.py" "$libdir"
}

# ---- The distribution's tools and its libmemtier, on our library ----

# A directory with our libmemkind and nothing else: beside it there may be our own libmemtier, which the
# distribution's memtier would then preload.
only=$work/lib
mkdir -p "$only"
ln -s "$(realpath "$libdir/libmemkind.so.0")" "$only/libmemkind.so.0"
ln -s libmemkind.so.0 "$only/libmemkind.so"

# both NAME COMMAND...: same exit status and output on the distribution's library and on ours.
both() {
    local name=$1 which path
    shift
    for which in theirs ours; do
        path=$only
        [ $which = theirs ] && path=$dist
        # In a shell of its own, which keeps its "Aborted" to itself.
        (
            LD_LIBRARY_PATH=$path timeout "$test_limit" env "$@" >"$work/$which.out" 2>"$work/$which.err" </dev/null
            echo "exit status $?" >"$work/$which"
        ) 2>/dev/null
        {
            cat "$work/$which"
            sed 's/^/stdout: /' "$work/$which.out"
            sed 's/^/stderr: /' "$work/$which.err"
        } >"$work/$which.all"
    done
    same "$name" "$work/theirs.all" "$work/ours.all"
}

uses_ours() { LD_LIBRARY_PATH=$only ldd "$1" | grep -F "$only/libmemkind.so.0"; }

distribution_tools() {
    local tool option
    for tool in memkind-hbw-nodes memkind-auto-dax-kmem-nodes; do
        # By path: our own tool of the same name may come first.
        if [ -z "$dist" ] || [ ! -x "/usr/bin/$tool" ]; then
            skip "the distribution's $tool" "libmemkind-progs is not installed"
            continue
        fi
        check "the distribution's $tool uses our library" uses_ours "/usr/bin/$tool"
        both "$tool: same answer" "/usr/bin/$tool"
        both "$tool: same answer with HBW and DAX memory on node 0" \
            MEMKIND_HBW_NODES=0 MEMKIND_DAX_KMEM_NODES=0 "/usr/bin/$tool"
        both "$tool: same answer with nodes that do not exist" \
            MEMKIND_HBW_NODES=-1 MEMKIND_DAX_KMEM_NODES=-1 "/usr/bin/$tool"
        for option in --help --no-such-option; do
            both "$tool: same answer to $option" "/usr/bin/$tool" "$option"
        done
    done
}

# preloaded TIERS COMMAND...: the command with the distribution's libmemtier, on our library, must do
# and print exactly what it does and prints by itself.
preloaded() {
    local tiers=$1
    shift
    timeout "$test_limit" "$@" >"$work/plain.out" 2>"$work/plain.err" </dev/null
    echo "exit status $?" >>"$work/plain.out"
    LD_LIBRARY_PATH=$only MEMKIND_MEM_TIERS=$tiers LD_PRELOAD=$dist/libmemtier.so.0 \
        timeout "$test_limit" "$@" >"$work/tiered.out" 2>"$work/tiered.err" </dev/null
    echo "exit status $?" >>"$work/tiered.out"
    diff -u "$work/plain.out" "$work/tiered.out" && diff -u "$work/plain.err" "$work/tiered.err"
}

preload_uses_ours() {
    LD_LIBRARY_PATH=$only MEMKIND_MEM_TIERS="KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" LD_PRELOAD=$dist/libmemtier.so.0 \
        cat /proc/self/maps >"$work/maps"
    grep -q "libmemtier" "$work/maps" && grep -qF "$(realpath "$libdir")/libmemkind.so" "$work/maps" && return 0
    grep memkind "$work/maps"
    return 1
}

distribution_memtier() {
    local tiers
    if [ -z "$dist" ] || [ ! -e "$dist/libmemtier.so.0" ]; then
        skip "the distribution's libmemtier" "libmemkind0 is not installed"
        return
    fi
    check "the distribution's libmemtier uses our library" preload_uses_ours
    mkdir -p "$work/files"
    for tiers in "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" \
        "KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$work/files,RATIO:4;POLICY:STATIC_RATIO" \
        "KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$work/files,PMEM_SIZE_LIMIT:100M,RATIO:4;POLICY:DYNAMIC_THRESHOLD"; do
        check "ls under libmemtier, ${tiers//$work/.}" preloaded "$tiers" ls -lR "$here"
        check "sort under libmemtier, ${tiers//$work/.}" preloaded "$tiers" sort -r "$here/run.sh"
    done
    (
        export MEMKIND_DAX_KMEM_NODES=0
        check "ls under libmemtier, with KMEM_DAX memory on node 0" \
            preloaded "KIND:DRAM,RATIO:1;KIND:KMEM_DAX,RATIO:2;POLICY:STATIC_RATIO" ls -lR "$here"
    )
    have python3 && check "Python under libmemtier" preloaded "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" \
        python3 -c 'import json; print(len(json.dumps([str(i) * 50 for i in range(20000)])))'
    for tiers in "" "KIND:DRAM,RATIO:0;POLICY:STATIC_RATIO" "KIND:KMEM_DAX,RATIO:1;POLICY:STATIC_RATIO" "KIND:DRAM,RATIO:1;POLICY:ABC"; do
        both "libmemtier: same complaint about '$tiers'" MEMKIND_MEM_TIERS="$tiers" LD_PRELOAD="$dist/libmemtier.so.0" /bin/true
    done
    both "libmemtier: same information logged" MEMKIND_MEM_TIERS="KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" \
        MEMKIND_MEM_TIERING_LOG_LEVEL=1 LD_PRELOAD="$dist/libmemtier.so.0" ls "$here"
    if [ -x /usr/bin/memtier ]; then
        both "memtier: same answer to -h" /usr/bin/memtier -h
        both "memtier: same answer to a ratio of 1:1" /usr/bin/memtier -r 1:1 ls "$here"
        both "memtier: same answer to a ratio without colon" /usr/bin/memtier -r 1 ls "$here"
    else
        skip "the distribution's memtier" "libmemkind-progs is not installed"
    fi
}

build_systems
openmp_clients
python_clients
distribution_tools
distribution_memtier
exit 0
