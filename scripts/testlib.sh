# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Shared by the test scripts: source it. A result is one line on stdout,
#   PASS name | FAIL name: reason | SKIP name: reason
# which scripts/check.sh counts. Details of a failure follow it, indented.

# Paths are absolute; the environment may choose others.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # used by the scripts that source this file
libdir=${MEMKIND_LIBDIR:-$root/build/lib}
# shellcheck disable=SC2034
include=${MEMKIND_INCLUDE:-$root/build/include}
# Seconds that one test may take: many times what it needs, since the machine may be busy with other work.
# shellcheck disable=SC2034
export test_limit=${TEST_TIMEOUT:-300}
# The compilers, each with the flags that CC and CXX may bring along.
read -ra cc <<<"${CC:-gcc}"
# shellcheck disable=SC2034
read -ra cxx <<<"${CXX:-g++}"

pass() { echo "PASS $1"; }
fail() { echo "FAIL $1: $2"; }
skip() { echo "SKIP $1: $2"; }

indent() { sed 's/^/    /'; }

# have COMMAND...: are all of them installed?
have() {
    local command
    for command; do
        command -v "$command" >/dev/null 2>&1 || return 1
    done
}

# CHECK_ONLY may be a shell pattern: then check runs nothing else.

# check NAME COMMAND...: passes when the command exits 0; exit status 77 is a
# skip whose reason is the last line of output; everything else a failure that
# shows the output.
check() {
    local name=$1 output status
    shift
    # shellcheck disable=SC2053  # a pattern
    [[ $name == ${CHECK_ONLY:-*} ]] || return 0
    output=$("$@" 2>&1 </dev/null)
    status=$?
    case $status in
    0) pass "$name" ;;
    77) skip "$name" "${output##*$'\n'}" ;;
    *)
        fail "$name" "exit status $status"
        printf '%s\n' "$output" | tail -n 40 | indent
        return 1
        ;;
    esac
}

# same NAME EXPECTED-FILE GOT-FILE: passes when the files are equal.
same() {
    local difference
    if difference=$(diff -u "$2" "$3" 2>&1); then
        pass "$1"
    else
        fail "$1" "differs (- expected, + got)"
        printf '%s\n' "$difference" | tail -n +3 | head -n 60 | indent
        return 1
    fi
}

# The directory of the distribution's libmemkind.so.0, or nothing.
distribution_libdir() {
    local dir
    if [ -n "${MEMKIND_DIST_LIBDIR:-}" ]; then
        echo "$MEMKIND_DIST_LIBDIR"
        return
    fi
    for dir in "/usr/lib/$("${cc[@]}" -print-multiarch 2>/dev/null)" /usr/lib64 /usr/lib; do
        if [ -e "$dir/libmemkind.so.0" ]; then
            echo "$dir"
            return
        fi
    done
}

# new_workdir NAME: makes an empty directory build/NAME and prints its path.
new_workdir() {
    rm -rf "${root:?}/build/$1" && mkdir -p "$root/build/$1" && echo "$root/build/$1"
}
