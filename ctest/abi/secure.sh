#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A set-user-ID program ignores every variable of the library's. Takes root, to make such a program and to run it as
# another user.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
work=$(new_workdir secure) || exit 2
ulimit -c 0
# Outside of directories that other users may not enter.
place=$(mktemp -d) || exit 2
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"

# Each of these changes what the program does, or ends it: but for the last, which depends on what is installed.
variables="MEMKIND_HBW_NODES=0 MEMKIND_BACKGROUND_THREAD_LIMIT=x MEMKIND_CHECKS=x MEMKIND_ARENA_NUM_PER_KIND=x
MEMKIND_DEBUG=1 JEMK_MALLOC_CONF=x:1 MEMKIND_HEAP_MANAGER=TBB"

# libhwloc reads variables of its own, without asking whether it may: it is not loaded there. This one names a directory
# of plugins, of which libhwloc loads all.
plugins=HWLOC_PLUGINS_PATH=$place/plugins
plugin() {
    mkdir "$place/plugins" && "${cc[@]}" -shared -fPIC -xc -o "$place/plugins/hwloc_other.so" - <<'END'
#include <stdio.h>
__attribute__((constructor)) static void loaded(void) { puts("a plugin was loaded"); }
END
}

# run [VARIABLE]: as another user; what is said and how it ends.
run() {
    setpriv --reuid=65534 --regid=65534 --clear-groups env "$@" "$place/secure" 2>&1
    echo "status $?"
}

ignored() {
    local usual other variable
    usual=$(run)
    echo "$usual"
    case $usual in
    secure*) ;;
    *) echo "set-user-ID programs do not work here"; return 77 ;;
    esac
    [[ $usual == *"status 0" ]] || return
    for variable in $variables $plugins; do
        other=$(run "$variable")
        [ "$other" = "$usual" ] || { echo "$variable: $other"; return 1; }
    done
}

# The variables do make a difference where they count.
counts() {
    local usual other variable
    chmod 755 "$place/secure"
    usual=$(run)
    for variable in $variables; do
        [ "$variable" != MEMKIND_HEAP_MANAGER=TBB ] || continue
        other=$(run "$variable")
        [ "$other" != "$usual" ] || { echo "$variable makes no difference"; return 1; }
    done
}

if [ "$(id -u)" != 0 ] || ! have setpriv; then
    skip "set-user-ID programs ignore variables" "takes root and setpriv"
    exit 0
fi
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -I"$include" -o "$work/secure" ctest/abi/secure.c "$libdir/libmemkind.a" \
    -pthread -ldl -lm || exit 1
cp "$work/secure" "$place/secure" && chmod 4755 "$place/secure" && plugin || exit 1
check "set-user-ID programs ignore variables" ignored
check "other programs do not" counts
exit 0
