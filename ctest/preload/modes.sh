# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# shellcheck disable=SC2154  # libdir comes from testlib.sh
# The ways in which the tests preload a library: source it after scripts/testlib.sh.

# A file in memory, so that the file tier is fast.
tier_dir=/dev/shm
[ -w "$tier_dir" ] || tier_dir=/tmp

# The variables of a mode, one per line.
mode_variables() {
    case $1 in
    memtier)
        echo "LD_PRELOAD=$libdir/libmemtier.so.0"
        echo "MEMKIND_MEM_TIERS=KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$tier_dir,RATIO:1;POLICY:STATIC_RATIO"
        ;;
    dynamic)
        echo "LD_PRELOAD=$libdir/libmemtier.so.0"
        echo "MEMKIND_MEM_TIERS=KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:$tier_dir,RATIO:1;POLICY:DYNAMIC_THRESHOLD"
        ;;
    dram)
        echo "LD_PRELOAD=$libdir/libmemtier.so.0"
        echo "MEMKIND_MEM_TIERS=KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"
        ;;
    autohbw)
        echo "LD_PRELOAD=$libdir/libautohbw.so.0"
        echo "AUTO_HBW_SIZE=1"
        echo "AUTO_HBW_LOG=-2"
        echo "MEMKIND_HBW_NODES=0"
        ;;
    esac
    # The libraries find libmemkind.so.0 beside them.
    echo "LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

# with MODE COMMAND...: runs a command with a library preloaded.
with() {
    local variables
    mapfile -t variables < <(mode_variables "$1")
    shift
    env "${variables[@]}" "$@"
}
