# SPDX-License-Identifier: BSD-2-Clause
"""The Python module: blocks are of their kind, live as long as what uses them, and go afterwards."""

import gc
import os
import sys
import tempfile

import memkind

assert memkind.version() >= (1, 15, 0)
default = memkind.kind("default")
assert default.available and default.capacity is None or default.capacity > 0

buffer = default.buffer(1000, zeroed=True)
assert len(buffer) == 1000 and bytes(buffer) == bytes(1000)
assert default.holds(buffer) and not memkind.kind("REGULAR").holds(buffer)
assert len(default.buffer(0)) == 0
try:
    default.buffer(1 << 60)
except MemoryError:
    pass
else:
    sys.exit("more memory than any machine has was granted")
try:
    memkind.kind("NONSENSE")
except ValueError:
    pass
else:
    sys.exit("a kind that does not exist was found")
try:
    memkind.create_pmem("/nonexistent")
except memkind.MemkindError as error:
    assert error.code == -13 and "Invalid" in str(error), error
else:
    sys.exit("a file was made in a directory that does not exist")

descriptors = len(os.listdir("/proc/self/fd"))
with tempfile.TemporaryDirectory() as directory:
    file = memkind.create_pmem(directory, 64 << 20)
    assert file.capacity == 64 << 20
    part = file.buffer(1 << 20)
    part[0] = b"x"
    del file
    gc.collect()
    assert part[0] == b"x" and part.memkind.holds(part)
    del part
    gc.collect()
assert len(os.listdir("/proc/self/fd")) == descriptors, "the file of a kind that is gone is still open"

nodes = memkind.create_nodes("0", memkind.PREFERRED)
assert nodes.holds(nodes.buffer(10))

try:
    import numpy
except ImportError:
    print("no numpy: its part is left out")
    sys.exit(0)
array = nodes.zeros((300, 400), dtype="float32")
assert array.shape == (300, 400) and not array.any() and nodes.holds(array)
row = array[7]
row += 2
del array
gc.collect()
assert (row == 2).all() and nodes.holds(row)
total = nodes.empty(10)
total[:] = range(10)
assert total.sum() == 45 and nodes.empty((0, 3)).size == 0
try:
    nodes.empty(3, dtype=object)
except TypeError:
    pass
else:
    sys.exit("Python objects were put where the collector does not see them")
