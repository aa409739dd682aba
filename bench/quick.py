# SPDX-License-Identifier: BSD-2-Clause
"""Instruction counts of one libmemkind beside the original's and other allocators': see quick.sh."""

import sys

import count
import targets

OPERATIONS = [("pair", size) for size in (16, 64, 1024, 4096, 16384, 65536)] + [
    ("fdet", 64), ("fdet", 16384), ("lifo", 64), ("fifo", 64), ("rand", 64), ("rand", 1024), ("mixed", 256),
    ("mlifo", 256), ("build", 64), ("rgrow", 1024), ("usable", 64), ("det", 64), ("unull", 64)]


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: bench/quick.sh LIBMEMKIND.SO.0 [op:size...]")
    operations = OPERATIONS
    if len(sys.argv) > 2:
        operations = [(word.split(":")[0], int(word.split(":")[1])) for word in sys.argv[2:]]
    targets.compile_all(("worker",))
    found = targets.find_targets(sys.argv[1], allocators=("jemalloc", "mimalloc", "tcmalloc"))
    counts = count.count_all(found, operations)

    def cell(name, key):
        value = counts.get(name, {}).get(key)
        return "-" if value is None else f"{value:.0f}"

    def ratio(kind, key):
        ours, original = (counts.get(f"{who} {kind}", {}).get(key) for who in ("ours", "original"))
        return f"{ours / original:.3f}" if ours and original else "-"

    others = [t.name for t in found if not t.name.startswith(("ours", "original"))]
    print(f"Instructions per operation (callgrind), {sys.argv[1]}; below: its ratio to the original's")
    head = f"{'':14}" + "".join(f"{'ours ' + k:>14}" for k in targets.KINDS)
    print(head + "".join(f"{'orig ' + k:>14}" for k in targets.KINDS) + "".join(f"{o:>10}" for o in others))
    for key in operations:
        row = "".join(f"{cell('ours ' + k, key):>14}" for k in targets.KINDS)
        row += "".join(f"{cell('original ' + k, key):>14}" for k in targets.KINDS)
        print(f"{key[0]:8}{key[1]:6}" + row + "".join(f"{cell(o, key):>10}" for o in others))
    print(f"{'ratios':14}" + "".join(f"{k:>14}" for k in targets.KINDS))
    for key in operations:
        print(f"{key[0]:8}{key[1]:6}" + "".join(f"{ratio(k, key):>14}" for k in targets.KINDS))


main()
