# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per operation of memkind_ext.h, loop included, by callgrind: `python3 -B bench/ext.py`.

Each operation is run n and 2n times in a process each: the difference, by n. Beside it stands the
most that it may be."""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
N = 20000

# Operation, what it is, the most instructions.
OPERATIONS = [
    ("region_alloc", "memkind_region_alloc(32)", 16),
    ("pool_pair", "memkind_pool_get + _put, 4 KiB", 45),
    ("pool_pair_1m", "memkind_pool_get + _put, 1 MiB", 45),
    ("pool_bulk", "memkind_pool_get_many(32) + _put_many, for an object", 8),
    ("alloc_local", "memkind_iovec_alloc(4096) + _release, LOCAL", 70),
    ("alloc_shared", "memkind_iovec_alloc(4096) + _release, SHARED", 75),
    ("clone_local", "memkind_iovec_clone + _release, LOCAL", 28),
    ("clone_shared", "memkind_iovec_clone + _release, SHARED", 30),
    ("reserve", "memkind_iovec_reserve(4096), _commit(100), _release", 90),
]


def instructions(program, operation, n, directory):
    output = os.path.join(directory, "counts")
    subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output}", program, operation, str(n)],
        env={**os.environ, "LD_LIBRARY_PATH": os.path.join(ROOT, "build/lib")}, capture_output=True, text=True, check=True)
    with open(output, encoding="utf-8") as file:
        return int(re.search(r"^summary: (\d+)", file.read(), re.M).group(1))


def main():
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "ext")
        subprocess.run(["gcc", "-O2", "-fno-plt", "-I", os.path.join(ROOT, "build/include"), "-o", program,
                        os.path.join(ROOT, "bench/ext.c"), "-L", os.path.join(ROOT, "build/lib"), "-lmemkind"], check=True)
        print("| operation | instructions | at most |\n|---|---|---|")
        missed = False
        for operation, text, most in OPERATIONS:
            one, two = (instructions(program, operation, n, directory) for n in (N, 2 * N))
            count = (two - one) / N
            missed = missed or count > most
            print(f"| {text} | {count:.1f} | {most} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
