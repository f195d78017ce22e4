"""A database in memory whose views are made when a statement first names them.

A trace has a hundred, of which a report reads ten. To make them all takes a tenth of a second, as long as most reports.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Iterable, Iterator
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

TOO_LARGE = f"needs more than {SPILL_BYTES >> 30} GB of temporary files, or more memory than there is"

QUALIFIED = re.compile(r'\b(\w+)\."?(\w+)')
WORD = re.compile(r"\w+")


_open: weakref.WeakSet[Database] = weakref.WeakSet()

_closing = threading.Lock()
"""Held by who interrupts a database or is about to close it: not both at once."""


class Database:
    """What `connect` gives, and what is made of it when it is named.

    `later` has statements that make a view, or another thing that SQL can name, as soon as it is named.
    """

    def __init__(self) -> None:
        try:
            spill = scratch.new_directory()
        except OSError:  # a disk that is full or cannot be written: most queries need none
            spill = None
        self.connection = connect(spill)
        self._remove = weakref.finalize(self, scratch.remove, spill) if spill else None
        _open.add(self)
        self._later: dict[tuple[str, str], str] = {}

    def later(self, schema: str, name: str, statement: str) -> None:
        """Makes it when `schema.name` stands in a statement, or in one that is made for that."""
        self._later[schema, name] = statement

    def _needed(self, sql: str) -> Iterator[str]:
        """The statements that are to be run before this one, in their order."""
        for schema, name in QUALIFIED.findall(sql):
            yield from self._statements(schema, name)

    def _statements(self, schema: str, name: str) -> Iterator[str]:
        statement = self._later.pop((schema, name), None)
        if statement is not None:
            yield from self._needed(statement)
            yield statement

    def _run(self, statements: Iterable[str]) -> None:
        made = [statement.rstrip().rstrip(";") for statement in statements]
        if made:
            self.connection.execute(";\n".join(["BEGIN", *made, "COMMIT"]))  # one by one they take twice as long

    def make_all(self) -> None:
        """Makes all that is to be made later."""
        self._run([made for names in list(self._later) for made in self._statements(*names)])

    def execute(self, sql: str, values: object = None) -> duckdb.DuckDBPyConnection:
        """As the method of a connection."""
        self._run(self._needed(sql))
        return self.connection.execute(sql, values)

    def sql(self, query: str, params: object = None) -> duckdb.DuckDBPyRelation:
        """As the method of a connection. What is in `main` can be named without the name of that schema."""
        words = [("main", word.lower()) for word in WORD.findall(query)]
        self._run([*self._needed(query), *(made for word in words for made in self._statements(*word))])
        return self.connection.sql(query, params=params)

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
