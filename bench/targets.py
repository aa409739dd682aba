# SPDX-License-Identifier: BSD-2-Clause
"""What is compared: libraries, and the kinds of those that are memkinds."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "bench")
LAYOUTS = 5  # of the worker's code
KINDS = ("default", "regular", "hbw", "pmem", "fixed")

# name: (file, how the worker calls it, Debian package)
ALLOCATORS = {
    "glibc": (None, "malloc", "libc6"),
    "jemalloc": ("libjemalloc.so.2", "malloc", "libjemalloc2"),
    "mimalloc": ("libmimalloc.so.2", "malloc", "libmimalloc2.0"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "malloc", "libtcmalloc-minimal4"),
    "tbb": ("libtbbmalloc.so.2", "scalable", "libtbbmalloc2"),
}


def worker(layout):
    """The name of the program with the given layout: the number of steps by which its code is shifted."""
    return f"worker-{layout}" if layout else "worker"


class Target:
    """A library and, for a memkind, one of its kinds."""

    def __init__(self, library, path, how):
        self.library, self.path, self.how = library, path, how
        self.name = library if library in ALLOCATORS else f"{library} {how}"

    def environment(self):
        env = dict(os.environ, MEMKIND_HBW_NODES="0")
        for variable in ("LD_PRELOAD", "LD_LIBRARY_PATH", "MALLOC_CONF", "JEMK_MALLOC_CONF", "_RJEM_MALLOC_CONF"):
            env.pop(variable, None)
        if self.path:
            env["LD_PRELOAD"] = self.path
        return env

    def command(self, layout=0):
        return [os.path.join(BUILD, worker(layout % LAYOUTS)), self.how]


def system_directory():
    triplet = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    return os.environ.get("MEMKIND_DIST_LIBDIR", f"/usr/lib/{triplet}")


def find_targets(ours, kinds=KINDS, allocators=tuple(ALLOCATORS)):
    """All targets that exist here: ours, the original, the general allocators. Says which are missing."""
    directory = system_directory()
    found, missing = [], []
    original = os.path.join(directory, "libmemkind.so.0")
    for library, path in (("ours", os.path.abspath(ours)), ("original", original)):
        if os.path.exists(path):
            found += [Target(library, path, kind) for kind in kinds]
        elif library == "ours":
            sys.exit(f"{path} does not exist: run make first")
        else:
            missing.append("libmemkind0")
    for library in allocators:
        file, how, package = ALLOCATORS[library]
        path = os.path.join(directory, file) if file else None
        if path is None or os.path.exists(path):
            found.append(Target(library, path, how))
        else:
            missing.append(package)
    if missing:
        print("Not measured, because the packages are missing:", *missing, file=sys.stderr)
    return found


# program: (sources, further flags, libraries)
PROGRAMS = {
    **{worker(layout): (("layout.c", "worker.c", "target.c", "team.c"), [f"-DLAYOUT={layout}"], ["-lpthread"])
       for layout in range(LAYOUTS)},
    "lifecycle": (("lifecycle.c", "target.c"), [], ["-lpthread"]),
    "start": (("start.c",), [], []),
    "hello": (("hello.c",), [], []),
    "hello-memkind": (("hello.c",), ["-Wl,--no-as-needed"], ["-l:libmemkind.so.0"]),
    "hello-first": (("hello.c",), ["-DFIRST_MALLOC"], ["-l:libmemkind.so.0"]),
}


def compile_all(names=tuple(PROGRAMS)):
    """Compiles the programs that are older than their sources."""
    os.makedirs(BUILD, exist_ok=True)
    here = os.path.join(ROOT, "bench")
    made_from = [os.path.join(here, name) for name in os.listdir(here) if name.endswith((".c", ".h"))]
    newest = max(map(os.path.getmtime, made_from))
    flags = ["-std=gnu11", "-O2", "-fno-builtin", "-Wall", "-Wextra", "-Werror"]
    for name in names:
        sources, more, libraries = PROGRAMS[name]
        program = os.path.join(BUILD, name)
        if not os.path.exists(program) or os.path.getmtime(program) < newest:
            subprocess.run(["gcc", *flags, *more, "-o", program, *(os.path.join(here, source) for source in sources),
                            "-L" + os.path.join(ROOT, "build", "lib"), *libraries], check=True)
