#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The libraries beside another preloaded one that stands before a function of the C library and
# allocates whenever it is called; with the loader's auditing; and with interposers that are
# installed.
#
# usage: ctest/preload/start.sh [pattern]
#   pattern  only functions whose name contains it
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/preload/modes.sh
only=${1:-}
work=$(new_workdir preload-start) || exit 2
ulimit -c 0
unset LD_PRELOAD MEMKIND_MEM_TIERS MEMKIND_MEM_THRESHOLDS AUTO_HBW_SIZE AUTO_HBW_LOG MEMKIND_HBW_NODES

# What the libraries, jemalloc and Rust's library would call by its C name. Functions on memory and
# strings (memcpy, strlen) and __errno_location are not among them: none of these allocates.
names="open open64 openat openat64 read pread pread64 write writev pwrite pwrite64 close lseek lseek64
stat stat64 fstat fstat64 lstat lstat64 statx fstatfs statfs fstatvfs statvfs access readlink readlinkat
opendir readdir readdir64 closedir getdents64 fopen fopen64 fclose fgets getline ioctl fcntl fcntl64 dup3
pipe2 mkostemp unlink ftruncate ftruncate64 fallocate posix_fallocate getcwd realpath
mmap mmap64 munmap mprotect madvise posix_madvise mremap mincore process_vm_readv brk sbrk mbind
get_mempolicy set_mempolicy syscall prctl sysconf getpagesize getauxval get_nprocs get_nprocs_conf
getenv secure_getenv __secure_getenv clock_gettime gettimeofday time nanosleep
sched_getaffinity sched_setaffinity sched_getcpu sched_yield getcpu getpid gettid getuid geteuid
sigfillset pthread_sigmask sigprocmask pthread_self pthread_atfork __register_atfork __cxa_atexit
__cxa_thread_atexit_impl pthread_once pthread_key_create pthread_setspecific pthread_getspecific
pthread_mutex_init pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock
pthread_mutexattr_init pthread_mutexattr_settype pthread_mutexattr_destroy
pthread_cond_init pthread_cond_signal pthread_cond_wait pthread_setcancelstate pthread_create
pthread_setname_np strerror strerror_r __xpg_strerror_r strerrordesc_np dl_iterate_phdr dlopen dlclose dladdr"

# variables MODE: the variables of a mode, and messages wherever there can be some.
variables() {
    mode_variables "$1" | grep -v ^LD_PRELOAD
    echo MEMKIND_DEBUG=1
}

# run PRELOAD MODE COMMAND...: with this in LD_PRELOAD, but not for what ends a hang.
run() {
    local preload=$1 mode=$2 all
    shift 2
    mapfile -t all < <(variables "$mode")
    timeout -s KILL "$test_limit" env "${all[@]}" LD_PRELOAD="$preload" "$@" >"$work/stdout" 2>"$work/stderr"
}

# What must be the same: what the program prints.
ls / >"$work/expected"

listing() { # listing WHAT PRELOAD MODE
    if ! run "$2" "$3" ls / || ! cmp -s "$work/stdout" "$work/expected"; then
        echo "$1: ls does not do what it does without"
        tail -n 5 "$work/stderr"
        return 1
    fi
}

linked() { # linked WHAT PRELOAD
    local program
    for program in hooked hooked-static; do
        if ! run "$2" none "$work/$program" "$tier_dir"; then
            echo "$1: a program that is linked with the library fails: $program"
            tail -n 5 "$work/stderr"
            return 1
        fi
    done
}

each() { # each WHAT HOOK: before the library and after it
    local library mode failed=0
    for mode in autohbw dram memtier; do
        library=$(mode_variables $mode | sed -n 's/^LD_PRELOAD=//p')
        listing "$1 before $mode" "$2 $library" $mode || failed=1
        listing "$1 after $mode" "$library $2" $mode || failed=1
    done
    linked "$1" "$2" || failed=1
    return $failed
}

"${cc[@]}" -O1 -Wall -I "$include" ctest/preload/hooked.c -o "$work/hooked" -L "$libdir" -lmemkind -pthread ||
    exit 1
"${cc[@]}" -O1 -Wall -I "$include" ctest/preload/hooked.c -o "$work/hooked-static" "$libdir/libmemkind.a" \
    -pthread -ldl -lm || exit 1

one() {
    "${cc[@]}" -O1 -fno-builtin -w -shared -fPIC -DNAME="$1" ctest/preload/hook.c -o "$work/$1.so" -ldl || return
    each "$1" "$work/$1.so"
}

hooks() {
    local name failed=0
    for name in $names; do
        case $name in *"$only"*) one "$name" || failed=1 ;; esac
    done
    return $failed
}

audit() {
    local library mode
    echo 'unsigned int la_version(unsigned int version) { return version; }' >"$work/audit.c"
    "${cc[@]}" -shared -fPIC "$work/audit.c" -o "$work/audit.so" || return
    for mode in autohbw dram memtier; do
        library=$(mode_variables $mode | sed -n 's/^LD_PRELOAD=//p')
        mapfile -t all < <(mode_variables $mode)
        timeout -s KILL "$test_limit" env "${all[@]}" LD_AUDIT="$work/audit.so" ls / >"$work/stdout" &&
            cmp "$work/stdout" "$work/expected" || return
        # Threads too need their variables.
        timeout -s KILL "$test_limit" env "${all[@]}" LD_AUDIT="$work/audit.so" "$work/hooked" "$tier_dir" || return
    done
}

installed() { # installed LIBRARY...: the first of these files that is there
    local file found=
    for file; do
        [ -e "$file" ] && found=$file && break
    done
    [ -n "$found" ] || { echo "not installed" && return 77; }
    each "${found##*/}" "$found"
}

check "preload hooks ${only:-of every name}" hooks
[ -z "$only" ] || exit 0
check "preload under LD_AUDIT" audit
lib=/usr/lib/$("${cc[@]}" -print-multiarch 2>/dev/null)
FAKED_MODE=unknown-is-root
export FAKED_MODE
check "preload with libeatmydata" installed "$lib"/libeatmydata.so*
check "preload with libfakeroot" installed "$lib"/libfakeroot/libfakeroot-sysv.so
# Allocators, which have no reallocarray; libmimalloc has one.
check "preload with libjemalloc" installed "$lib"/libjemalloc.so.2
check "preload with libtcmalloc" installed "$lib"/libtcmalloc_minimal.so.4
check "preload with libmimalloc" installed "$lib"/libmimalloc.so.2
check "preload with libfaketime" installed "$lib"/faketime/libfaketime.so.1

# The fewest addresses (ulimit -v, KiB) with which ls does what it does under a library.
fewest() { # fewest LIBRARY
    local low=4000 high=400000 middle
    while [ $((high - low)) -gt 64 ]; do
        middle=$(((low + high) / 2))
        if (
            ulimit -v $middle
            export MEMKIND_MEM_TIERS="KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO" LD_LIBRARY_PATH=${1%/*} LD_PRELOAD=$1
            exec ls / >"$work/stdout" 2>"$work/stderr"
        ) 2>/dev/null && cmp -s "$work/stdout" "$work/expected" && [ ! -s "$work/stderr" ]; then
            high=$middle
        else
            low=$middle
        fi
    done
    echo $high
}

addresses() {
    local theirs ours
    dist=$(distribution_libdir)
    [ -e "$dist/libmemtier.so.0" ] || { echo "the distribution's libmemtier is not installed" && return 77; }
    theirs=$(fewest "$dist/libmemtier.so.0")
    ours=$(fewest "$libdir/libmemtier.so.0")
    echo "ours needs $ours KiB, the distribution's $theirs"
    [ "$ours" -le "$theirs" ]
}
check "preload with few addresses" addresses
