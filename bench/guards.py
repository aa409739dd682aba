# SPDX-License-Identifier: BSD-2-Clause
"""Checks that the rules of the heap that are there for speed alone still give it: counts the instructions of an
operation that costs far more without the rule. The counts do not depend on the load of the machine.

usage: bench/guards.py [LIBMEMKIND.SO.0]        `make check-guards`
Prints PASS, FAIL or SKIP for each rule, named as in ARCHITECTURE.md."""

import os
import sys

import count
import targets

# rule: (operation, bytes, the most instructions); what they were in November 2026 with the rule, and without
GUARDS = {
    "beat::MOST": ("pair", 64, 66),  # 62.4; 170 with a look at the clock at each free
    "depot::LIMIT": ("build", 1024, 250),  # 125; 793 with half of the limit
}


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


main()
