# SPDX-License-Identifier: BSD-2-Clause
"""Compares this libmemkind with the distribution's and with other allocators.

usage: bench.py [--all | --arrays | --ext | --start | --programs] [--library LIBMEMKIND.SO.0] [--output DIRECTORY] [--rounds N] [--threads N]

Without --all: malloc and free, NULL-kind free, LIFO, and the instruction counts; a few minutes. --arrays:
blocks of 128 KiB to 1 GiB. --ext: the functions of memkind_ext.h; it fails when one takes more instructions than it may.
--start: what a library adds to the start of a program. --programs: real programs with an allocator preloaded.
Writes quick.md, full.md, arrays.md, ext.md, start.md or programs.md, and SVG plots of the same name where there are any,
into the output directory (default: docs/benchmarks).
"""

import argparse
import os
import sys
import time

import count
import ext
import groups
import lifecycle
import programs
import report
import targets
import timing

PROCESSES = 5  # of each target, one after the other, that share the rounds


class Results:
    """Everything measured. Rounds of CPU ns, or a count: target name -> (op, size) -> value."""

    def __init__(self):
        self.ns, self.threaded, self.instructions, self.live = {}, {}, {}, {}
        self.life, self.many, self.full, self.start = {}, {}, {}, {}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def measure_live(found, table):
    for size in groups.LIVE:
        say(f"live {size}")
        for target in found:
            # One after the other: ten million blocks of each at once would not fit everywhere.
            worker = timing.Worker(target, 1)
            for name, got in timing.measure({worker: 300000}, "live", size, 3).items():
                table.setdefault(name, {})["live", size] = got
            worker.stop()


def main():
    parser = argparse.ArgumentParser(description="Compares allocators; see docs/benchmarks.")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--arrays", action="store_true")
    parser.add_argument("--ext", action="store_true")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--programs", action="store_true")
    parser.add_argument("--library", default=os.path.join(targets.ROOT, "build", "lib", "libmemkind.so.0"))
    parser.add_argument("--output", default=os.path.join(targets.ROOT, "docs", "benchmarks"))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rounds = options.rounds or (20 if options.all else 30)
    began = time.monotonic()

    if options.ext:
        if not count.available():
            sys.exit("no instruction counts: valgrind is missing (package valgrind)")
        rows = ext.measure(options.library, say)
        sys.exit(ext.write(options.output, rows, report.machine()) > 0)
    if options.programs:
        programs.write(os.path.dirname(options.library), options.output, options.rounds or 9)
        return
    targets.compile_all()
    found = targets.find_targets(options.library)
    results = Results()
    if options.start:
        lifecycle.measure_start(found, results, say)
    elif options.arrays:
        say("arrays")
    elif count.available():
        say("instruction counts")
        results.instructions = count.count_all(found, groups.COUNTED)
    else:
        say("no instruction counts: valgrind is missing (package valgrind)")

    def measure(operations, table, rounds, threads=1, slice_ms=3.0):
        timing.measure_all(found, operations, table, rounds, PROCESSES, threads, slice_ms, say)

    if options.arrays:
        measure(groups.ARRAYS, results.ns, rounds, slice_ms=6)
    elif not options.start:
        measure(groups.SINGLE if options.all else groups.QUICK, results.ns, rounds)
    if options.all:
        measure(groups.LARGE + groups.BRIEF, results.ns, rounds, slice_ms=6)
        workloads = dict.fromkeys(groups.THREADED + groups.PUBLISHED)
        measure(workloads, results.threaded, min(rounds, 10), options.threads, slice_ms=20)
        lifecycle.measure(found, results, say)
        measure_live([t for t in found if t.how != "hbw"], results.live)
    took = time.monotonic() - began
    os.makedirs(options.output, exist_ok=True)
    name = "start" if options.start else "arrays" if options.arrays else "full" if options.all else "quick"
    report.write(options.output, name, found, results, took, rounds, options.threads)


main()
