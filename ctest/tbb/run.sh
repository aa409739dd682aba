#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# MEMKIND_HEAP_MANAGER=TBB: property tests of ctest/api that say nothing of how a heap cuts its blocks, and
# programs under the preload libraries, all with static kinds on pools of TBB.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
here=ctest/tbb
work=$(new_workdir tbb) || exit 2
export MEMKIND_HEAP_MANAGER=TBB

if ! ldconfig -p | grep -q libtbbmalloc.so.2; then
    skip "MEMKIND_HEAP_MANAGER=TBB" "libtbbmalloc2 is not installed"
    exit 0
fi

grep -v '^#' $here/api.txt | while read -r name; do
    ctest/run-api.sh --against ours "$name" | grep -E '^(PASS|FAIL|SKIP) '
done

# Threads that come and go, children of a process with threads, programs that end with malloc at work.
cat >"$work/program.py" <<'END'
import json, os, subprocess, threading

def work():
    for i in range(3000):
        json.loads(json.dumps({"list": list(range(i % 100)), "text": "x" * (i % 5000)}))

def round():
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for i in range(5):
        child = os.fork()
        if child == 0:
            text = [str(i) * 100 for i in range(2000)]
            os._exit(0 if len(text) == 2000 else 1)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()

for _ in range(2):
    round()
assert subprocess.run(["true"]).returncode == 0
print("done")
END

with() { # with LIBRARY COMMAND...
    local library=$1
    shift
    env LD_LIBRARY_PATH="$libdir" LD_PRELOAD="$libdir/$library" MEMKIND_HBW_NODES=0 AUTO_HBW_SIZE=1 \
        AUTO_HBW_LOG=-2 MEMKIND_MEM_TIERS="KIND:memkind_regular,RATIO:1;POLICY:STATIC_RATIO" timeout "$test_limit" "$@"
}

# prints TEXT COMMAND...
prints() {
    local text=$1
    shift
    [ "$("$@" 2>&1)" = "$text" ]
}

"${cc[@]}" -O1 -I"$include" -o "$work/of_pool" $here/of_pool.c -L"$libdir" -l:libmemkind.so.0 || {
    fail "of_pool.c" "does not compile"
    exit 1
}
for library in libautohbw.so.0 libmemtier.so.0; do
    check "$library: malloc has blocks of a pool" with "$library" "$work/of_pool"
    check "$library: sh" prints "1 2 3" with "$library" bash -c 'echo $(for i in 1 2 3; do echo $i; done | sort)'
    if have python3; then
        check "$library: python3 with threads and children" prints "done" with "$library" python3 "$work/program.py"
    fi
done
exit 0
