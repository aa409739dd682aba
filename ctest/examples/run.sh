#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Real input: the example programs of the distribution's package libmemkind-dev, compiled with the
# distribution's headers and library, must behave on our library as they do on the distribution's: same
# exit status, same stdout, same stderr. They must also compile with our headers. table.txt says how each is run and what is made equal first.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir examples) || exit 2
here=ctest/examples
dist=$(distribution_libdir)
source_dir=${MEMKIND_EXAMPLES:-/usr/share/doc/libmemkind-dev/examples}

if [ -z "$dist" ] || [ ! -e /usr/include/memkind.h ] || [ ! -d "$source_dir" ]; then
    skip "the distribution's examples" "libmemkind-dev is not installed, or without its documentation"
    exit 0
fi

# source NAME: prints the path of an example, unpacked if the package compresses it.
source_of() {
    if [ -e "$source_dir/$1" ]; then
        echo "$source_dir/$1"
    elif [ -e "$source_dir/$1.gz" ]; then
        gzip -dc "$source_dir/$1.gz" >"$work/$1" && echo "$work/$1"
    else
        return 1
    fi
}

compile() { # compile NAME SOURCE
    local libs=(-L"$dist" '-Wl,--no-as-needed' -lmemkind -lpthread)
    case $1 in
    # Hooks for any program: put into one that uses two kinds. The distribution's library does not
    # mention hooks, so the linker exports them only when told to.
    memkind_decorator_debug.c)
        "${cc[@]}" -w -O1 -rdynamic -o "$work/$1.bin" "$2" "$(source_of pmem_and_default_kind.c)" "${libs[@]}"
        ;;
    *.c) "${cc[@]}" -w -O1 -o "$work/$1.bin" "$2" "${libs[@]}" ;;
    *.cpp) "${cxx[@]}" -w -O1 -I"$here" -o "$work/$1.bin" "$2" "${libs[@]}" ;;
    esac
}

# Programs are compiled again, too: with our headers instead of the distribution's.
compile_with_ours() { # compile_with_ours NAME SOURCE
    case $1 in
    *.c) "${cc[@]}" -w -I"$include" -fsyntax-only "$2" ;;
    *.cpp) "${cxx[@]}" -w -I"$include" -I"$here" -fsyntax-only "$2" ;;
    esac
}

# execute NAME LIBDIR OUTPUT ARGUMENTS...: OUTPUT.{status,out,err}
execute() {
    local program=$work/$1.bin path=$2 output=$3
    shift 3
    mkdir -p "$work/dir"
    LD_LIBRARY_PATH=$path timeout "$test_limit" "$program" "$@" >"$output.out" 2>"$output.err" </dev/null
    echo "exit status $?" >"$output.status"
    if ! rmdir "$work/dir"; then
        echo "left files behind" >>"$output.status"
        rm -rf "$work/dir"
    fi
}

normalise() { # normalise FILE KIND...
    local file=$1 kind
    shift
    for kind; do
        case $kind in
        none) ;;
        addresses) sed -i 's/0x[0-9a-f]*/ADDRESS/g' "$file" ;;
        numbers) sed -i 's/[0-9][0-9]*/N/g' "$file" ;;
        frame) case $file in *.err) sed -n -i '/^___ Begin.*___$/p;/^--- End.*---$/p' "$file" ;; esac ;;
        errno) sed -i 's|^\(hbw_posix_memalign(): \).*|\1|' "$file" ;;
        hooks) sed -i '/^\[ DEBUG \] func=/d' "$file" ;;
        *)
            echo "table.txt: unknown normalisation '$kind'"
            return 1
            ;;
        esac
    done
}

compare() { # compare NAME ARGUMENTS NORMALISATION ENVIRONMENT...
    local name=$1 arguments=$2 normalisation=$3 stream
    shift 3
    local ours=$work/$name.ours theirs=$work/$name.theirs
    (
        # shellcheck disable=SC2163  # NAME=value words
        [ $# -eq 0 ] || export "$@"
        # shellcheck disable=SC2086  # lists of words
        {
            execute "$name" "$dist" "$theirs" $arguments
            [ -z "$ours_only" ] || export "${ours_only?}"
            execute "$name" "$libdir" "$ours" $arguments
        }
    )
    # The comparison is worth something only if it is our library that was used.
    if ! LD_LIBRARY_PATH=$libdir ldd "$work/$name.bin" | grep -qF "$libdir/libmemkind.so.0"; then
        echo "the program does not use $libdir/libmemkind.so.0"
        return 1
    fi
    if [ "$normalisation" = hooks ] && [ "$expect_hooks" = yes ] && ! grep -q '^\[ DEBUG \] func=memkind_malloc ' "$ours.err"; then
        echo "our library did not call the program's hooks"
        return 1
    fi
    for stream in status out err; do
        # shellcheck disable=SC2086
        normalise "$theirs.$stream" $normalisation && normalise "$ours.$stream" $normalisation || return 1
        diff -u --label "the distribution's $stream" --label "our $stream" "$theirs.$stream" "$ours.$stream" || return 1
    done
}

# A setting for our library alone.
ours_only=
expect_hooks=yes
[ "$libdir/libmemkind.so.0" -ef "$dist/libmemkind.so.0" ] && expect_hooks=no

tbb=yes
if ! ldconfig -p | grep -q libtbbmalloc.so.2; then
    tbb=no
    skip "the examples on TBB" "libtbbmalloc2 is not installed"
fi

while IFS='|' read -r name arguments normalisation _; do
    name=${name//[[:space:]]/}
    case $name in '' | '#'*) continue ;; esac
    echo "$name" >>"$work/listed"
    if ! path=$(source_of "$name"); then
        skip "$name" "not in this version of libmemkind-dev"
        continue
    fi
    check "$name compiles" compile "$name" "$path" >"$work/$name.compile" || {
        cat "$work/$name.compile"
        continue
    }
    check "$name compiles with our headers" compile_with_ours "$name" "$path"
    arguments=${arguments/DIR/$work/dir}
    read -r normalisation <<<"$normalisation"
    check "$name" compare "$name" "$arguments" "$normalisation"
    # Once more with high-bandwidth and DAX memory on node 0, so that those kinds have memory.
    check "$name, HBW and DAX_KMEM on node 0" compare "$name" "$arguments" "$normalisation" \
        MEMKIND_HBW_NODES=0 MEMKIND_DAX_KMEM_NODES=0
    # On pools of TBB programs behave as without: the distribution's own, which are not on them here, crash
    # there, since the first block of each kind is not of its pool. Only statistics are missing.
    case $name in memkind_get_stat.c) continue ;; esac
    if [ "$tbb" = yes ]; then
        ours_only=MEMKIND_HEAP_MANAGER=TBB
        check "$name, TBB" compare "$name" "$arguments" "$normalisation" \
            MEMKIND_HBW_NODES=0 MEMKIND_DAX_KMEM_NODES=0
        ours_only=
    fi
done <$here/table.txt

# A new example in the package must not go untested.
unlisted=$(find "$source_dir" -name '*.c' -o -name '*.cpp' -o -name '*.c.gz' -o -name '*.cpp.gz' |
    sed 's|.*/||; s|\.gz$||' | grep -vxFf "$work/listed")
check "every example is in table.txt${unlisted:+; missing: $unlisted}" test -z "$unlisted"
exit 0
