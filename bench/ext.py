# SPDX-License-Identifier: BSD-2-Clause
"""memkind_ext.h: instructions per operation, loop included, by callgrind, and the most that each may be.

Each operation is run n and 2n times in a process each: the difference, by n. `bench.py --ext` writes the table."""

import os
import re
import subprocess
import tempfile

from targets import ROOT

N = 20000

# Operation, what it is, the most instructions; None for what is there to compare with.
OPERATIONS = [
    ("region_alloc", "memkind_region_alloc(32)", 15),
    ("obstack", "obstack_alloc(32) of the C library", None),
    ("pool_pair", "memkind_pool_get + _put, 4 KiB", 45),
    ("pool_pair_1m", "memkind_pool_get + _put, 1 MiB", 45),
    ("pool_bulk", "memkind_pool_get_many(32) + _put_many, for an object", 8),
    ("alloc_local", "memkind_iovec_alloc(4096) + _release, LOCAL", 70),
    ("alloc_shared", "memkind_iovec_alloc(4096) + _release, SHARED", 75),
    ("clone_local", "memkind_iovec_clone + _release, LOCAL", 28),
    ("clone_shared", "memkind_iovec_clone + _release, SHARED", 30),
    ("reserve", "memkind_iovec_reserve(4096), _commit(100), _release", 90),
    ("dma_64", "malloc + free of memkind_dma_kind(), 64 bytes", 65),
    ("dma_4k", "malloc + free of memkind_dma_kind(), 4 KiB", 65),
    ("dma_100", "malloc + free of memkind_dma_kind(), 100 bytes", 65),
    ("dma_64k", "malloc + free of memkind_dma_kind(), 64 KiB", 65),
    ("regular_64k", "malloc + free of MEMKIND_REGULAR, 64 KiB", 65),
    ("spdk_node", "spdk_malloc(4096, node 0) + spdk_free", 90),
    ("spdk_any", "spdk_dma_malloc(4096) + spdk_dma_free", 90),
    ("spdk_100", "spdk_malloc(100, node 0) + spdk_free", 90),
    ("map_find", "memkind_map_find", 32),
]


def instructions(program, library, operation, n, directory):
    output = os.path.join(directory, "counts")
    subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output}", program, operation, str(n)],
        env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(library)}, capture_output=True, text=True, check=True)
    with open(output, encoding="utf-8") as file:
        return int(re.search(r"^summary: (\d+)", file.read(), re.M).group(1))


def measure(library, say):
    """[(what, instructions, the most)] of a libmemkind.so.0."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "ext")
        subprocess.run(["gcc", "-O2", "-fno-plt", "-I", os.path.join(ROOT, "build/include"), "-o", program,
                        os.path.join(ROOT, "bench/ext.c"), library], check=True)
        for operation, text, most in OPERATIONS:
            say(operation)
            one, two = (instructions(program, library, operation, n, directory) for n in (N, 2 * N))
            rows.append((text, (two - one) / N, most))
    return rows


def write(directory, rows, machine):
    """Writes ext.md; how many operations take more than they may."""
    lines = ["# memkind_ext.h", "", "Written by `make bench-ext`.", "", *machine, "",
             "Instructions per operation, the loop around it included; at most so many are aimed at.", "",
             "| operation | instructions | at most |", "|---|---|---|"]
    lines += [f"| {text} | {count:.1f} | {'' if most is None else most} |" for text, count, most in rows]
    missed = [text for text, count, most in rows if most is not None and count > most]
    lines += ["", "All are within." if not missed else "Above: " + "; ".join(missed) + "."]
    text = "\n".join(lines) + "\n"
    print(text)
    if os.path.isdir(directory):
        with open(os.path.join(directory, "ext.md"), "w", encoding="utf-8") as file:
            file.write(text)
    return len(missed)
