#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs with an allocator preloaded: the C library's own, jemalloc, the distribution's libmemtier and ours.

usage: preload.py [--library-dir DIR] [--output FILE] [--rounds N] [PROGRAM...]

Writes Markdown. bench/README.md says how it is measured."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import report  # noqa: E402
from targets import BUILD, ROOT, system_directory  # noqa: E402
from timing import median, median_ratio  # noqa: E402

DIRECTORY = os.path.join(BUILD, "preload")
DRAM = "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"
# The original knows no second kind in memory but a file.
TWO = "KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/dev/shm,RATIO:1;POLICY:STATIC_RATIO"

# name: (argument for the time, about half a second; argument for the instructions, what it does)
PROGRAMS = {
    "cfrac": ("60", "4", "factors numbers of 18 digits by continued fractions; each result is a small block"),
    "espresso": ("120", "12", "minimises Boolean functions; long lists of cubes, most of them short-lived"),
    "larson": ("600", "6", "two threads replace blocks at random and hand their tables on"),
    "xmalloc": ("3000", "30", "one thread makes blocks, another one frees them"),
    "pair": ("20000000", "20000", "malloc and free of 64 bytes, one after the other"),
}


def compile_all(names):
    os.makedirs(DIRECTORY, exist_ok=True)
    for name in names:
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o",
                        os.path.join(DIRECTORY, name), os.path.join(HERE, name + ".c"), "-lpthread"], check=True)


def environment(preload=None, directory=None, tiers=None):
    env = {name: value for name, value in os.environ.items()
           if not re.match(r"LD_|MEMKIND_|AUTO_HBW_|MALLOC_|.*JEM?K?_?MALLOC_CONF", name)}
    if preload:
        env["LD_PRELOAD"] = preload
    if directory:
        env["LD_LIBRARY_PATH"] = directory
    if tiers:
        env["MEMKIND_MEM_TIERS"] = tiers
    return env


def find(ours):
    """{name: environment}, and what is missing."""
    system, found, missing = system_directory(), {"glibc": environment()}, []
    jemalloc = os.path.join(system, "libjemalloc.so.2")
    original = os.path.join(system, "libmemtier.so.0")
    if os.path.exists(jemalloc):
        found["jemalloc"] = environment(jemalloc)
    else:
        missing.append("libjemalloc2")
    for name, path, directory in (("original", original, None), ("ours", os.path.join(ours, "libmemtier.so.0"), ours)):
        if os.path.exists(path):
            found[name] = environment(path, directory, DRAM)
            found[name + ", two tiers"] = environment(path, directory, TWO)
        elif name == "ours":
            sys.exit(f"{path} does not exist: run make first")
        else:
            missing.append("libmemkind-progs")
    if missing:
        print("Not measured, because the packages are missing:", *missing, file=sys.stderr)
    return found


def run(name, argument, env, crashes):
    """CPU time of the process and its threads, in seconds; None when it crashes, as under the original it may."""
    quiet = {"stdout": subprocess.DEVNULL}
    if "AUTO_HBW_LOG" in env:
        # It says at any level that it is there.
        quiet["stderr"] = subprocess.DEVNULL
    process = subprocess.Popen([os.path.join(DIRECTORY, name), argument], env=env, **quiet)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0 and "LD_LIBRARY_PATH" not in env:
        crashes.append(f"{name} under {env.get('LD_PRELOAD', 'glibc')}, MEMKIND_MEM_TIERS={env.get('MEMKIND_MEM_TIERS')}")
        return None
    if status != 0:
        sys.exit(f"{name} failed under {env['LD_PRELOAD']}: {status}")
    return usage.ru_utime + usage.ru_stime


def instructions(name, argument, env):
    """Those of twice the work less those of the work: start-up cancels."""
    counts = []
    for factor in (1, 2):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                   os.path.join(DIRECTORY, name), str(int(argument) * factor)]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not found:
            return None
        counts.append(int(found.group(1)))
    return counts[1] - counts[0]


BY_SIZE = TWO.replace("STATIC_RATIO", "DYNAMIC_THRESHOLD")


def price(ours, rounds):
    """Rows: what a preloaded pair costs, compared with memkind_malloc() and memkind_free() called directly."""
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-DBARE",
                    "-I" + os.path.join(ROOT, "include"), "-o", os.path.join(DIRECTORY, "pair-bare"),
                    os.path.join(HERE, "pair.c"), "-L" + ours, "-lmemkind"], check=True)
    memtier, autohbw = (os.path.join(ours, name) for name in ("libmemtier.so.0", "libautohbw.so.0"))
    ways = {"bare": environment(directory=ours),
            "libmemtier, one tier": environment(memtier, ours, DRAM),
            "libmemtier, two tiers by ratio": environment(memtier, ours, TWO),
            "libmemtier, two tiers by size": environment(memtier, ours, BY_SIZE),
            "libautohbw": dict(environment(autohbw, ours), AUTO_HBW_LOG="-1")}
    program = {name: "pair-bare" if name == "bare" else "pair" for name in ways}
    long, short, _ = PROGRAMS["pair"]
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, env in ways.items():
            times[name].append(run(program[name], long, env, []))
    counts = {name: instructions(program[name], short, env) if shutil.which("valgrind") else None
              for name, env in ways.items()}

    def per_pair(name):
        return f"{counts[name] / int(short):.1f}" if counts[name] else "-"
    return [[name, f"{median_ratio(times[name], times['bare']):.2f}", f"{min(times[name]) / min(times['bare']):.2f}",
             per_pair(name)] for name in ways]


def seconds(values):
    middle = median(values)
    return "-" if middle is None else f"{middle:.3f}"


FORK_SIZES = (1, 16, 128, 512)


def fork_times(ours, directory):
    """Rows of microseconds in the parent, for each size in MiB."""
    memtier, file_tier = os.path.join(ours, "libmemtier.so.0"), f"KIND:FS_DAX,PATH:{directory},RATIO:1;POLICY:STATIC_RATIO"
    ways = [("DRAM", environment(memtier, ours, DRAM), []),
            ("file, no copy", environment(memtier, ours, file_tier), ["private"]),
            ("file, copy", environment(memtier, ours, file_tier), [])]
    rows = []
    for mib in FORK_SIZES:
        row = [f"{mib} MiB"]
        for _, env, more in ways:
            done = subprocess.run([os.path.join(DIRECTORY, "fork"), str(mib), *more], env=env, capture_output=True, text=True)
            row.append(done.stdout.strip() if done.returncode == 0 else "-")
        rows.append(row)
    return ["in use"] + [name for name, _, _ in ways], rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library-dir", default=os.path.join(ROOT, "build", "lib"))
    parser.add_argument("--output", default=os.path.join(ROOT, "docs", "benchmarks", "preload.md"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    started = time.time()
    compile_all([*options.programs, "fork"])
    targets = find(os.path.abspath(options.library_dir))
    names = list(targets)
    times, counts, crashes = {}, {}, []
    for program in options.programs:
        long, short, _ = PROGRAMS[program]
        print(program, flush=True)
        values = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                values[name].append(run(program, long, targets[name], crashes))
        times[program] = values
        if shutil.which("valgrind"):
            counts[program] = {name: instructions(program, short, targets[name]) for name in names}

    lines = ["# Programs with an allocator preloaded", "",
             f"Written by `make bench-preload` in {report.duration(time.time() - started)}; see "
             "[bench/README.md](../../bench/README.md). *original* is the distribution's libmemtier, *ours* this one, "
             f"both with DRAM alone, `{DRAM}`; two tiers are `{TWO}`.", ""]
    lines += report.machine() + [""]
    lines += [f"- {program}: {PROGRAMS[program][2]}" for program in options.programs]
    head = ["program"] + names
    rows = [[program] + [seconds(times[program][name]) for name in names] for program in options.programs]
    lines += ["", "## CPU time", "",
              f"Seconds of all threads together, medians of {options.rounds} rounds in which all take turns.", ""]
    lines += report.table(head, rows)
    if crashes:
        lines += ["", "Runs that crashed are left out: " + "; ".join(f"{crashes.count(c)} of {c}" for c in sorted(set(crashes))) + ".", ""]
    others = [name for name in ("jemalloc", "original", "glibc") if name in names]
    rows = [[program] + [f"{median_ratio(times[program]['ours'], times[program][other]):.2f}" for other in others]
            for program in options.programs]
    lines += ["", "Ours with DRAM alone, compared with each: medians of the rounds' ratios.", ""]
    lines += report.table(["program"] + others, rows)
    if counts:
        rows = [[program] + [f"{counts[program][name] / 1e6:.2f}" if counts[program][name] else "-" for name in names]
                for program in options.programs]
        lines += ["", "## Instructions", "", "Millions, by callgrind, for a smaller piece of the same work.", ""]
        lines += report.table(head, rows)
    if "pair" in options.programs:
        print("pair, called directly", flush=True)
        lines += ["", "## Preloaded or called directly", "",
                  "A pair of 64 bytes by malloc and free, compared with *bare*: the same by memkind_malloc() and "
                  "memkind_free() in a program that is linked with libmemkind. CPU time as the median of "
                  f"{3 * options.rounds} rounds' ratios and as the ratio of the fastest; by size means `{BY_SIZE}`.", ""]
        rows = price(os.path.abspath(options.library_dir), 3 * options.rounds)
        lines += report.table(["", "CPU time, median", "CPU time, fastest", "instructions in all"], rows)
    directory = os.environ.get("BENCH_PMEM", "/dev/shm")
    head, rows = fork_times(os.path.abspath(options.library_dir), directory)
    lines += ["", "## fork", "",
              "Microseconds that fork takes in the parent, median of 15, with that much in touched blocks of 60 kB: under "
              f"libmemtier with DRAM alone, with a file tier in {directory} that the child sees as it is, and with the "
              "file tier copied, as libmemtier does. The copy is made by the child while the parent waits; a file "
              "system that shares blocks (FICLONE) has less to do. BENCH_PMEM names another directory.", ""]
    lines += report.table(head, rows)
    with open(options.output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print("written to", os.path.relpath(options.output))


if __name__ == "__main__":
    main()
