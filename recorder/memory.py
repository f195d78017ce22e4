"""Gives back the memory that starting took and recording does not need.

Reading BTF leaves free heap behind, and importing numpy and pyarrow touches far more of their libraries than is used
again. The library pages are clean and of files: what is needed comes back from the page cache.
"""

from __future__ import annotations

import ctypes
import re

MADV_PAGEOUT = 21  # since 5.4

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ [1-9]\d*\s+\S+\.so[.\d]*$")


def give_back() -> None:
    """Does it. Where the kernel refuses, memory stays as it was."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc_trim(0)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    with open("/proc/self/maps") as maps:
        mappings = [m for m in map(_MAPPING.match, maps.read().splitlines()) if m]
    for mapping in mappings:
        begin, end = int(mapping[1], 16), int(mapping[2], 16)
        if "w" not in mapping[3]:
            libc.madvise(begin, end - begin, MADV_PAGEOUT)
