#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the preload libraries export and need, and small programs that use malloc in every way, with
# each library.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/preload/modes.sh
here=ctest/preload
work=$(new_workdir preload-family) || exit 2
ulimit -c 0

family="aligned_alloc calloc cfree free free_aligned_sized free_sized mallinfo mallinfo2 malloc malloc_info malloc_stats \
malloc_trim malloc_usable_size memalign posix_memalign pvalloc realloc reallocarray valloc"

exports() { # exports LIBRARY NAMES...: exactly these
    local library=$1
    shift
    printf '%s\n' "$@" | sort >"$work/expected"
    nm -D --defined-only "$libdir/$library" | awk '{ print $3 }' | sort >"$work/got"
    same "$library exports the malloc family and no more" "$work/expected" "$work/got"
}

needs() { # a second jemalloc, or a library of kinds of its own, would be a bug
    readelf -dW "$libdir/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | sort >"$work/got"
    printf 'libc.so.6\nlibmemkind.so.0\n' >"$work/expected"
    same "$1 needs libmemkind.so.0 and libc alone" "$work/expected" "$work/got"
    check "$1 is small" test "$(stat -L -c %s "$libdir/$1")" -lt 100000
    check "$1 has its name" sh -c "readelf -dW '$libdir/$1' | grep -q 'SONAME.*\[$1\]'"
    check "$1 is never unloaded" sh -c "readelf -dW '$libdir/$1' | grep -q 'FLAGS_1.*NODELETE'"
    check "$1 has no thread-local storage" sh -c "! readelf -lW '$libdir/$1' | grep -q TLS"
}

# shellcheck disable=SC2086  # a list of words
{
    exports libautohbw.so.0 $family enableAutoHBW disableAutoHBW
    exports libmemtier.so.0 $family je_malloc je_calloc je_realloc je_free je_posix_memalign je_malloc_usable_size
}
needs libautohbw.so.0
needs libmemtier.so.0

# The program may be linked to the library as well, for its API.
cat >"$work/api.c" <<'END'
#include <autohbw_api.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    void *volatile block = memalign(64, 100);
    free(block);
    block = valloc(100);
    free(block);
    block = malloc(5000);
    free(block);
    disableAutoHBW();
    block = malloc(6000);
    free(block);
    enableAutoHBW();
    block = malloc(7000);
    free(block);
    return 0;
}
END
api_works() {
    local got
    "${cc[@]}" -Wall -Werror -I"$include" -o "$work/api" "$work/api.c" -L"$libdir" -l:libautohbw.so.0 -Wl,-rpath-link,"$libdir" || return
    got=$(env LD_LIBRARY_PATH="$libdir" AUTO_HBW_LOG=2 AUTO_HBW_SIZE=4K MEMKIND_HBW_NODES=0 "$work/api" 2>&1) || return
    grep -q "In my memkind malloc sz:5000 ... $(printf '\t')HBW$(printf '\t')ptr:0x" <<<"$got" &&
        grep -q "In my memkind malloc sz:6000 ... $(printf '\t')ptr:0x" <<<"$got" &&
        grep -q "In my memkind malloc sz:7000 ... $(printf '\t')HBW" <<<"$got" &&
        grep -q "In my memkind free, ptr:0x" <<<"$got" && return 0
    echo "$got"
    return 1
}
check "enableAutoHBW and disableAutoHBW" api_works

# says LEVEL: what is said of the program's calls, but for the lines about blocks.
says() {
    env LD_LIBRARY_PATH="$libdir" AUTO_HBW_LOG="$1" AUTO_HBW_SIZE=4K MEMKIND_HBW_NODES=0 "$work/api" 2>&1 |
        grep -e deprecated -e 'by application'
}
deprecated="use of deprecated memalign. Use posix_memalign instead
use of deprecated valloc. Use posix_memalign instead"
switched="INFO: HBW allocations disabled by application (for this rank)
INFO: HBW allocations enabled by application (for this rank)"
check "what is said of calls, AUTO_HBW_LOG=1" test "$(says 1)" = "$deprecated
$switched"
check "what is said of calls, AUTO_HBW_LOG=2" test "$(says 2)" = "$deprecated
$switched"
check "what is said of calls, AUTO_HBW_LOG=-1" test "$(says -1)" = "$deprecated"
check "what is said of calls, AUTO_HBW_LOG=-2" test -z "$(says -2)"

check "compile family.c" "${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -Wno-deprecated-declarations -O1 -g \
    -o "$work/family" $here/family.c -lpthread -ldl || exit 0
check "compile aligned_new.cc" "${cxx[@]}" -std=c++17 -Wall -Wextra -Werror -O1 -o "$work/aligned_new" $here/aligned_new.cc -lpthread
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -o "$work/tls_many" $here/tls_many.c -lpthread -ldl
for i in {0..59}; do
    if [ "$i" = 0 ]; then
        "${cc[@]}" -shared -fPIC -o "$work/tls_module_0.so" $here/tls_module.c
    else
        cp "$work/tls_module_0.so" "$work/tls_module_$i.so"
    fi
done

"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -o "$work/tls_static" $here/tls_static.c -lpthread -ldl
"${cc[@]}" -shared -fPIC -ftls-model=initial-exec -o "$work/tls_static_0.so" $here/tls_module.c
"${cc[@]}" -shared -fPIC -ftls-model=initial-exec -DSIZE=8 -o "$work/tls_tiny_0.so" $here/tls_module.c
for i in {1..59}; do
    cp "$work/tls_static_0.so" "$work/tls_static_$i.so"
    cp "$work/tls_tiny_0.so" "$work/tls_tiny_$i.so"
done
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -o "$work/privileges" $here/privileges.c -lpthread
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -o "$work/fork_keys" $here/fork_keys.c -lpthread
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -fno-builtin -o "$work/order" $here/order.c
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -fno-builtin -rdynamic -o "$work/own_malloc" $here/own_malloc.c -ldl
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -O1 -o "$work/thread_ends" $here/thread_ends.c -lpthread -ldl
"${cc[@]}" -std=gnu11 -Wall -Wextra -Werror -Wno-deprecated-declarations -O1 -o "$work/figures" $here/figures.c -lpthread -ldl

# Opened late, without room for its thread-local storage.
check "libmemkind after static thread-local storage is used up" \
    timeout "$test_limit" "$work/tls_static" "$work" "$libdir/libmemkind.so.0"

# A program with privileges of its own does not read the settings, and is served from ordinary memory: linked with
# the library, or preloaded by /etc/ld.so.preload; LD_PRELOAD has no effect there.
cat >"$work/secure.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    Dl_info from = {0};
    char *volatile small = malloc(10), *volatile large = malloc(4 << 20);
    if (!getauxval(AT_SECURE)) {
        return 4;
    }
    strcpy(small, "small");
    memset(large, 1, 4 << 20);
    free(realloc(small, 100000));
    free(large);
    if (argc < 2 || dladdr(dlsym(RTLD_DEFAULT, "malloc"), &from) == 0 || strstr(from.dli_fname, argv[1]) == NULL) {
        dprintf(2, "malloc is of %s\n", from.dli_fname);
        return 5;
    }
    return 3;
}
END
# passes COMMAND...: such a program says nothing, and ends as it should.
passes() {
    local got status
    got=$("$@" 2>&1)
    status=$?
    [ "$status" -ne 4 ] || { echo "set-uid programs have no privileges here" && return 77; }
    [ "$status" -eq 3 ] && [ -z "$got" ] && return 0
    echo "status $status, output: $got"
    return 1
}
set_uid() { # set_uid PROGRAM
    [ "$(id -u)" = 0 ] || { echo "only root can make programs with other privileges" && return 77; }
    chown 65534 "$1" && chmod 4755 "$1"
}
secure() { # secure LIBRARY VARIABLES...
    local library=$1
    shift
    # The library finds libmemkind by the program's path, as a preloaded one may not.
    "${cc[@]}" -O0 -o "$work/secure" "$work/secure.c" -Wl,--no-as-needed -Wl,--disable-new-dtags -L"$libdir" \
        -l:"$library" -l:libmemkind.so.0 -ldl -Wl,-rpath,"$libdir" && set_uid "$work/secure" || return
    passes env "$@" "$work/secure" "${library%.so.0}"
}
ld_so_preload() { # ld_so_preload LIBRARY: in a mount namespace with a directory /etc of its own
    "${cc[@]}" -O0 -o "$work/secure" "$work/secure.c" -ldl && set_uid "$work/secure" || return
    unshare --mount --propagation private true 2>"$work/unshare" || { cat "$work/unshare" && return 77; }
    rm -rf "$work/etc-copy" && mkdir "$work/etc-copy" && cp -a /etc/ld.so.c* "$work/etc-copy" || return
    printf '%s\n' "$libdir/libmemkind.so.0" "$libdir/$1" >"$work/etc-copy/ld.so.preload"
    # shellcheck disable=SC2016  # for the inner shell
    passes unshare --mount --propagation private sh -c 'mount --bind "$1" /etc && exec "$2" "$3"' sh \
        "$work/etc-copy" "$work/secure" "${1%.so.0}"
}
check "libmemtier in a set-uid program reads no settings" secure libmemtier.so.0 \
    "MEMKIND_MEM_TIERS=KIND:FS_DAX,PATH:/nowhere,RATIO:1;POLICY:STATIC_RATIO" MEMKIND_MEM_TIERING_LOG_LEVEL=2
check "libautohbw in a set-uid program reads no settings" secure libautohbw.so.0 \
    AUTO_HBW_LOG=2 AUTO_HBW_SIZE=1 AUTO_HBW_MEM_TYPE=memkind_regular
for library in libmemtier.so.0 libautohbw.so.0; do
    check "$library in /etc/ld.so.preload: a set-uid program runs" ld_so_preload $library
done

for mode in memtier dynamic dram autohbw; do
    check "$mode: family.c" with $mode timeout "$test_limit" "$work/family"
    check "$mode: a program with a malloc of its own" with $mode timeout "$test_limit" "$work/own_malloc"
    check "$mode: C++ operators" with $mode timeout "$test_limit" "$work/aligned_new"
    check "$mode: many modules with thread-local storage" with $mode timeout "$test_limit" "$work/tls_many" "$work"
    check "$mode: static thread-local storage used up" with $mode timeout "$test_limit" "$work/tls_static" "$work"
    check "$mode: privileges given up" with $mode timeout "$test_limit" "$work/privileges"
    check "$mode: fork in a program with many keys" with $mode timeout "$test_limit" "$work/fork_keys"
    check "$mode: malloc_trim and what is told of memory" with $mode timeout "$test_limit" "$work/figures"
    check "$mode: order of freed blocks" with $mode timeout "$test_limit" "$work/order"
    check "$mode: threads that end leave nothing" with $mode timeout "$test_limit" "$work/thread_ends"
    check "$mode: ls" with $mode ls -lR ctest
    check "$mode: grep" with $mode grep -rE 'SPDX|(a|b)+c' ctest
    check "$mode: sort" with $mode sort ctest/preload/memtier-settings.txt
    if have python3; then
        check "$mode: python3" with $mode python3 -c 'import json, re, subprocess, threading
subprocess.run(["true"], check=True)
t = threading.Thread(target=lambda: [json.dumps(list(range(1000))) for i in range(100)])
t.start(); t.join(); print(re.findall(r"a+", "aab" * 100)[:1])'
    fi
done
exit 0
