# SPDX-License-Identifier: BSD-2-Clause
"""What a library costs besides its operations: process start, kinds, memory. Both libmemkinds in turn."""

import os
import re
import subprocess
import sys

import count
import groups
import timing
from targets import BUILD

ROUNDS = 5
MIXED_OPERATIONS = 10_000_000


def ask(target, *words):
    """{name: value} that the program lifecycle prints."""
    run = subprocess.run([os.path.join(BUILD, "lifecycle"), *map(str, words)], env=target.environment(),
                         capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{target.library}, {' '.join(map(str, words))}: {run.stderr.strip() or run.returncode}", file=sys.stderr)
        return {}
    return {name: float(value) for name, value in (line.split() for line in run.stdout.splitlines())}


def note(table, library, what, values):
    for name, value in values.items():
        table.setdefault((*what, name), {}).setdefault(library, []).append(value)


def measure_kinds(libraries, results, say):
    say("kinds: creation, first block, memory")
    for _ in range(ROUNDS):
        for target in libraries:
            for kind in groups.DYNAMIC:
                note(results.life, target.library, ("create", kind), ask(target, "create", kind))
            for kind in groups.EVERY:
                note(results.life, target.library, ("first", kind), ask(target, "first", kind))
    for target in libraries:
        for kind in groups.DYNAMIC:
            note(results.life, target.library, ("number", kind), ask(target, "number", kind))
    say("memory after ten million operations")
    for target in libraries:
        for kind in groups.EVERY:
            note(results.life, target.library, ("memory", kind), ask(target, "memory", kind, MIXED_OPERATIONS))
    for size, n in groups.EVICTED:
        for threads in groups.EVICTING:
            say(f"a full kind, blocks up to {size} bytes, {threads} threads")
            for _ in range(3):
                for target in libraries:
                    for kind in groups.DYNAMIC:
                        note(results.full, target.library, (kind, size, threads),
                             ask(target, "evict", kind, n, size, threads))
    for n in groups.MANY_KINDS:
        say(f"{n} kinds")
        for _ in range(3):
            for target in libraries:
                for kind in groups.DYNAMIC:
                    note(results.many, target.library, (kind, n), ask(target, "many", kind, n))


def instructions(environment, program):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program],
                         env=dict(os.environ, **environment), capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    return int(found.group(1)) if found else None


def measure_start(found, results, say):
    """Programs that do nothing, alone and with each library; for memkind also linked with it."""
    say("process start")
    plain, linked, first = (os.path.join(BUILD, name) for name in ("hello", "hello-memkind", "hello-first"))
    programs = {"alone": ({}, plain)}
    for target in found:
        if target.how == "default":
            directory = os.path.join(BUILD, "libraries", target.library)
            os.makedirs(directory, exist_ok=True)
            link = os.path.join(directory, "libmemkind.so.0")
            if os.path.islink(link):
                os.unlink(link)
            os.symlink(os.path.realpath(target.path), link)
            programs[target.library] = ({"LD_LIBRARY_PATH": directory}, linked)
            programs[target.library + " + first malloc"] = ({"LD_LIBRARY_PATH": directory}, first)
        elif target.how in ("malloc", "scalable") and target.path:
            programs[target.library] = ({"LD_PRELOAD": target.path}, plain)
    words = []
    for environment, program in programs.values():
        words += ["--"] * bool(words) + [f"{name}={value}" for name, value in environment.items()] + [program]
    run = subprocess.run([os.path.join(BUILD, "start"), "201", *words], capture_output=True, text=True, check=True)
    rounds = [list(map(int, line.split())) for line in run.stdout.splitlines()]
    alone = [line[0] for line in rounds]
    alone_count = instructions({}, plain) if count.available() else None
    for column, (name, (environment, program)) in enumerate(programs.items()):
        added = [line[column] - base for line, base in zip(rounds, alone)]
        counted = instructions(environment, program) if alone_count else None
        results.start[name] = (timing.median([line[column] for line in rounds]), timing.median(added),
                               counted - alone_count if counted else None)


def measure(found, results, say):
    libraries = [target for target in found if target.how == "default"]
    measure_start(found, results, say)
    measure_kinds(libraries, results, say)
