# SPDX-License-Identifier: BSD-2-Clause
"""The Python module at its edges: the end of the interpreter, reference cycles, copies, pickles, numbers and strings that
C would take for others."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import tempfile

import memkind


def refused(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return
    sys.exit(f"{arguments!r} was not refused")


def in_order(make):
    """Which of the two functions of the library ended what `make` has made: its block and its kind, in a cycle."""
    calls = []
    free, destroy = memkind._free, memkind._destroy_kind
    memkind._free = lambda *arguments: (calls.append("free"), free(*arguments))
    memkind._destroy_kind = lambda *arguments: (calls.append("destroy"), destroy(*arguments))
    try:
        make()
        gc.collect()
    finally:
        memkind._free, memkind._destroy_kind = free, destroy
    return calls


AT_EXIT = """
import atexit
array = None
@atexit.register
def late():
    print(array[0], flush=True)
import memkind
array = memkind.create_pmem({!r}, 64 << 20).buffer(1 << 20, zeroed=True)
"""

with tempfile.TemporaryDirectory() as directory:
    # What is alive at the end of the interpreter can still be read there.
    output = subprocess.run([sys.executable, "-c", AT_EXIT.format(directory)], stdout=subprocess.PIPE)
    assert (output.returncode, output.stdout) == (0, b"b'\\x00'\n"), output

    def cycle():
        kind = memkind.create_pmem(directory, 64 << 20)
        kind.blocks = [kind.buffer(1000), kind.buffer(1 << 20)]

    assert in_order(cycle) == ["free", "free", "destroy"]

    # Copies of a kind are the kind; pickles are for static kinds only.
    kind = memkind.create_pmem(directory, 64 << 20)
    refused(TypeError, pickle.dumps, kind)
    twins = [copy.copy(kind), copy.deepcopy({"kind": kind})["kind"]]
    del kind
    gc.collect()
    for twin in twins:
        block = twin.buffer(100)
        assert twin.holds(block)
    del twin, twins, block

    # Numbers that C would take for others.
    refused(ValueError, memkind.create_pmem, directory, -1)
    refused(ValueError, memkind.create_pmem, directory, 1 << 64)
    refused(TypeError, memkind.create_pmem, directory, 1.5)
    refused(ValueError, memkind.create_nodes, "0", 1 << 32)
    # Directories by any name, and no part of one.
    refused(ValueError, memkind.create_pmem, directory + "\0/nonexistent")
    refused(ValueError, memkind.create_nodes, "0\0,nonsense")
    odd = os.path.join(os.fsencode(directory), b"caf\xe9")
    os.mkdir(odd)
    for name in (odd, os.fsdecode(odd)):
        assert memkind.create_pmem(name, 64 << 20).buffer(10) is not None

regular = memkind.kind("regular")
again = pickle.loads(pickle.dumps(regular))
assert again.holds(regular.buffer(10)) and again.name == regular.name
for size in (-1, -(1 << 64)):
    refused((ValueError, OverflowError), regular.buffer, size)
for size in (1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) + 100):
    refused(MemoryError, regular.buffer, size)
for size in (1.5, "1", None):
    refused(TypeError, regular.buffer, size)

try:
    memkind.create_nodes("nonsense")
except memkind.MemkindError as caught:
    error = caught
for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
    assert (type(twin), twin.code, str(twin)) == (memkind.MemkindError, error.code, str(error)), twin

try:
    import numpy
except ImportError:
    sys.exit(0)
assert regular.zeros(numpy.int64(3)).shape == (3,)
assert len(regular.buffer(numpy.uint8(7))) == 7
assert regular.empty((numpy.int64(2), 3)).shape == (2, 3)
refused(MemoryError, regular.empty, (numpy.int64(1 << 40), numpy.int64(1 << 40)))
refused(ValueError, regular.empty, (-2, -3))
