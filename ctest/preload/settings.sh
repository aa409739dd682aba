#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every setting of the preload libraries, right and wrong: messages and exit status are those of
# memtier-settings.txt and autohbw-settings.txt. The first is also held against the distribution's
# libmemtier where that one does not crash.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/preload
work=$(new_workdir preload-settings) || exit 2
# A file of memory; the kernel may have no DAX device to say something else about.
dir=/dev/shm
[ -w "$dir" ] || dir=/tmp
# A core file for every rejected setting would be too many.
ulimit -c 0
unset MEMKIND_HBW_NODES MEMKIND_DAX_KMEM_NODES MEMKIND_MEM_TIERS MEMKIND_MEM_THRESHOLDS \
    MEMKIND_MEM_TIERING_LOG_LEVEL AUTO_HBW_SIZE AUTO_HBW_LOG AUTO_HBW_MEM_TYPE

# run LIBRARY-PATH PRELOAD VARIABLES...: runs a program; its messages and status go to $work/got.
# It closes standard error at its end, so what destructors say does not appear.
run() {
    local path=$1 preload=$2
    shift 2
    # In a shell of its own, which says elsewhere that the program has aborted.
    (
        env "$@" LD_LIBRARY_PATH="$path" LD_PRELOAD="$preload" /bin/ls -d / >"$work/out" 2>"$work/got"
        echo "status $?" >>"$work/got"
    ) 2>/dev/null
}

memtier_case() { # memtier_case NAME OURS-ONLY VARIABLES...; the expected messages are in $work/messages
    local name=$1 ours_only=$2 status=0
    shift 2
    grep -q ERROR "$work/messages" && status=134
    { cat "$work/messages" && echo "status $status"; } >"$work/expected"
    run "$libdir" libmemtier.so.0 "$@"
    if [ $status -ne 0 ]; then
        if ! grep -qF "MEMKIND_MEM_TIERING_LOG_ERROR: Cannot use \"$wrong\": " "$work/got" ||
            ! grep -q '^MEMKIND_MEM_TIERING_LOG_ERROR: Cannot use ".*": .*\. Example: MEMKIND_MEM_' "$work/got"; then
            fail "$name" "no line says that '$wrong' is wrong and what would be right"
            indent <"$work/got"
            return
        fi
        sed -n 's/.*\. Example: //p' "$work/got" >>"$work/examples"
        sed -i '/^MEMKIND_MEM_TIERING_LOG_ERROR: Cannot use /d' "$work/got"
    fi
    same "$name" "$work/expected" "$work/got" || return
    if [ "$ours_only" = no ] && [ -n "$dist" ]; then
        run "$dist" "$dist/libmemtier.so.0" "$@"
        same "$name, the distribution's libmemtier" "$work/expected" "$work/got"
    fi
}

# What the messages show as right is right.
memtier_examples() {
    local example tiers='KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/tmp,RATIO:4;POLICY:DYNAMIC_THRESHOLD'
    while IFS= read -r example; do
        run "$libdir" libmemtier.so.0 "MEMKIND_MEM_TIERS=$tiers" "${example//\"/}"
        sed -i '/^MEMKIND_MEM_TIERING_LOG_INFO: /d' "$work/got"
        echo "status 0" >"$work/expected"
        same "the example $example" "$work/expected" "$work/got"
    done < <(sort -u "$work/examples")
}

memtier_settings() {
    local line variables=() ours_only=no name="" value wrong=""
    dist=$(distribution_libdir)
    if [ -z "$dist" ] || [ ! -e "$dist/libmemtier.so.0" ]; then
        skip "the distribution's libmemtier" "it is not installed"
        dist=
    fi
    : >"$work/messages"
    while IFS= read -r line || [ -n "$line" ]; do
        value=${line#* }
        [ "$value" != "$line" ] || value=
        value=${value//@DIR@/$dir}
        case $line in
        '#'*) ;;
        ours) ours_only=yes ;;
        WRONG*) wrong=$value ;;
        tiers*) variables+=("MEMKIND_MEM_TIERS=$value") name+="tiers '$value' " ;;
        thresholds*) variables+=("MEMKIND_MEM_THRESHOLDS=$value") name+="thresholds '$value' " ;;
        level*) variables+=("MEMKIND_MEM_TIERING_LOG_LEVEL=$value") name+="level '$value' " ;;
        ERROR* | INFO* | DEBUG*) echo "MEMKIND_MEM_TIERING_LOG_${line%% *}: $value" >>"$work/messages" ;;
        '')
            if [ ${#variables[@]} -gt 0 ] || [ -s "$work/messages" ]; then
                memtier_case "${name:-no settings}" "$ours_only" ${variables[@]+"${variables[@]}"}
            fi
            variables=() ours_only=no name="" wrong=""
            : >"$work/messages"
            ;;
        *) fail "memtier-settings.txt" "cannot read: $line" ;;
        esac
    done < <(cat "$here/memtier-settings.txt" && echo)
}

# Directories that exist, but in which no user can make a file.
memtier_not_writable() {
    local path
    for path in /sys /proc/self; do
        run "$libdir" libmemtier.so.0 MEMKIND_MEM_TIERS="KIND:FS_DAX,PATH:$path,RATIO:1;POLICY:STATIC_RATIO"
        check "memtier PATH:$path" grep -qF "Cannot use \"$path\": no file can be made in this directory; " "$work/got"
    done
}

# Every static kind has a name in both libraries, known in any case to the one and in lower case to the
# other; whether the machine has such memory is another matter.
static_kinds() {
    local kind name
    for kind in $(sed -n 's/^OBJECT \(MEMKIND_[A-Z_]*\) 8$/\1/p' ctest/abi/exports.txt); do
        name=${kind,,}
        for name in "$kind" "$name"; do
            run "$libdir" libautohbw.so.0 AUTO_HBW_LOG=0 MEMKIND_HBW_NODES=0 AUTO_HBW_MEM_TYPE="$name"
            check "autohbw AUTO_HBW_MEM_TYPE=$name" grep -qxF "INFO: Setting HBW memory type to $name" "$work/got"
        done
        run "$libdir" libmemtier.so.0 MEMKIND_HBW_NODES=0 MEMKIND_MEM_TIERS="KIND:$name,RATIO:1;POLICY:STATIC_RATIO"
        check "memtier KIND:$name" sh -c "grep -qx 'status 0' '$work/got' ||
            grep -qF 'Cannot use \"$name\": this machine has no such memory to give' '$work/got'"
    done
}

autohbw_settings() {
    local line variables=() status=0
    : >"$work/expected"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '#'*) ;;
        '> '*) printf '%b\n' "${line#> }" >>"$work/expected" ;;
        'status '*) status=${line#status } ;;
        *=*) variables+=("$line") ;;
        '')
            if [ ${#variables[@]} -gt 0 ]; then
                echo "status $status" >>"$work/expected"
                # The threshold makes any machine one without high-bandwidth memory.
                run "$libdir" libautohbw.so.0 MEMKIND_HBW_THRESHOLD=-1 "${variables[@]}"
                same "autohbw ${variables[*]}" "$work/expected" "$work/got"
            fi
            variables=() status=0
            : >"$work/expected"
            ;;
        *) fail "autohbw-settings.txt" "cannot read: $line" ;;
        esac
    done < <(cat "$here/autohbw-settings.txt" && echo)
}

{
    memtier_settings
    memtier_examples
    memtier_not_writable
    static_kinds
    autohbw_settings
} 2>&1
exit 0
