# SPDX-License-Identifier: BSD-2-Clause
"""Memory of a chosen kind, for Python: numpy arrays in high-bandwidth memory, in a file, on named nodes.

    import memkind
    fast = memkind.kind("HBW_PREFERRED")
    array = fast.empty((1000, 1000), dtype="float64")     # needs numpy
    buffer = fast.buffer(4096)                            # a ctypes array

An array or a buffer holds its block: the block is freed when nothing refers to it any more, and the kind stays for
as long as blocks of it do. What is alive when the interpreter ends stays until the process does. All functions may be
called from any thread.
"""

import ctypes
import math
import operator
import os
import sys
import weakref

__all__ = ["Kind", "MemkindError", "kind", "create_pmem", "create_nodes", "version", "BIND", "PREFERRED", "INTERLEAVE"]

BIND, PREFERRED, INTERLEAVE = 0, 1, 2
_MOST = ctypes.c_size_t(-1).value
_TOO_LITTLE = "not enough memory of kind {}"

_library = ctypes.CDLL("libmemkind.so.0", use_errno=True)


def _declare(name, result, *arguments):
    try:
        function = getattr(_library, name)
    except AttributeError:
        raise ImportError("libmemkind.so.0 is older than 1.15.0, the first version that has "
                          f"{name}(); LD_LIBRARY_PATH can name the directory of another one") from None
    function.restype = result
    function.argtypes = arguments
    return function


_p, _size, _int, _text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p
_malloc = _declare("memkind_malloc", _p, _p, _size)
_calloc = _declare("memkind_calloc", _p, _p, _size, _size)
_free = _declare("memkind_free", None, _p, _p)
_usable_size = _declare("memkind_malloc_usable_size", _size, _p, _p)
_check_available = _declare("memkind_check_available", _int, _p)
_get_capacity = _declare("memkind_get_capacity", ctypes.c_ssize_t, _p)
_detect_kind = _declare("memkind_detect_kind", _p, _p)
_create_pmem = _declare("memkind_create_pmem", _int, _text, _size, ctypes.POINTER(_p))
_create_nodes = _declare("memkind_create_nodes", _int, _text, _int, ctypes.POINTER(_p))
_destroy_kind = _declare("memkind_destroy_kind", _int, _p)
_error_message = _declare("memkind_error_message", None, _int, _text, _size)
_get_version = _declare("memkind_get_version", _int)


class MemkindError(OSError):
    """A function of the library refused; `code` is what it returned."""

    def __init__(self, code):
        text = ctypes.create_string_buffer(128)
        _error_message(code, text, len(text))
        super().__init__(code, text.value.decode())
        self.code = code

    # As OSError has it, pickling would hand both arguments over.
    def __reduce__(self):
        return type(self), (self.code,), self.__dict__


def _check(code):
    if code != 0:
        raise MemkindError(code)


def _number(value, what, most):
    """The value as a whole number from 0 to `most`; C would take another modulo a power of two."""
    value = operator.index(value)
    if not 0 <= value <= most:
        raise ValueError(f"{what} is a number from 0 to {most}, not {value}")
    return value


def _string(text):
    """The text, if it has no NUL: C would take what stands before it."""
    if b"\0" in text:
        raise ValueError("embedded null byte")
    return text


def _when_gone(thing, function, *arguments):
    """Has a function called when nothing refers to `thing` any more, but not at the end of the interpreter: others may
    still use it then."""
    weakref.finalize(thing, function, *arguments).atexit = False


class _Owner:
    """Keeps the memory of a kind that the program has made: the kind refers to it, and so does each block until it is
    freed. The collector may end a block and its kind in any order, but their owner only after both."""


def _free_of(_owner, block):
    """Frees a block, whose owner has lived until now."""
    _free(None, block)


def version():
    """The library's version, for instance (1, 15, 0)."""
    number = _get_version()
    return number // 1000000, number // 1000 % 1000, number % 1000


class Kind:
    """A kind of memory. Made by `kind`, `create_pmem` and `create_nodes`."""

    def __init__(self, handle, name, destroy):
        self._handle = handle
        self.name = name
        self._owner = _Owner() if destroy else None
        if destroy:
            _when_gone(self._owner, _destroy_kind, handle)

    def __repr__(self):
        return f"<memkind.Kind {self.name}>"

    # A handle means nothing in another process.
    def __reduce__(self):
        if self._owner is not None:
            raise TypeError(f"cannot pickle a kind that the program has made: {self.name}")
        return kind, (self.name,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    @property
    def available(self):
        """Whether this machine has such memory."""
        return _check_available(self._handle) == 0

    def check(self):
        """Raises MemkindError with the reason if this machine has no such memory."""
        _check(_check_available(self._handle))

    @property
    def capacity(self):
        """The most bytes that the kind can hold; None where that is not known."""
        capacity = _get_capacity(self._handle)
        return None if capacity < 0 else capacity

    def buffer(self, size, zeroed=False):
        """A ctypes array of `size` bytes; MemoryError if there is not enough memory."""
        size = operator.index(size)
        if size > sys.maxsize:
            raise MemoryError(_TOO_LITTLE.format(self.name))
        array_type = ctypes.c_char * size
        if size == 0:
            array = array_type()
        else:
            block = _calloc(self._handle, 1, size) if zeroed else _malloc(self._handle, size)
            if block is None:
                raise MemoryError(_TOO_LITTLE.format(self.name))
            array = array_type.from_address(block)
            _when_gone(array, _free_of, self._owner, block)
        array.memkind = self
        return array

    def _array(self, shape, dtype, order, zeroed):
        import numpy

        dtype = numpy.dtype(dtype)
        if dtype.hasobject:
            raise TypeError("arrays of Python objects cannot be in a kind")
        shape = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
        shape = tuple(operator.index(length) for length in shape)
        count = math.prod(shape)
        buffer = self.buffer(max(count * dtype.itemsize, 1), zeroed)
        return numpy.ndarray(shape, dtype, buffer, order=order)

    def empty(self, shape, dtype="float64", order="C"):
        """A numpy array in this kind, with any contents. Views of it keep the memory alive."""
        return self._array(shape, dtype, order, False)

    def zeros(self, shape, dtype="float64", order="C"):
        """A numpy array of zeroes in this kind."""
        return self._array(shape, dtype, order, True)

    def holds(self, array):
        """Whether the memory of a numpy array or a ctypes object is of this kind."""
        interface = getattr(array, "__array_interface__", None)
        address = interface["data"][0] if interface else ctypes.addressof(array)
        return _detect_kind(address) == self._handle


def kind(name):
    """A static kind of memkind(3) by its name, for instance "HBW" or "MEMKIND_HBW"."""
    name = name.upper()
    name = name if name.startswith("MEMKIND_") else "MEMKIND_" + name
    try:
        handle = _p.in_dll(_library, name).value
    except ValueError:
        raise ValueError(f"there is no kind {name}") from None
    return Kind(handle, name, False)


def create_pmem(directory, limit=0):
    """A kind on a temporary file in `directory` of at most `limit` bytes; 0 for no limit."""
    handle, directory = _p(), os.fsencode(directory)
    _check(_create_pmem(_string(directory), _number(limit, "a limit", _MOST), ctypes.byref(handle)))
    return Kind(handle.value, f"file in {os.fsdecode(directory)}", True)


def create_nodes(nodes, policy=BIND):
    """A kind on nodes, a list as numa(3) has them ("0,2-3"); `policy` is BIND, PREFERRED or INTERLEAVE."""
    handle = _p()
    policy = _number(policy, "a policy", (1 << 31) - 1)
    _check(_create_nodes(_string(str(nodes).encode()), policy, ctypes.byref(handle)))
    return Kind(handle.value, f"nodes {nodes}", True)
