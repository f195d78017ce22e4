"""Gives back the memory that starting took and recording does not need.

Reading BTF leaves free heap behind, and importing numpy and pyarrow touches far more of their libraries than is used
again. The library pages are clean and of files: what is needed comes back from the page cache.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MADV_PAGEOUT = 21  # since 5.4

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ [1-9]\d*\s+\S+\.so[.\d]*$")


class _Absent(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        return None


def do_without(name: str) -> None:
    """Makes a package look as if it were not installed, to those who would import it if it is.

    pyarrow imports pandas only to ask of each array whether it is a pandas one: 40 MB for nothing.
    """
    sys.meta_path.insert(0, _Absent(name))


def trim() -> None:
    """Gives free heap back."""
    ctypes.CDLL(None).malloc_trim(0)


def give_back() -> None:
    """Gives back free heap and library pages. Where the kernel refuses, memory stays as it was."""
    trim()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    with open("/proc/self/maps") as maps:
        mappings = [m for m in map(_MAPPING.match, maps.read().splitlines()) if m]
    for mapping in mappings:
        begin, end = int(mapping[1], 16), int(mapping[2], 16)
        if "w" not in mapping[3]:
            libc.madvise(begin, end - begin, MADV_PAGEOUT)
