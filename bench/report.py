# SPDX-License-Identifier: BSD-2-Clause
"""Writes what was measured: Markdown tables and plots."""

import os
import platform
import re
import subprocess

import groups
import plot
from targets import ALLOCATORS, ROOT
from timing import median, median_ratio


def duration(seconds):
    """The time in words, for `written in`."""
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute" if minutes == 1 else "less than a minute"


# ---- The machine ----

def first_match(path, pattern):
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.M)
    return found.group(1).strip() if found else "?"


def package_versions():
    names = ["libmemkind0"] + [package for _, _, package in ALLOCATORS.values()] + ["valgrind"]
    versions = []
    for name in names:
        run = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
        versions.append(f"{name} {run.stdout or 'missing'}")
    return versions


def machine():
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return [
        f"- CPU: {first_match('/proc/cpuinfo', r'^model name.*: (.*)$')}, {os.cpu_count()} of them",
        f"- memory: {int(first_match('/proc/meminfo', r'^MemTotal: *([0-9]+)')) // 1048576} GiB; "
        f"transparent huge pages: {thp()}",
        f"- Linux {platform.release().split('-')[0]}, {' '.join(platform.libc_ver())}, {compiler}",
        f"- this library: commit {commit()}",
        "- packages: " + ", ".join(package_versions()),
    ]


def commit():
    """The commit, and whether anything but results has been changed since."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


def thp():
    try:
        return first_match("/sys/kernel/mm/transparent_hugepage/enabled", r"\[(\w+)\]")
    except OSError:
        return "none"


def size_text(size):
    for unit, name in ((groups.MIB, "MiB"), (groups.KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


# ---- Tables ----

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def number(value, digits=1):
    if value is None:
        return "–"
    return f"{value:.{0 if value >= 1000 else digits}f}"


def cells(values, names, key, digits=1):
    row = []
    for name in names:
        value = values.get(name, {}).get(key)
        row.append(number(median(value) if isinstance(value, list) else value, digits))
    return row


def per_operation(values, found, title, explanation, digits=1):
    names = [target.name for target in found if target.name in values]
    keys = list(dict.fromkeys(key for name in names for key in values[name]))
    if not keys:
        return []
    head = ["operation"] + names
    rows = [[f"{op} {size_text(size)}"] + cells(values, names, (op, size), digits) for op, size in keys]
    return [f"## {title}", "", explanation, ""] + table(head, rows)


class Verdicts:
    """The rows of the table of targets, and how many were met."""

    def __init__(self):
        self.rows, self.met, self.missed = [], 0, 0

    def add(self, label, unit, ratios, bound):
        ratios = [ratio for ratio in ratios if ratio is not None]
        if bound is None:
            return
        if not ratios:
            return
        low, high = min(ratios), max(ratios)
        met = high <= bound
        self.met += met
        self.missed += not met
        span = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        self.rows.append([label, unit, span, f"{bound:g}", "met" if met else "**missed**"])


def ratios_of(values, operations, kinds, other="original"):
    """One ratio for each operation and kind; `other` is the same kind of the original, or an allocator."""
    found = []
    for key in operations:
        for kind in kinds:
            a = values.get(f"ours {kind}", {}).get(key)
            b = values.get(other if other in ALLOCATORS else f"{other} {kind}", {}).get(key)
            if a is None or b is None:
                continue
            found.append(median_ratio(a, b) if isinstance(a, list) else a / b)
    return found


def life_ratios(results, what, kinds, name):
    found = []
    for kind in kinds:
        values = results.life.get((what, kind, name), {})
        if "ours" in values and "original" in values and median(values["original"]):
            found.append(median(values["ours"]) / median(values["original"]))
    return found


def verdicts(results):
    v = Verdicts()
    times = {name: dict(ops) for name, ops in results.ns.items()}
    for name, ops in results.threaded.items():
        times.setdefault(name, {}).update(ops)
    for label, operations, kinds, ns, instructions in groups.TARGETS:
        v.add(label, "CPU time", ratios_of(times, operations, kinds), ns)
        v.add(label, "instructions", ratios_of(results.instructions, operations, kinds), instructions)
    label = "malloc and free, 16 B to 4 KiB, any kind, against jemalloc's malloc and free"
    v.add(label, "CPU time", ratios_of(times, groups.PAIRS, groups.EVERY, "jemalloc"), 1.0)
    v.add(label, "instructions", ratios_of(results.instructions, groups.PAIRS, groups.EVERY, "jemalloc"), 0.85)
    counts = [results.instructions[f"ours {kind}"][key] for kind in groups.EVERY for key in groups.PAIRS
              if key in results.instructions.get(f"ours {kind}", {})]
    v.add("the same: instructions of a pair, the loop included", "number", counts, 65)
    for table_name, values in (("CPU time", times), ("instructions", results.instructions)):
        same = []
        for kind in groups.EVERY:
            own = values.get(f"ours {kind}", {})
            for op, size in groups.FDETS:
                a, b = own.get((op, size)), own.get(("pair", size))
                if a and b:
                    same.append(median_ratio(a, b) if isinstance(a, list) else a / b)
        v.add("free(NULL) against free(kind), ours", table_name, same, 1.10)
    best = [times[name].get(("larson", 512)) for name in ("jemalloc", "mimalloc", "tcmalloc") if name in times]
    best = [values for values in best if values]
    if best:
        fastest = min(best, key=median)
        v.add("larson, 2 threads, any kind, against the best of jemalloc, mimalloc, tcmalloc", "CPU time",
              [median_ratio(times[f"ours {kind}"][("larson", 512)], fastest) for kind in groups.EVERY
               if ("larson", 512) in times.get(f"ours {kind}", {})], 1.15)
    v.add("creating a pmem or fixed kind", "CPU time", life_ratios(results, "create", groups.DYNAMIC, "create"), 0.05)
    v.add("creating a fixed kind, and its first block", "CPU time",
          life_ratios(results, "create", ("fixed",), "create+first"), 0.4)
    v.add("creating a pmem kind, and its first block", "CPU time",
          life_ratios(results, "create", ("pmem",), "create+first"), 0.7)
    v.add("resident memory of a dynamic kind after one small block", "KiB",
          life_ratios(results, "create", groups.DYNAMIC, "rss-used"), 0.25)
    v.add("resident memory after ten million mixed operations", "KiB",
          life_ratios(results, "memory", groups.EVERY, "rss-mixed"), 1.05)
    if "original" in results.start and "ours" in results.start:
        ours, original = results.start["ours"], results.start["original"]
        v.add("process start, added by the library", "CPU time", [ours[1] / original[1]], 0.4)
        if ours[2] and original[2]:
            v.add("process start, added by the library", "instructions", [ours[2] / original[2]], 0.12)
    return v


def start_tables(results):
    if not results.start:
        return []
    rows = [[name, number(cpu, 0), number(added, 0), number(counted / 1e6, 2) if counted is not None else "–"]
            for name, (cpu, added, counted) in results.start.items()]
    return ["## Process start", "", "A program that does nothing, linked with a memkind or with an allocator in LD_PRELOAD; "
            "CPU time from fork to exit, medians of 201 interleaved starts.", ""] + table(
                ["library", "CPU µs", "added µs", "added, million instructions"], rows)


def life_tables(results):
    if not results.life:
        return []
    rows = []
    names = {"create": "µs, creation", "first": "µs, first block", "create+first": "µs, both", "destroy": "µs, destruction",
             "rss": "KiB resident", "virt": "KiB of addresses", "rss-used": "KiB resident with one block",
             "virt-used": "KiB of addresses with one block", "number": "kinds that can be had",
             "rss-mixed": "KiB resident in the process after ten million operations", "live": "KiB that the program holds then",
             "rss-freed": "KiB resident in the process when all is freed"}
    for (what, kind, name), values in results.life.items():
        ours, original = (median(values.get(who, [])) for who in ("ours", "original"))
        rows.append([f"{kind}: {names[name]}" + (", the first kind of a process" if what == "first" else ""),
                     number(ours), number(original), number(ours / original, 3) if ours is not None and original else "–"])
    return ["## Kinds: time and memory", "", "One kind among 40, if not said otherwise; CPU time, medians.", ""] + table(
        ["kind", "ours", "original", "ratio"], rows)


def scaling_tables(results, found):
    lines = per_operation(results.live, found, "Live objects",
                          "CPU ns for replacing one of the given number of live blocks of 64 bytes.")
    lines = [re.sub(r"^\| live (\d+) B ", r"| \1 ", line) for line in lines]
    if results.many:
        rows = []
        for n in groups.MANY_KINDS:
            row = [str(n)]
            for kind in groups.DYNAMIC:
                values = results.many.get((kind, n, "pair"), {})
                row += [number(median(values.get(who, []))) for who in ("ours", "original")]
            rows.append(row)
        lines += ["## Number of kinds", "", "CPU ns for malloc and free of 64 bytes, each time in the next one of the given number of kinds.",
                  ""] + table(["kinds"] + [f"{who} {kind}" for kind in groups.DYNAMIC for who in ("ours", "original")], rows)
    return lines


def full_tables(results):
    if not results.full:
        return []
    columns = [(who, kind) for kind in groups.DYNAMIC for who in ("ours", "original")]
    rows = []
    for size, _ in groups.EVICTED:
        for threads in groups.EVICTING:
            row = [size_text(size), str(threads)]
            for who, kind in columns:
                took, held = (median(results.full.get((kind, size, threads, name), {}).get(who, []))
                              for name in ("block", "held"))
                row.append(f"{number(took, 2)}, {number(held, 0)} %")
            rows.append(row)
    return ["## Full kinds", "",
            "CPU µs for a block when threads have filled a kind of 64 MiB, and free their oldest blocks to make room for",
            "new ones of up to that many bytes; and the part of the kind that their blocks take when one is refused.",
            ""] + table(["up to", "threads"] + [f"{who} {kind}" for who, kind in columns], rows)


# ---- Plots ----

def plot_names(found, values):
    wanted = ["ours default", "ours regular", "ours pmem", "ours fixed", "original default", "original regular",
              "original pmem", "original fixed"] + list(ALLOCATORS)
    return [name for name in wanted if name in values and any(target.name == name for target in found)]


def plots(directory, name, found, results):
    names = plot_names(found, results.ns)
    lines = {n: [(size, median(results.ns[n][("pair", size)])) for op, size in results.ns[n] if op == "pair"] for n in names}
    written = []
    if any(lines.values()):
        written.append((f"{name}-pair.svg", plot.lines("malloc and free of one size", "bytes", "CPU ns", lines)))
    chosen = [(table_, op, size) for table_, op, size in (
        (results.ns, "pair", 64), (results.ns, "fdet", 64), (results.ns, "lifo", 64), (results.ns, "rand", 256),
        (results.ns, "mixed", 1024), (results.ns, "rgrow", 1024), (results.threaded, "larson", 512),
        (results.threaded, "xmalloc", 256), (results.threaded, "rptest", 1000))
        if any((op, size) in table_.get(n, {}) for n in names)]
    bars = [(f"{op} {size_text(size)}", [(n, median(table_.get(n, {}).get((op, size), []))) for n in names])
            for table_, op, size in chosen]
    if bars:
        written.append((f"{name}-operations.svg", plot.bars("CPU time per operation", "ns", bars)))
    if results.live:
        names = plot_names(found, results.live)
        lines = {n: [(size, median(values)) for (_, size), values in results.live[n].items()] for n in names}
        written.append((f"{name}-live.svg", plot.lines("replacing one of many live blocks", "live blocks", "CPU ns", lines)))
    for file, text in written:
        with open(os.path.join(directory, file), "w", encoding="utf-8") as out:
            out.write(text)
    return [file for file, _ in written]


# ---- All of it ----

LEGEND = """An operation is one malloc and one free, if not said otherwise. pair: at once; fdet: with the kind left
to the library (NULL); lifo, fifo, rand: of 1000 live blocks in that order; mixed: replacing random ones of 1000
live blocks of 1 byte to that size; mlifo: nested bursts of 8 to 23; build: 16000 live blocks; rgrow: one realloc of a
block that grows by half at a time; rgaps: the same in a heap that has been in use; usable, det, unull: one memkind_malloc_usable_size with the kind,
memkind_detect_kind, usable size with NULL. touch: malloc, writing to every page, free; turns: the same of
six arrays, all live at a time, by the MiB; agrow: one realloc of an array that grows by half, with touching what is new. brief: a thread that allocates
and frees 20 blocks; one thread. Each figure contains the loop around the call, about 13 instructions."""


TITLES = {"full": "Allocators compared: everything", "quick": "Allocators compared: the most important figures",
          "arrays": "Arrays: blocks of 128 KiB to 1 GiB", "start": "The start of a program"}


def write(directory, name, found, results, took, rounds, threads):
    command = {"full": "make bench", "quick": "make bench-quick"}.get(name, f"make bench-{name}")
    v = verdicts(results)
    lines = [f"# {TITLES[name]}", "",
             f"Written by `{command}` in {duration(took)}; see [bench/README.md](../../bench/README.md). "
             "*original* is the distribution's libmemkind, *ours* this one.", "", *machine(), ""]
    if v.rows:
        lines += ["## Targets", "", f"Ratios, ours to the original's, smallest to largest of the operations and kinds in the row: {v.met} "
              f"met, {v.missed} missed. CPU time: medians of the ratios of {rounds} rounds that five processes of each target share, all targets in turn.", ""]
        lines += table(["what", "of", "ratio", "target", "verdict"], v.rows)
    lines += [f"![{file}]({file})" for file in plots(directory, name, found, results)] + [""]
    lines += per_operation(results.ns, found, "One thread: CPU ns per operation", LEGEND)
    lines += per_operation(results.instructions, found, "One thread: instructions per operation",
                           "Counted by callgrind; the difference of two numbers of operations, so that start-up cancels.", 0)
    lines += per_operation(results.threaded, found, f"{threads} threads: CPU ns per operation",
                           "CPU time of all threads, by the operations of all threads. bench/threads.h and kernels.h describe "
                           "the workloads; simple and mlarge have one thread.")
    lines += start_tables(results) + life_tables(results) + full_tables(results) + scaling_tables(results, found)
    path = os.path.join(directory, f"{name}.md")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines).rstrip() + "\n")
    print("\n".join(" | ".join(row) for row in v.rows))
    print(f"{v.met} met, {v.missed} missed; written to {path}")
