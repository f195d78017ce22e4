"""What an open trace reads its source through, in one connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from sysmon.analyze.trace import sandbox, views
from sysmon.analyze.trace.catalog import Catalog, Entry
from sysmon.analyze.trace.database import Database
from sysmon.analyze.trace.dataset import Dataset
from sysmon.analyze.trace.growing.parts import News
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.growing.relations import GrowingRelations
from sysmon.safe_text import one_line


class Relations(Protocol):
    """Of a source. `rows`: the schema whose rows are those of the window."""

    rows: str

    def entries(self) -> Iterator[Entry]:
        """What the catalogue has, besides what is made of it."""

    def kinds(self) -> frozenset[str]:
        """The kinds of which there may be rows."""

    def before(self, names: Collection[str], *, reads: bool) -> None:
        """What the catalogue is about to make, or to read, is there."""

    def move(self, since_ns: int | None, until_ns: int | None, catalog: Catalog) -> None:
        """The window is another."""

    def refresh(self, news: News, catalog: Catalog) -> None:
        """Shows what came."""

    def close(self) -> None:
        """Needs nothing any more."""


class FileRelations:
    """Those of a file, of the files of one recording, or of a table: views read them, and nothing has to be kept up."""

    rows = "unfiltered"

    def __init__(self, database: Database, dataset: Dataset) -> None:
        self._database, self._dataset = database, dataset

    def entries(self) -> Iterator[Entry]:
        """What reads them, and all that is made of it."""
        dataset = self._dataset
        sandbox.lock_in(self._database, dataset.opened)
        of = views.ONE_FILE if len(dataset.files) == 1 else views.FILES
        if dataset.table is not None:
            of = views.TABLE
            self._database.connection.register(views.TABLE_NAME, dataset.table)
        present = sandbox.present(self._database, of, one_line(str(dataset.path)))
        yield Entry("unfiltered.stored", (), views.stored_query(present, of))
        yield from views.all_of_a_trace(lambda kind: views.kind_query(kind, present, of))

    def kinds(self) -> frozenset[str]:
        """Those with rows."""
        recording = self._dataset.recording
        return frozenset(kind for kind in recording["kinds"] if recording["rows"].get(kind, 1))

    def before(self, names: Collection[str], *, reads: bool) -> None:
        """All is there."""

    def move(self, since_ns: int | None, until_ns: int | None, catalog: Catalog) -> None:
        """Views read the window's limits."""

    def refresh(self, news: News, catalog: Catalog) -> None:
        """Nothing comes."""

    def close(self) -> None:
        """It has nothing of its own."""


def relations_of(database: Database, source: Dataset | Growing) -> Relations:
    """Those of this source."""
    return GrowingRelations(database, source) if isinstance(source, Growing) else FileRelations(database, source)
