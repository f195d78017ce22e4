"""An in-memory database with limits on its resources, which a signal can interrupt."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import duckdb

from sysmon.analyze.trace import memory_limit, scratch
from sysmon.errors import BadRequest

MEMORY_BYTES = 512 << 20
"""Most memory that DuckDB may use, but never more than half of what the process may; the rest goes to temporary files.

With Python, Arrow and the footer the process stays below 1 GB, as benchmarks/reading.py shows.
"""

SPILL_BYTES = 2 << 30
"""Most temporary files may take: a file of 8 MB can cause a sort of any size."""

TOO_LARGE = f"needs more than {SPILL_BYTES >> 30} GB of temporary files, or more memory than available"

_open: weakref.WeakSet[Database] = weakref.WeakSet()

_closing = threading.Lock()
"""Held while a database is interrupted or closed: never both at once."""


class Database:
    """A `connect` connection with a directory of its own for what does not fit into memory."""

    def __init__(self, of: str = "trace") -> None:
        """`of`: what it belongs to, for messages."""
        self._of = of
        try:
            spill = scratch.new_directory()
        except OSError:  # a full or read-only disk: most queries need none
            spill = None
        self._connection = connect(spill)
        self._is_closed = False
        self._remove = weakref.finalize(self, scratch.remove, spill) if spill else None
        _open.add(self)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """What it is asked by. Raises BadRequest if it is closed."""
        self.require_open()
        return self._connection

    def interrupt(self) -> None:
        """Ends a running query with an error. Callable from any thread."""
        with _closing:
            if not self._is_closed:
                self._connection.interrupt()

    def require_open(self) -> None:
        """Raises BadRequest if it is closed."""
        if self._is_closed:
            raise BadRequest(f"the {self._of} is closed: open it again, and read its rows before it is closed")

    def close(self) -> None:
        """Closes it, and removes its temporary files."""
        with _closing:
            _open.discard(self)
            self._is_closed = True
        self._connection.close()
        if self._remove:
            self._remove()


def interrupt_all() -> None:
    """Ends the running queries of all databases with an error. Callable from any thread."""
    with _closing, contextlib.suppress(RuntimeError, duckdb.Error):  # one is being created at this moment
        for database in list(_open):
            database.connection.interrupt()


def connect(spill: Path | None) -> duckdb.DuckDBPyConnection:
    """An in-memory database that loads no extension and sees no Python variable."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": f"{min(MEMORY_BYTES, memory_limit.available_bytes() // 2)}B",
        "python_enable_replacements": False,
        "temp_directory": str(spill or ""),
        "threads": min(8, os.cpu_count() or 1),
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute(f"SET max_temp_directory_size = '{SPILL_BYTES}B'")  # has no effect in `config`
    return connection
