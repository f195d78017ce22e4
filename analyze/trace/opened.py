"""A source in a database of its own, and what has been made there of all that can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import duckdb

from sysmon.analyze.strace import function
from sysmon.analyze.trace import sandbox, variables, views
from sysmon.analyze.trace.catalog import Catalog, Entry
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.dataset import Dataset
from sysmon.analyze.trace.facts import facts
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.relations import relations_of
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.rules import shared_by
from sysmon.bpf.kinds import KINDS
from sysmon.safe_text import one_line

OWN = ("finding.", "follow.", "event.")
"""Schemas of views that are made when they are named."""


class Opened:
    """Owns its source. `close` removes what was made for reading; then everything raises BadRequest."""

    def __init__(self, source: Dataset | Growing) -> None:
        self.source = source
        self._documented = False
        try:
            self._database = Database()
        except BaseException:
            source.discard()
            raise
        self.relations = relations_of(self._database, source)
        try:
            with self.reading():
                self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        run = self._database.connection
        kinds = self.relations.kinds()
        shared = (Entry.of(v) if kinds.issuperset(v.only_of) else Entry.without_rows(v) for v in shared_by())
        entries = (*self.relations.entries(), *shared)
        function.add_to(run, self.source.held)
        self._catalog = Catalog(run, entries, self.relations.before)
        variables.of_recording(run, self.source.recording)
        run.execute("SET lock_configuration = true")

    def require_open(self) -> None:
        """Raises BadRequest if it is closed."""
        self._database.require_open()

    def interrupt(self) -> None:
        """Ends a running query with an error. May be called from another thread."""
        self._database.interrupt()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Its connection."""
        self.require_open()
        return self._database.connection

    @property
    def catalog(self) -> Catalog:
        """What it can be asked."""
        self.require_open()
        return self._catalog

    def require(self, names: Iterable[str]) -> None:
        """Creates these and what they need."""
        with self.reading():
            again = self.catalog.require(names)
            if self._documented and again:  # a replaced view loses its comments
                self.connection.execute(";".join(_comments()))

    def make_all(self) -> None:
        """Creates everything that a query can name, with its documentation, but computes nothing yet."""
        if self._documented:
            return
        self._documented = True
        with self.reading():
            # Computing them takes a second; planning them as views of views of views takes DuckDB eight.
            self.catalog.require(["report.findings"])
            self.catalog.require([n for n in self.catalog.names if not n.startswith(OWN)], keep=False)
            # The comments take 30 ms in one transaction, and 85 ms with a transaction each.
            self.connection.execute(";".join(["BEGIN", *_comments(), "COMMIT"]))

    def reading(self) -> AbstractContextManager[None]:
        """Context in which rows are read. Raises BrokenTrace for what DuckDB finds wrong with the source."""
        return sandbox.reading(self.shown)

    @property
    def shown(self) -> str:
        """The path, for messages."""
        return one_line(str(self.source.path))

    def close(self) -> None:
        """Closes the connection and the source. What was not read by then cannot be read any more."""
        self.relations.close()
        self._database.close()
        self.source.discard()


def _comments() -> list[str]:
    out = [s for kind in KINDS for s in views.kind_comments(kind)]
    for view in (*views.shown(), *reports(), *facts()):
        out += views.view_comments(view)
    return out
