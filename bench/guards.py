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

# rule: (operation, bytes, the most instructions); what they were in November 2026 with the rule, and without
GUARDS = {
    "beat::MOST": ("pair", 64, 66),  # 62.4; 170 with a look at the clock at each free
    "depot::LIMIT": ("build", 1024, 250),  # 125; 793 with half of the limit
}


def checked(library):
    """How many times the instructions of a program that recurses and allocates all checks take."""
    source = os.path.join(targets.ROOT, "bench", "preload", "espresso.c")
    counts = []
    with tempfile.TemporaryDirectory() as directory:
        program, output = (os.path.join(directory, name) for name in ("espresso", "counts"))
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-o", program, source], check=True)
        preload = os.path.join(os.path.dirname(library), "libmemtier.so.0")
        for checks in ("none", "all"):
            env = {**os.environ, "MEMKIND_CHECKS": checks, "LD_PRELOAD": preload, "LD_LIBRARY_PATH": os.path.dirname(library),
                   "MEMKIND_MEM_TIERS": "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO"}
            subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output}", program, "3"],
                           env=env, capture_output=True, check=True)
            with open(output, encoding="utf-8") as file:
                counts.append(int(re.search(r"^summary: (\d+)", file.read(), re.M).group(1)))
    return counts[1] / counts[0]


def main():
    library = sys.argv[1] if len(sys.argv) > 1 else os.path.join(targets.ROOT, "build", "lib", "libmemkind.so.0")
    if not count.available():
        print("SKIP guards: no valgrind")
        return
    targets.compile_all(("worker",))
    target = targets.Target("ours", os.path.abspath(library), "regular")
    for rule, (operation, size, most) in GUARDS.items():
        got = count.count(target, [(operation, size)]).get((operation, size))
        if got is None:
            print(f"FAIL {rule}: {operation} of {size} bytes was not counted")
        elif got > most:
            print(f"FAIL {rule}: {got:.0f} instructions for {operation} of {size} bytes, at most {most} expected")
        else:
            print(f"PASS {rule}: {got:.1f} instructions for {operation} of {size} bytes")
    # 4.0; 9.9 with one trail for a place and return address
    ratio = checked(os.path.abspath(library))
    print(f"{'PASS' if ratio <= 5 else 'FAIL'} trails::BRANCHES: all checks take {ratio:.1f} times the instructions, at most 5 aimed at")


main()
