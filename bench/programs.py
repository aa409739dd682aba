# SPDX-License-Identifier: BSD-2-Clause
"""Real programs with an allocator preloaded: interpreters, a compiler, a database, short programs.

usage: programs.py [--library-dir DIR] [--output DIRECTORY] [--rounds N] [PROGRAM...]

Writes programs.md and programs.svg. bench/README.md says how it is measured."""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import plot
import report
from targets import ROOT, system_directory
from timing import median, median_ratio

DRAM = "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"
PRELOADED = {
    "glibc": (None, "libc6"),
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "mimalloc": ("libmimalloc.so.2", "libmimalloc2.0"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    "tbb": ("libtbbmalloc_proxy.so.2", "libtbbmalloc2"),
    "original": ("libmemtier.so.0", "libmemkind-progs"),
}
GENERAL = ("glibc", "jemalloc", "mimalloc", "tcmalloc", "tbb")

PERL = """my %h; for my $i (1..60000) { $h{"key$i"} = [$i, "value $i"]; }
my $n = 0; for my $k (keys %h) { $n += $h{$k}[0]; } die unless $n == 1800030000;"""
PYTHON = """import json
rows = [{"id": i, "name": f"name {i}", "tags": [str(i % 7), str(i % 11)]} for i in range(20000)]
back = json.loads(json.dumps(rows))
groups = {}
for row in back: groups.setdefault(row["tags"][0], []).append(row["name"].upper())
assert len(groups) == 7"""
CXX = "#include <map>\n#include <string>\nint f(std::map<std::string, int> &m) { return m[\"a\"]; }\n"
SQL = """create table t(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000)
insert into t select i, 'name ' || (i * 7919 % 40000), i * 0.5 from n;
create index by_name on t(name);
select count(*), sum(length(a.name)) from t a join t b on a.name = b.name;"""

# name: (command with {work} for a directory of its own, standard input, what it does)
PROGRAMS = {
    "40 starts": (["bash", "-c", "for i in $(seq 40); do /bin/true; done"], None, "bash runs /bin/true 40 times"),
    "perl": (["perl", "-e", PERL], None, "builds a hash of 60,000 small arrays and walks through it"),
    "python3": (["python3", "-c", PYTHON], None, "writes 20,000 records as JSON, reads and groups them; small blocks are Python's own"),
    "g++": (["g++", "-std=c++17", "-O0", "-c", "-o", "{work}/a.o", "{work}/a.cc"], None, "compiles three lines that include map and string"),
    "sqlite3": (["sqlite3", ":memory:"], SQL, "40,000 rows in memory, an index, a join"),
    "git": (["git", "-C", ROOT, "log", "-p", "--no-color", "-60"], None, "shows the last 60 commits of this library's history as patches"),
    "redis": (["redis-server", "--port", "0", "--unixsocket", "{work}/redis.sock", "--save", "", "--daemonize", "no"], None,
              "the server: 15,000 set, lpush and hset each of 200 bytes"),
}
LOAD = ["redis-benchmark", "-s", "{work}/redis.sock", "-n", "15000", "-r", "10000", "-d", "200", "-t", "set,lpush,hset", "-q"]


def find(ours):
    """{name: environment}, and the packages that are missing."""
    clean = {name: value for name, value in os.environ.items()
             if not re.match(r"LD_|MEMKIND_|AUTO_HBW_|MALLOC_|.*JEM?K?_?MALLOC_CONF", name)}
    system, found, missing = system_directory(), {}, []
    for name, (file, package) in PRELOADED.items():
        path = os.path.join(system, file) if file else None
        if path is None or os.path.exists(path):
            found[name] = dict(clean, LD_PRELOAD=path, MEMKIND_MEM_TIERS=DRAM) if path else dict(clean)
        else:
            missing.append(package)
    library = os.path.join(ours, "libmemtier.so.0")
    if not os.path.exists(library):
        sys.exit(f"{library} does not exist: run make first")
    found["ours"] = dict(clean, LD_PRELOAD=library, LD_LIBRARY_PATH=ours, MEMKIND_MEM_TIERS=DRAM)
    return found, missing


def prepare(name, work):
    if name == "g++":
        with open(os.path.join(work, "a.cc"), "w", encoding="utf-8") as out:
            out.write(CXX)


def run(name, env, work):
    """CPU seconds of the program and the programs that it starts; None if it fails."""
    command, text, _ = PROGRAMS[name]
    prepare(name, work)
    process = subprocess.Popen([word.replace("{work}", work) for word in command], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if text:
        process.stdin.write(text.encode())
    process.stdin.close()
    if name == "redis":
        client = [word.replace("{work}", work) for word in LOAD]
        for _ in range(200):
            if os.path.exists(client[2]):
                break
            time.sleep(0.05)
        subprocess.run(client, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return usage.ru_utime + usage.ru_stime if status == 0 else None


def measure(programs, targets, rounds):
    """{program: {target: [CPU seconds or None for each round]}}; all targets take turns, in another order each time."""
    results = {}
    for name in programs:
        if not shutil.which(PROGRAMS[name][0][0]):
            print(f"Not measured, because it is not installed: {name}", file=sys.stderr)
            continue
        print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
        results[name] = {target: [] for target in targets}
        for _ in range(rounds):
            for target in random.sample(list(targets), len(targets)):
                with tempfile.TemporaryDirectory() as work:
                    results[name][target].append(run(name, targets[target], work))
    return results


def text(results, targets, rounds, took):
    names = list(targets)
    rows = []
    for program, times in results.items():
        middle = {name: median(times[name]) for name in names}
        best = min((name for name in GENERAL if middle.get(name)), key=lambda name: middle[name])
        ratio = median_ratio(times["ours"], times[best])
        rows.append([program] + [report.number(middle[name] and middle[name] * 1000, 0) for name in names] +
                   [f"{ratio:.2f} of {best}" if ratio else "–"])
    lines = ["# Real programs with an allocator preloaded", "",
             f"Written by `make bench-programs` in {report.duration(took)}; see [bench/README.md](../../bench/README.md). "
             f"*original* is the distribution's libmemtier, *ours* this one, both with `{DRAM}`. A dash: the program failed.", "",
             *report.machine(), "", *(f"- {name}: {PROGRAMS[name][2]}" for name in results), "",
             "![programs.svg](programs.svg)", "", "## CPU time", "",
             f"Milliseconds of the program and what it starts, medians of {rounds} rounds in which all take turns in random order. The last "
             "column: the median of the ratios, round by round, of ours to the best of the general allocators.", ""]
    lines += report.table(["program", *names, "ours to the best"], rows)
    return "\n".join(lines).rstrip() + "\n"


def picture(results, targets):
    groups = []
    for program, measured in results.items():
        plain = median(measured["glibc"])
        groups.append((program, [(name, (median(measured[name]) or 0) / plain) for name in targets]))
    return plot.shares("CPU time of programs with an allocator preloaded, by that of the C library's", groups)


def write(ours, output, rounds, programs=tuple(PROGRAMS)):
    began = time.monotonic()
    targets, missing = find(os.path.abspath(ours))
    if missing:
        print("Not measured, because the packages are missing:", *missing, file=sys.stderr)
    results = measure(programs, targets, rounds)
    os.makedirs(output, exist_ok=True)
    for name, content in (("programs.md", text(results, targets, rounds, time.monotonic() - began)),
                          ("programs.svg", picture(results, targets))):
        with open(os.path.join(output, name), "w", encoding="utf-8") as out:
            out.write(content)
    print(f"written to {os.path.join(output, 'programs.md')}")


def main():
    parser = argparse.ArgumentParser(description="Compares allocators under real programs.")
    parser.add_argument("--library-dir", default=os.path.join(ROOT, "build", "lib"))
    parser.add_argument("--output", default=os.path.join(ROOT, "docs", "benchmarks"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    write(options.library_dir, options.output, options.rounds, options.programs)


if __name__ == "__main__":
    main()
