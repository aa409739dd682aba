#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Boots a virtual machine for each memory topology and checks, there, from which nodes
# every kind takes its memory, against what the manual lets one expect.
#
# usage: ctest/numa/run.sh [--against ours|distribution] [--keep] [--jobs N] [topology...]
#
# Default: every topology that has a file in ctest/numa/expect. `--keep` shows the
# tables that the machines print as well. They stay in build/numa/log/TOPOLOGY.log.
# `--against distribution` runs the same programs on the distribution's library, to
# see where the two differ. Where there can be no machine, the tests are skipped.
# A machine keeps one processor busy; `--jobs` is the number that run at a time (default: one for
# two processors).
#
# MEMKIND_LIBDIR      directory with our libmemkind.so.0   (default: build/lib)
# MEMKIND_DIST_LIBDIR directory with the distribution's
# TEST_TIMEOUT        seconds for one machine              (default: 900)
# NUMA_VM_ARCH        what the machines are: x86_64 or aarch64, with CC, MEMKIND_LIBDIR and TARGET of that
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 when nothing
# failed, 1 when something did, 2 for wrong usage.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=$root/ctest/numa
against=ours keep=no
jobs=$(($(nproc 2>/dev/null || echo 2) / 2))
while [ $# -gt 0 ]; do
    case $1 in
    --against)
        against=${2:-}
        shift 2 || set --
        ;;
    --keep)
        keep=yes
        shift
        ;;
    --jobs)
        jobs=${2:-}
        shift 2 || set --
        ;;
    -*)
        against=
        shift
        ;;
    *) break ;;
    esac
done
case $jobs in
'' | *[!0-9]*) against= ;;
0) jobs=1 ;;
esac
case $against in
ours) library=$libdir ;;
distribution) library=$(distribution_libdir) ;;
*)
    sed -n '/^# usage:/s/^# //p' "$0" >&2
    exit 2
    ;;
esac
if [ $# -eq 0 ]; then
    for file in "$here"/expect/*.txt; do
        file=${file##*/}
        set -- "$@" "${file%.txt}"
    done
fi
for topology; do
    [ -e "$here/expect/$topology.txt" ] || {
        echo "$0: no expectations for topology '$topology'" >&2
        exit 2
    }
done

log=$root/build/numa/log
[ "$against" = ours ] || log=$log-$against
[ "${NUMA_VM_ARCH:-x86_64}" = x86_64 ] || log=$log-$NUMA_VM_ARCH
payload=$root/build/numa/payload-$against${NUMA_VM_ARCH:+-$NUMA_VM_ARCH}
results=$log/results
mkdir -p "$log" "$payload/lib" || exit 2
: >"$results"
say() { tee -a "$results"; }

# What goes into the machines. What a source is linked with besides stands in a line of it: "// compile: FLAGS".
build() {
    local source program compat=$root/include/memkind/compat extra
    "$root/ctest/ext/spdk_example.sh" "$root/ctest/ext/spdk_example.md" >"$payload/spdk_example.h" || return 1
    for source in "$here"/*.c "$root/examples/stream.c"; do
        program=$payload/$(basename "$source" .c)
        # The distribution's library has no memory for devices.
        case $against/${program##*/} in distribution/dma | distribution/rdma) continue ;; esac
        [ "${program##*/}" != rdma ] || [ -z "$no_rdma" ] || continue
        [ -n "$(find "$program" -newer "$source" -newer "$here/machine.h" -newer "$here/sandbox.h" 2>/dev/null)" ] && continue
        read -ra extra < <(sed -n 's,^// compile: ,,p' "$source")
        "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -g -fopenmp -I"$here" -I"$root/include" -I"$compat" -I"$payload" \
            -o "$program" "$source" "$library/libmemkind.so.0" -lpthread "${extra[@]}" || return 1
    done
    cp -L "$library/libmemkind.so.0" "$payload/lib/" || return 1
    for program in memkind-hbw-nodes memkind-auto-dax-kmem-nodes memkind-info; do
        if [ "$against" = distribution ]; then
            [ ! -e "/usr/bin/$program" ] || cp "/usr/bin/$program" "$payload/" || return 1
        else
            cp "${CARGO_TARGET_DIR:-target}/${TARGET:+$TARGET/}release/$program" "$payload/" || return 1
        fi
    done
    cp "$here/guest.sh" "$payload/"
}

if [ -z "$library" ] || [ ! -e "$library/libmemkind.so.0" ]; then
    echo "$0: no libmemkind.so.0 ($against): build it first" >&2
    exit 2
fi
# What a program for RDMA is built with, and what libibverbs loads at run time; why there is none of it.
no_rdma='' rdma_driver=()
find_rdma() {
    local file
    for file in /etc/libibverbs.d/rxe.driver /usr/lib/*/libibverbs/librxe-*.so; do
        [ ! -e "$file" ] || rdma_driver+=(-p "$file")
    done
    # For another machine there may be headers and no library.
    if [ ${#rdma_driver[@]} -lt 4 ] ||
        ! printf '#include <infiniband/verbs.h>\nint main(void) { return 0; }\n' |
        "${cc[@]}" -xc -o /dev/null - -libverbs 2>/dev/null; then
        no_rdma="no libibverbs with a driver for rxe here (Debian's libibverbs-dev and ibverbs-providers)"
    fi
}

# judge TOPOLOGY: boots it and prints what was found
judge() {
    local topology=$1 start=$SECONDS status
    local expected=$here/expect/$topology.txt found=$log/$topology.log more=()
    if [ "$topology" = rdma ]; then
        if [ -n "$no_rdma" ]; then
            skip "$topology" "$no_rdma"
            return
        fi
        more=("${rdma_driver[@]}")
    fi
    # Every machine has a plan of its own.
    if ! mkdir -p "$payload-$topology" || ! python3 "$here/compare.py" plan "$expected" >"$payload-$topology/plan"; then
        fail "$topology" "there is no plan"
        return
    fi
    "$here/numa-vm" -t "$topology" -s "${TEST_TIMEOUT:-900}" -H 8 -d "$payload:/numa" -d "$payload-$topology:/numa-plan" "${more[@]}" -- \
        /numa/guest.sh /numa-plan/plan >"$found" 2>"$log/$topology.err"
    status=$?
    rm -rf "$payload-$topology"
    [ $keep = no ] || cat "$found"
    case $status in
    0) python3 "$here/compare.py" check "$topology" "$expected" "$found" ;;
    77) skip "$topology" "$(tail -n 1 "$log/$topology.err")" ;;
    *)
        # What was found before the end counts, too.
        python3 "$here/compare.py" check "$topology" "$expected" "$found"
        fail "$topology" "the machine ended with status $status: $(tail -n 1 "$log/$topology.err")"
        ;;
    esac
    echo "== $topology: $((SECONDS - start)) s"
}

find_rdma
check "numa programs" build | say
if [ "${PIPESTATUS[0]}" -eq 0 ]; then
    # What is fetched is fetched once, before machines run side by side.
    reason=$("$here/numa-vm" -B 2>&1)
    status=$?
    for topology; do
        if [ $status -eq 77 ]; then
            skip "$topology" "${reason##*$'\n'}" | say
            continue
        fi
        while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do wait -n; done
        # In one piece, when several end at the same time.
        { judge "$topology" >"$log/$topology.results" 2>&1; say <"$log/$topology.results"; } &
    done
    wait
fi
count() { grep -c "^$1 " "$results"; }
failed=$(count FAIL)
echo "$(count PASS) passed, $failed failed, $(count SKIP) skipped"
[ "$failed" -eq 0 ]
