"""A database in memory, with bounds on what it may take, that a signal can interrupt."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import duckdb

from sysmon.analyze.trace import memory_limit, scratch

MEMORY_BYTES = 512 << 20
"""The most that DuckDB may use, but never over half of what the process may; the rest goes to temporary files.

With Python, Arrow and what a file's footer takes the process stays below 1 GB, as benchmarks/reading.py shows.
"""

SPILL_BYTES = 2 << 30
"""The most that these may take: a file of 8 MB can ask for a sort of any size."""

TOO_LARGE = f"needs more than {SPILL_BYTES >> 30} GB of temporary files, or more memory than available"

_open: weakref.WeakSet[Database] = weakref.WeakSet()

_closing = threading.Lock()
"""Held by who interrupts a database or is about to close it: not both at once."""


class Database:
    """What `connect` gives, with a directory of its own for what does not fit into memory."""

    def __init__(self) -> None:
        try:
            spill = scratch.new_directory()
        except OSError:  # a disk that is full or cannot be written: most queries need none
            spill = None
        self.connection = connect(spill)
        self._remove = weakref.finalize(self, scratch.remove, spill) if spill else None
        _open.add(self)

    def close(self) -> None:
        """Ends it, and removes its temporary files."""
        with _closing:
            _open.discard(self)
        self.connection.close()
        if self._remove:
            self._remove()


def interrupt_all() -> None:
    """Has the queries that run in all databases end with an error. From any thread."""
    with _closing, contextlib.suppress(RuntimeError, duckdb.Error):  # one is made at this moment
        for database in list(_open):
            database.connection.interrupt()


def connect(spill: Path | None) -> duckdb.DuckDBPyConnection:
    """A database in memory that fetches no extension and sees no variable of Python."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": f"{min(MEMORY_BYTES, memory_limit.available_bytes() // 2)}B",
        "python_enable_replacements": False,
        "temp_directory": str(spill or ""),
        "threads": min(8, os.cpu_count() or 1),
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute(f"SET max_temp_directory_size = '{SPILL_BYTES}B'")  # in `config` it has no effect
    return connection
