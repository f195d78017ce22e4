"""What an open trace sees of a recording that still runs: rows that wait as relations, row groups as files of them.

Nothing is read or made before a query names it, and again after a look: a look costs nothing of what nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sysmon.analyze.trace import sandbox, variables, views
from sysmon.analyze.trace.catalog import Catalog, Entry, name_sql
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.growing import processes
from sysmon.analyze.trace.growing import views as growing_views
from sysmon.analyze.trace.growing.parts import News
from sysmon.analyze.trace.growing.processes import PROCESSES, Processes
from sysmon.analyze.trace.growing.recording import EVERYTHING, Growing
from sysmon.analyze.trace.growing.segments import Piece
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.unfinished import understood
from sysmon.safe_text import one_line

FOLLOWED = "followed"
"""How long the table of processes is kept: it is brought up to date, not made anew."""


class GrowingRelations:
    """The relations and variables of one connection. Raises BrokenTrace, BadPartial, OSError, duckdb.Error."""

    rows = growing_views.HERE

    def __init__(self, database: Database, growing: Growing) -> None:
        self._database, self._growing = database, growing
        self._connection = database.connection
        self._processes = Processes(database.connection, growing, self._read_files)
        self._used: dict[str, set[str]] = {space: set() for space in growing_views.SCHEMAS}
        self._registered: set[str] = set()
        self._window: tuple[int | None, int | None] = None, None
        self._files: dict[str, list[str]] = {}
        self._said: Recording | None = None

    def entries(self) -> Iterator[Entry]:
        """Those of a trace, and in place of what reads a file what reads this."""
        sandbox.lock_in(self._database, [], self._growing.place)
        # What footers say of thousands of row groups takes 1 GB; the few of a window are read again in no time.
        self._connection.execute("SET parquet_metadata_cache = false")
        self._connection.execute("SET threads = 1")  # what comes in a second is read faster than it is shared out
        empty = views.Relation(f"read_parquet({views.text_sql(str(self._growing.empty))})", "0")
        present = sandbox.present(self._database, empty, one_line(str(self._growing.path)))
        self._growing.columns = present
        of_trace = views.all_of_a_trace(lambda kind: growing_views.kind_query("unfiltered", kind, present))
        of_recording = {entry.name: entry for entry in of_trace}
        of_recording |= {entry.name: entry for entry in growing_views.entries(present)}
        of_recording |= {entry.name: entry for entry in processes.entries(of_recording, FOLLOWED)}
        yield from of_recording.values()

    def kinds(self) -> frozenset[str]:
        """Those that are recorded."""
        return frozenset(self._growing.recording["kinds"])

    def before(self, names: Collection[str], *, reads: bool) -> None:
        """What the catalogue is about to make, or to read, is there. Of kinds that nobody reads nothing is made."""
        kinds = growing_views.kinds_in(names)
        if reads and any(kinds[space] - self._used[space] for space in kinds):
            for space, found in kinds.items():
                self._used[space] |= found
            self._show()
        for space, found in kinds.items():
            for kind in found:
                self._register(kind)
                if f"{space}_{kind}" not in self._files:
                    self._set(f"{space}_{kind}", [str(self._growing.empty)])

    def move(self, since_ns: int | None, until_ns: int | None, catalog: Catalog) -> None:
        """The window is another. What is asked for next is shown in it."""
        self._window = since_ns, until_ns
        self._use_nothing()

    def refresh(self, news: News, catalog: Catalog) -> None:
        """Shows what came. What was computed is forgotten, but for processes: their table is brought up to date."""
        for kept in ("window", "recording", *([FOLLOWED] if news.parts_gone else [])):
            catalog.forget(kept)
        variables.of_recording(self._connection, self._growing.recording, self._said)
        self._said = self._growing.recording
        if EVERYTHING in self._registered:  # hundreds of columns, which few ask for: not held until the next does
            self._connection.register(
                growing_views.waiting_name(EVERYTHING), growing_views.waiting_rows({}, EVERYTHING)
            )
        came = {EVERYTHING, *news.waiting, *news.pieces}
        self._registered -= self._registered if news.parts_gone else came
        self._use_nothing()
        if catalog.keeps(PROCESSES):
            self._processes.update(news)

    def _use_nothing(self) -> None:
        for found in self._used.values():
            found.clear()

    def _show(self) -> None:
        found = self._growing.provide(id(self), self._used, *self._window)
        for name, paths in found.items():
            if self._files.get(name) != paths:
                self._set(name, paths)

    def _set(self, name: str, paths: list[str]) -> None:
        self._connection.execute(f"SET VARIABLE {name_sql(name)} = $1", [paths])  # it may be interrupted
        self._files[name] = paths

    def _register(self, kind: str) -> None:
        if kind not in self._registered:
            with understood(self._growing.part_files):
                rows = growing_views.waiting_rows(self._growing.waiting, kind)
            self._connection.register(growing_views.waiting_name(kind), rows)
            self._registered.add(kind)

    def _read_files(self, pieces: list[Piece]) -> list[str]:
        """Files of row groups that came."""
        return self._growing.provide_pieces(id(self._processes), pieces)

    def close(self) -> None:
        """Needs nothing any more."""
        self._growing.need_no_more(id(self))
        self._growing.need_no_more(id(self._processes))
        self._processes.close()
