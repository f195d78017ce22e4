"""Returns memory that start-up used and recording does not need.

Reading BTF leaves free heap behind, and importing numpy and pyarrow touches far more of their libraries than is used
again. The library pages are clean and file-backed: they come back from the page cache when needed.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from sysmon.bpf.trace_file.heap import trim

MADV_DONTNEED = 4

POOL_VARIABLE = "ARROW_DEFAULT_MEMORY_POOL"

_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ [1-9]\d*\s+\S+\.so[.\d]*$")


class _Absent(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self._name:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        return None


def before_arrow() -> None:
    """Imports pyarrow so that it uses little memory. Call it before anything else imports pyarrow."""
    # pyarrow imports pandas only to check whether arrays are pandas ones: 40 MB for nothing.
    sys.meta_path.insert(0, _Absent("pandas"))
    # Unlike pyarrow's other allocators malloc returns free memory. pyarrow.set_memory_pool() does not affect its C++
    # parts, such as the Parquet writer; the variable is read once, and no child command may see it.
    before = os.environ.get(POOL_VARIABLE)
    os.environ[POOL_VARIABLE] = "system"
    importlib.import_module("pyarrow").default_memory_pool()
    if before is None:
        del os.environ[POOL_VARIABLE]
    else:
        os.environ[POOL_VARIABLE] = before


def give_back() -> None:
    """Returns free heap memory, and library pages, which come back from the page cache when they are used."""
    trim()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for begin, end in _clean_mappings():
        libc.madvise(begin, end - begin, MADV_DONTNEED)


def _clean_mappings() -> list[tuple[int, int]]:
    """Read-only library mappings without private (such as relocated) pages."""
    found: list[tuple[int, int]] = []
    candidate = None
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            if mapping := _MAPPING.match(line):
                candidate = None if "w" in mapping[3] else (int(mapping[1], 16), int(mapping[2], 16))
            elif candidate and line.startswith("Anonymous:"):
                if int(line.split()[1]) == 0:
                    found.append(candidate)
                candidate = None
    return found
