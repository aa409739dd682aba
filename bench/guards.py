# SPDX-License-Identifier: BSD-2-Clause
"""Checks that the rules of the heap that are there for speed alone still give it: counts the instructions of an
operation that costs far more without the rule. The counts do not depend on the load of the machine.

usage: bench/guards.py [LIBMEMKIND.SO.0]        `make check-guards`
Prints PASS, FAIL or SKIP for each rule, named as in ARCHITECTURE.md."""

import os
import re
import subprocess
import sys
import tempfile

import count
import targets

# rule: (operations and bytes of which the last is counted, the most instructions); what they were at the end of 2026
# with the rule, and without
GUARDS = {
    "beat::MOST": ([("pair", 64)], 66),  # 62.4; 170 with a look at the clock at each free
    "depot::LIMIT": ([("build", 1024)], 250),  # 100; 793 with half of the limit
    "depot::make_room": ([("mixed", 65536), ("build", 1024)], 250),  # 98; 930 where what came first stays
    "je::give_back": ([("build", 2048)], 1100),  # 757; 1536 with a call of jemalloc for each block
    "cache::take_again": ([("rand", 1024)], 115),  # 101; 130 through the whole slow path
}


def instructions(command, environment):
    """How many instructions a command takes."""
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "counts")
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output}", *command],
                       env={**os.environ, **environment}, capture_output=True, check=True)
        with open(output, encoding="utf-8") as file:
            return int(re.search(r"^summary: (\d+)", file.read(), re.M).group(1))


def compiled(directory, source, *flags):
    """The path of a program, compiled from a source in this directory."""
    program = os.path.join(directory, "program")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-o", program, os.path.join(targets.ROOT, "bench", source), *flags], check=True)
    return program


def grown(library):
    """Instructions for a block of 64 bytes in a program that frees none."""
    libraries = os.path.dirname(library)
    include = os.path.join(os.path.dirname(libraries), "include")
    with tempfile.TemporaryDirectory() as directory:
        program = compiled(directory, "grow.c", f"-I{include}", f"-L{libraries}", "-lmemkind")
        few, many = (instructions([program, n, "64"], {"LD_LIBRARY_PATH": libraries}) for n in ("20000", "60000"))
    return (many - few) / 40000


def evicted(library):
    """Instructions for a block of up to 1000 bytes in a full area, and for freeing the oldest until it has room."""
    with tempfile.TemporaryDirectory() as directory:
        program = compiled(directory, "lifecycle.c", os.path.join(targets.ROOT, "bench", "target.c"), "-lpthread", "-ldl")
        few, many = (instructions([program, "evict", "fixed", n, "1000", "1"], {"LD_PRELOAD": library})
                     for n in ("200000", "300000"))
    return (many - few) / 100000


def checked(library):
    """How many times the instructions of a program that recurses and allocates all checks take."""
    libraries = os.path.dirname(library)
    counts = []
    with tempfile.TemporaryDirectory() as directory:
        program = compiled(directory, "preload/espresso.c")
        for checks in ("none", "all"):
            counts.append(instructions([program, "3"], {
                "MEMKIND_CHECKS": checks, "LD_PRELOAD": os.path.join(libraries, "libmemtier.so.0"), "LD_LIBRARY_PATH": libraries,
                "MEMKIND_MEM_TIERS": "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"}))
    return counts[1] / counts[0]


def main():
    library = sys.argv[1] if len(sys.argv) > 1 else os.path.join(targets.ROOT, "build", "lib", "libmemkind.so.0")
    if not count.available():
        print("SKIP guards: no valgrind")
        return
    targets.compile_all(("worker",))
    target = targets.Target("ours", os.path.abspath(library), "regular")
    for rule, (operations, most) in GUARDS.items():
        operation, size = operations[-1]
        got = count.count(target, operations).get((operation, size))
        if got is None:
            print(f"FAIL {rule}: {operation} of {size} bytes was not counted")
        elif got > most:
            print(f"FAIL {rule}: {got:.0f} instructions for {operation} of {size} bytes, at most {most} expected")
        else:
            print(f"PASS {rule}: {got:.1f} instructions for {operation} of {size} bytes")
    # 257; 606 with a call of jemalloc for each block
    each = grown(os.path.abspath(library))
    print(f"{'PASS' if each <= 350 else 'FAIL'} je::fill: {each:.0f} instructions for a block that is never freed, at most 350 expected")
    # 2612; 4706 without the look at the pages of each arena
    each = evicted(os.path.abspath(library))
    print(f"{'PASS' if each <= 3500 else 'FAIL'} usage::FEW: {each:.0f} instructions for a block in a full area, at most 3500 expected")
    # 4.0; 9.9 with one trail for a place and return address
    ratio = checked(os.path.abspath(library))
    print(f"{'PASS' if ratio <= 5 else 'FAIL'} trails::BRANCHES: all checks take {ratio:.1f} times the instructions, at most 5 aimed at")


main()
