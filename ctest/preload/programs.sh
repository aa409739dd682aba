#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Real programs with each library preloaded: what they print and leave behind is what they do without.
#
# usage: ctest/preload/programs.sh [--short] [pattern]
#   --short  only programs that nearly every machine has, in some seconds
#   pattern  only programs whose name contains it
#
# The modes are in modes.sh. A program that is not installed is skipped; scripts/setup.sh programs
# installs them.
set -u
cd "$(dirname "$0")/../.." || exit 2
. scripts/testlib.sh
. ctest/preload/modes.sh
short=
[ "${1:-}" != --short ] || { short=" ls grep sort shell gcc python3 perl git sqlite3 awk_sed_tar " && shift; }
only=${1:-}
work=$(new_workdir preload-programs) || exit 2
ulimit -c 0
modes="memtier autohbw"
# Programs must not find settings of ours in the environment.
unset LD_PRELOAD MEMKIND_MEM_TIERS MEMKIND_MEM_THRESHOLDS AUTO_HBW_SIZE AUTO_HBW_LOG MEMKIND_HBW_NODES

# Each program is a function that runs in an empty directory of its own, prints what must be the same in
# every mode, and returns 77 when something is missing. Its mode is in $mode; `with` is how it runs what
# it tests: with_library COMMAND...
with_library() {
    if [ "$mode" = plain ]; then
        "$@"
    else
        with "$mode" "$@"
    fi
}

needs() {
    have "$@" && return 0
    echo "not installed: $*" >&2
    return 77
}

# One large text, the same for all.
text=$work/text
seq 1 400000 | awk '{ print ($1 * 7919) % 1000003, "line", $1, "of a large file", $1 % 97 }' >"$text"

program_ls() { with_library ls -lR --color=always "$root/ctest" "$root/src"; }

program_grep() {
    with_library grep -rnE '(a|b)*c|SPDX' "$root/src" "$root/ctest" || return
    with_library grep -c 'line 1[0-9]* of' "$text"
    # An empty pattern is a malloc(0).
    with_library grep -c '' "$text"
}

program_sort() {
    with_library sort --parallel=2 -S 20M -T . "$text" | md5sum
    with_library sort -n -k3 -u "$text" | tail -n 3
}

program_shell() {
    # Forks all the time, and each child writes into memory of its parent.
    # shellcheck disable=SC2016
    with_library bash -c 'declare -A seen
        for i in {1..60}; do seen[$i]=$(echo $((i * i)) | tr 0-9 a-j); (seen[$i]=lost; unset seen) ; done
        echo "${!seen[@]}" | wc -w; echo "${seen[@]}" | tr " " "\n" | sort | md5sum
        a=$(printf "%0100000d" 7); b=$(echo "$a" | cat); [ "$a" = "$b" ] && echo same'
}

program_gcc() {
    needs g++ || return
    cat >many.cc <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
int main() {
    std::map<std::string, int> m;
    for (int i = 0; i < 1000; i++) m["k" + std::to_string(i % 77)] += i;
    std::cout << m.size() << std::regex_replace(std::string("abcabc"), std::regex("b"), "x") << "\n";
}
END
    with_library g++ -O1 -o many many.cc && with_library ./many && with_library g++ -O1 -S -o - many.cc | md5sum
}

program_python3() {
    needs python3 || return
    with_library python3 - <<'END'
import collections, hashlib, json, multiprocessing, os, re, subprocess, threading

def work(n):
    data = {str(i): [i, i * n, "x" * (i % 50)] for i in range(3000)}
    text = json.dumps(data, sort_keys=True)
    return hashlib.md5(text.encode()).hexdigest(), len(re.findall("xx", text))

if __name__ == "__main__":
    print(work(1))
    results = collections.OrderedDict()
    threads = [threading.Thread(target=lambda i=i: results.__setitem__(i, work(i))) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(sorted(results.items())[:2])
    multiprocessing.set_start_method("fork")
    with multiprocessing.Pool(3) as pool:
        print(pool.map(work, range(12))[:3])
    shared = [bytearray(b"parent") for i in range(1000)]
    pid = os.fork()
    if pid == 0:
        for b in shared:
            b[:] = b"child!"
        os._exit(0 if all(b == b"child!" for b in shared) else 1)
    print(os.waitpid(pid, 0)[1], all(b == b"parent" for b in shared))
    print(subprocess.run(["echo", "sub"], capture_output=True).stdout)
END
}

program_numpy() {
    python=
    for candidate in python3 /usr/bin/python3; do
        "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
    done
    [ -n "$python" ] || { echo "python3 has no numpy" >&2 && return 77; }
    with_library "$python" -c '
import numpy
a = numpy.arange(4000000, dtype=float).reshape(2000, 2000)
b = (a @ a.T).sum()
c = numpy.sort(numpy.sin(a.ravel()))[:: 100000]
print(b, c, numpy.linalg.norm(a[:300, :300]), numpy.zeros((1000, 1000)).sum())'
}

program_perl() {
    needs perl || return
    # shellcheck disable=SC2016
    with_library perl -e 'my %h; for my $i (1..200000) { $h{$i % 5000} .= chr(65 + $i % 26) }
        print join(",", map { length $h{$_} } sort { $a <=> $b } keys %h) =~ tr/0-9//, "\n";
        my $pid = fork; if (!$pid) { $h{$_} = "child" for keys %h; exit(scalar(keys %h) == 5000 ? 0 : 1) }
        waitpid $pid, 0; print "$? ", length $h{7}, "\n"; print `echo from a pipe`;'
}

program_git() {
    needs git || return
    local config=(-c user.name=tester -c user.email=tester@localhost -c init.defaultBranch=main -c gc.auto=0)
    export GIT_AUTHOR_DATE="2024-01-01T00:00:00Z" GIT_COMMITTER_DATE="2024-01-01T00:00:00Z"
    with_library git "${config[@]}" init -q repository && cp -r "$root/ctest" "$root/src" repository/ &&
        with_library git "${config[@]}" -C repository add -A &&
        with_library git "${config[@]}" -C repository commit -q -m "all of it" &&
        with_library git "${config[@]}" -C repository gc -q &&
        with_library git clone -q repository copy && with_library git -C copy fsck --full 2>/dev/null &&
        with_library git -C copy log --stat | md5sum && with_library git -C copy ls-files | wc -l &&
        with_library git -C copy rev-parse HEAD
}

program_sqlite3() {
    needs sqlite3 || return
    local rows=1000000
    [ -z "$short" ] || rows=50000
    with_library sqlite3 data.db <<END
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
    insert into t select i, 'row number ' || (i * 7919 % 1000003), i / 3.0 from n;
create index tb on t(b);
select count(*), sum(a), min(b), max(b), round(avg(c), 3) from t;
select b, count(*) from t group by substr(b, 1, 13) order by 2 desc, 1 limit 5;
delete from t where a % 3 = 0;
vacuum;
pragma integrity_check;
END
}

# wait_for COMMAND...: until it succeeds, 10 seconds at most.
wait_for() {
    local try
    for try in {1..100}; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "does not answer: $* ($try tries)"
    return 1
}

program_redis() {
    needs redis-server redis-cli redis-benchmark || return
    local pid status=0 socket=$PWD/socket
    cli() { redis-cli -s "$socket" "$@"; }
    with_library redis-server --port 0 --unixsocket "$socket" --dir "$PWD" --save "" --appendonly no >redis.log 2>&1 &
    pid=$!
    wait_for cli ping || status=1
    if [ $status -eq 0 ]; then
        redis-benchmark -s "$socket" -q -n 30000 -r 20000 -d 200 -t set,get,lpush,sadd,hset,zadd >/dev/null 2>&1 || status=1
        cli flushall
        seq 1 20000 | awk '{ print "SET key" $1 " " "value" $1 * 3 }' | cli | sort | uniq -c
        cli bgsave
        # Written while the child saves: must not be in its file.
        seq 1 20000 | awk '{ print "SET key" $1 " changed" }' | cli | sort | uniq -c
        saved() { cli info persistence | grep -q rdb_bgsave_in_progress:0; }
        wait_for saved || status=1
        cli info persistence | grep rdb_last_bgsave_status
        cli get key77
        cli debug digest >/dev/null
        cli shutdown nosave >/dev/null 2>&1
        wait "$pid" || status=1
        with_library redis-server --port 0 --unixsocket "$socket" --dir "$PWD" --save "" >>redis.log 2>&1 &
        pid=$!
        wait_for cli ping || status=1
        cli dbsize
        seq 1 20000 | awk '{ print "GET key" $1 }' | cli | md5sum
        cli shutdown nosave >/dev/null 2>&1
    fi
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    [ $status -eq 0 ] || tail -n 20 redis.log
    return $status
}

# What a server has resident some seconds after it has lost all its data: at most 1.15 times what it has on jemalloc.
program_redis_memory() {
    needs redis-server redis-cli || return
    local pid status=0 socket=$PWD/socket jemalloc resident limit figure=$work/redis-jemalloc
    jemalloc=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*x86-64.* => //p' | head -n 1)
    [ -n "$jemalloc" ] || { echo "not installed: libjemalloc.so.2" >&2 && return 77; }
    cli() { redis-cli -s "$socket" "$@"; }
    if [ "$mode" = plain ]; then
        LD_PRELOAD=$jemalloc redis-server --port 0 --unixsocket "$socket" --save "" --appendonly no >redis.log 2>&1 &
    else
        with_library redis-server --port 0 --unixsocket "$socket" --save "" --appendonly no >redis.log 2>&1 &
    fi
    pid=$!
    wait_for cli ping || status=1
    seq 1 600000 | awk '{ printf "SET key%d %0*d\n", $1, 20 + $1 * 7919 % 300, $1 }' | cli --pipe | tail -n 1
    seq 1 600000 | awk '$1 * 104729 % 10 < 7 { print "DEL key" $1 }' | cli --pipe | tail -n 1
    cli flushall
    sleep 15
    resident=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")
    [ "$mode" != plain ] || echo "$resident" >"$figure"
    limit=$(($(cat "$figure") * 115 / 100))
    [ "${resident:-$((limit + 1))}" -le "$limit" ] || { echo "$resident KiB resident, not $limit" && status=1; }
    cli shutdown nosave >/dev/null 2>&1
    wait "$pid" || status=1
    [ $status -eq 0 ] || tail -n 20 redis.log
    return $status
}

program_nginx() {
    needs nginx ab || return
    local pid status=0 port=$((20000 + RANDOM % 20000))
    mkdir -p html logs
    head -c 100000 "$text" >html/page
    cat >nginx.conf <<END
daemon off;
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/logs/error.log;
user $(id -un);
events { worker_connections 200; }
http {
    access_log $PWD/logs/access.log;
    client_body_temp_path $PWD/logs/a; proxy_temp_path $PWD/logs/b; fastcgi_temp_path $PWD/logs/c;
    uwsgi_temp_path $PWD/logs/d; scgi_temp_path $PWD/logs/e;
    gzip on; gzip_types *; gzip_min_length 1;
    server { listen 127.0.0.1:$port; root $PWD/html; }
}
END
    with_library nginx -p "$PWD" -c "$PWD/nginx.conf" >nginx.log 2>&1 &
    pid=$!
    get() { python3 -c 'import hashlib, sys, urllib.request
r = urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"})
print(hashlib.md5(__import__("gzip").decompress(urllib.request.urlopen(r).read())).hexdigest())' "http://127.0.0.1:$port/page"; }
    wait_for get || status=1
    if [ $status -eq 0 ]; then
        ab -q -n 3000 -c 20 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/page" 2>/dev/null |
            grep -E '^(Complete|Failed|Non-2xx)'
        get
        # New workers, then the end.
        kill -HUP "$(cat nginx.pid)" && sleep 0.5
        get
        kill -QUIT "$(cat nginx.pid)"
        wait "$pid" || status=1
    fi
    [ ! -e nginx.pid ] || kill "$(cat nginx.pid)" 2>/dev/null
    wait "$pid" 2>/dev/null
    grep -E 'signal (6|11)|alert|emerg' logs/error.log && status=1
    [ $status -eq 0 ] || tail -n 20 nginx.log logs/error.log
    return $status
}

program_java() {
    needs java || return
    with_library java -version 2>&1 || return
    have javac || return 0
    cat >Main.java <<'END'
import java.util.*;
import java.util.stream.*;
public class Main {
    public static void main(String[] args) {
        Map<Integer, List<String>> m = IntStream.range(0, 300000).parallel().mapToObj(Integer::toString)
            .collect(Collectors.groupingBy(String::length));
        System.out.println(m.size() + " " + m.get(5).size());
    }
}
END
    with_library javac Main.java && with_library java -cp . Main
}

program_node() {
    needs node || return
    with_library node -e '
const zlib = require("zlib"), crypto = require("crypto"), { Worker } = require("worker_threads");
const data = Buffer.from("hello ".repeat(200000));
const packed = zlib.gzipSync(data);
console.log(zlib.gunzipSync(packed).equals(data), crypto.createHash("md5").update(data).digest("hex"));
console.log(require("child_process").execSync("echo child").toString().trim());
let left = 3;
for (let i = 0; i < 3; i++) {
    new Worker("const b = []; for (let i = 0; i < 2000; i++) b.push(Buffer.alloc(i, 1)); require(\"worker_threads\").parentPort.postMessage(b.length);", { eval: true })
        .on("message", n => { if (--left === 0) console.log("workers", n); });
}'
}

program_go() {
    needs go gcc || return
    mkdir -p cgo && cat >cgo/main.go <<'END'
package main

/*
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
static char *twice(const char *s) { char *r = malloc(2 * strlen(s) + 1); strcpy(r, s); return strcat(r, s); }
*/
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

func main() {
	var wait sync.WaitGroup
	var lock sync.Mutex
	sum := 0
	for i := 0; i < 50; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			for j := 0; j < 200; j++ {
				in := C.CString(fmt.Sprint("go", i, j))
				out := C.twice(in)
				aligned := C.memalign(64, C.size_t(j+1))
				lock.Lock()
				sum += len(C.GoString(out))
				lock.Unlock()
				C.free(unsafe.Pointer(out))
				C.free(unsafe.Pointer(in))
				C.free(aligned)
			}
		}(i)
	}
	wait.Wait()
	fmt.Println(sum)
}
END
    (cd cgo && GOFLAGS=-mod=mod GO111MODULE=off GOCACHE=$work/go-cache go build -o ../cgo-program main.go) || return
    with_library ./cgo-program
}

program_openssl() {
    needs openssl || return
    # Its last output is written by a destructor.
    with_library openssl dgst -sha256 <"$text"
    with_library openssl enc -aes-256-cbc -pbkdf2 -salt -S 0011223344556677 -pass pass:x -in "$text" | md5sum
}

program_xz() {
    needs xz || return
    with_library xz -2 -T2 -k -c "$text" | with_library xz -d -c | md5sum
}

program_awk_sed_tar() {
    with_library tar -C "$root" -cf - ctest src | with_library tar -tf - | with_library sed 's/c/C/' | sort | md5sum
    # shellcheck disable=SC2016
    with_library awk '{ n[$NF]++; m[$1 % 1000] = m[$1 % 1000] $3 } END { print length(m[7]); for (i in n) t += n[i]; print t }' "$text"
}

program_cmake_make() {
    needs cmake make || return
    printf 'cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(p p.c)\n' >CMakeLists.txt
    printf '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n' >p.c
    with_library cmake -B b . >cmake.log 2>&1 && with_library make -j2 -C b >make.log 2>&1 && b/p && return
    tail -n 20 cmake.log make.log
    return 1
}

run() { # run NAME MODE: its output to $work/NAME.MODE
    local name=$1 status
    mode=$2
    (
        # Not in the directory of the plain run: names may be printed, so it is the same each time.
        rm -rf "$work/here" && mkdir "$work/here" && cd "$work/here" || exit 2
        "program_$name" >"$work/$name.$mode" 2>"$work/$name.$mode.err" </dev/null
    )
    status=$?
    return $status
}

for name in $(declare -F | sed -n 's/^declare -f program_//p'); do
    case $name in *"$only"*) ;; *) continue ;; esac
    case $short in '' | *" $name "*) ;; *) continue ;; esac
    run "$name" plain
    case $? in
    0) ;;
    77)
        skip "$name" "$(tail -n 1 "$work/$name.plain.err")"
        continue
        ;;
    *)
        skip "$name" "does not work here without a library: $(tail -n 1 "$work/$name.plain.err")"
        continue
        ;;
    esac
    for mode in $modes; do
        start=$SECONDS
        run "$name" "$mode"
        status=$?
        if [ $status -ne 0 ]; then
            fail "$name under $mode" "exit status $status"
            tail -n 15 "$work/$name.$mode" "$work/$name.$mode.err" | indent
        else
            same "$name under $mode ($((SECONDS - start)) s)" "$work/$name.plain" "$work/$name.$mode" ||
                tail -n 5 "$work/$name.$mode.err" | indent
        fi
    done
done
exit 0
