# SPDX-License-Identifier: BSD-2-Clause
"""The library from Python, through ctypes, as scripts use it.

usage: client.py LIBRARY-DIRECTORY
"""
import ctypes
import os
import sys

lib = ctypes.CDLL("libmemkind.so.0", mode=ctypes.RTLD_GLOBAL, use_errno=True)
lib.memkind_malloc.restype = ctypes.c_void_p
lib.memkind_malloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
lib.memkind_malloc_usable_size.restype = ctypes.c_size_t
lib.memkind_malloc_usable_size.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
lib.memkind_realloc.restype = ctypes.c_void_p
lib.memkind_realloc.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
lib.memkind_detect_kind.restype = ctypes.c_void_p
lib.memkind_detect_kind.argtypes = [ctypes.c_void_p]
lib.memkind_free.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
lib.memkind_free.restype = None
lib.memkind_get_capacity.restype = ctypes.c_ssize_t
lib.memkind_get_capacity.argtypes = [ctypes.c_void_p]

with open("/proc/self/maps", encoding="ascii") as maps:
    mapped = {line.split()[-1] for line in maps if "libmemkind" in line}
directory = os.path.realpath(sys.argv[1])
assert mapped and all(os.path.realpath(path).startswith(directory + "/") for path in mapped), mapped

for name in ("MEMKIND_DEFAULT", "MEMKIND_REGULAR", "MEMKIND_INTERLEAVE"):
    kind = ctypes.c_void_p.in_dll(lib, name)
    assert ctypes.string_at(kind.value + 12) == name.lower().encode(), name
    assert lib.memkind_get_capacity(kind) > 0, name
    block = lib.memkind_malloc(kind, 1000)
    assert block and lib.memkind_detect_kind(block) == kind.value, name
    assert lib.memkind_malloc_usable_size(kind, block) == 1024, name
    ctypes.memmove(block, b"x" * 1000, 1000)
    block = lib.memkind_realloc(kind, block, 100000)
    assert ctypes.string_at(block, 1000) == b"x" * 1000, name
    lib.memkind_free(None, block)
    ctypes.set_errno(0)
    assert lib.memkind_malloc(kind, ctypes.c_size_t(-1).value) is None, name
    assert ctypes.get_errno() == 12, name
