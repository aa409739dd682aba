# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per operation, counted by callgrind: free of the machine's noise.

Each operation is run n and 2n times in one process; the difference of the two counts, by the number of
operations they differ in, is what one costs. Start-up and the way into the loop cancel; the loop itself,
13 instructions for a pair, does not. Of three such differences the median counts: what an allocator does
once a second may fall into one of them."""

import glob
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from targets import BUILD


TIMES = 3


def available():
    return shutil.which("valgrind") is not None


def repetitions(op, size):
    """Enough for the operation's rarer events, as few as can be: each costs 50 times its usual time."""
    if op in ("lifo", "fifo", "rand"):
        return 10000
    if op == "build":
        return 32000
    if op in ("mixed", "mlifo"):
        return 20000
    return 4000


def count(target, operations):
    """{(op, size): instructions per operation, or None} for the pairs in `operations`."""
    arguments = [str(word) for op, size in operations for word in (op, size, repetitions(op, size)) * TIMES]
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        output = os.path.join(directory, "counts")
        run = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", "--zero-before=measured", "--dump-after=measured",
             f"--callgrind-out-file={output}", *target.command(), "once", *arguments],
            env=target.environment(), capture_output=True, text=True)
        if run.returncode != 0:
            print(f"{target.name}: {run.stderr.strip()[-300:]}")
            return {}
        # One file per dump, numbered; the one without a number is what happened after the last.
        files = sorted(glob.glob(glob.escape(output) + ".*"), key=lambda name: int(name.rsplit(".", 1)[1]))
        totals = []
        for name in files:
            with open(name, encoding="utf-8") as file:
                totals.append(int(re.search(r"^summary: (\d+)", file.read(), re.M).group(1)))
    counted, dumps = {}, iter(totals)
    for line in run.stdout.splitlines():
        op, size, operations_more = line.split()
        if operations_more == "no":
            counted[op, int(size)] = None
            continue
        first, second = next(dumps), next(dumps)
        counted.setdefault((op, int(size)), []).append((second - first) / int(operations_more))
    return {key: got and statistics.median(got) for key, got in counted.items()}


def count_all(targets, operations):
    """{target name: {(op, size): instructions}}; two at a time."""
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return dict(zip((t.name for t in targets), pool.map(lambda t: count(t, operations), targets)))
