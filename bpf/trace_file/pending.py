"""Rows that wait in memory for a row group: how many may, and how much of a file they will take."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sysmon.bpf.kinds import KINDS
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.trace_file import tables

GROUP_BYTES = 3 << 20
"""Bytes of a kind that are gathered, as of rows `tables.GROUP_ROWS`, so that long strings do not take more memory than
short ones."""

TIMES = {SYSCALL.name: 2}
"""Kinds of which so many times as much is gathered: where there may be a million rows a second, each row group less is
CPU time, and memory is not the first concern."""

MOST_BYTES = 8 << 20
"""Bytes that all other kinds together may wait with. Past it the largest becomes a row group."""

MANY_BATCHES = 8
"""Batches of a kind that are put together."""

FIRST_RATIO = 0.5
"""How small rows of a kind become when they are written, while none was."""

MARGIN = 1.2
"""How much larger than those that were written the next may become."""

GUESSED_BYTES = 128 << 10
"""Rows that take less are not written only to learn what they become."""


class Pending:
    """Batches of each kind, by its name."""

    def __init__(self) -> None:
        self.batches: dict[str, list[pa.RecordBatch]] = {k.name: [] for k in KINDS}
        self.bytes = dict.fromkeys(self.batches, 0)
        self._raw_bytes = dict.fromkeys(self.batches, 0)  # of the rows that were written
        self._small_bytes = dict.fromkeys(self.batches, 0)  # and what they became

    def add(self, kind: str, batch: pa.RecordBatch) -> None:
        """Takes rows, if there are any."""
        if batch.num_rows:
            self.batches[kind].append(batch)
            self.bytes[kind] += batch.nbytes

    def due(self, kind: str) -> Iterator[str]:
        """What is to be written after rows of this kind came; each is to be taken before the next is asked for."""
        if self._is_enough(kind):
            yield kind
        while sum((shared := self._shared()).values()) > MOST_BYTES:
            yield max(shared, key=shared.__getitem__)

    def _shared(self) -> dict[str, int]:
        """What the kinds wait with that have their room together."""
        return {kind: size for kind, size in self.bytes.items() if kind not in TIMES}

    def _is_enough(self, kind: str) -> bool:
        times = TIMES.get(kind, 1)
        return self.rows(kind) >= times * tables.GROUP_ROWS or self.bytes[kind] >= times * GROUP_BYTES

    def rows(self, kind: str) -> int:
        """How many of this kind wait."""
        return sum(batch.num_rows for batch in self.batches[kind])

    def take(self, kind: str) -> pa.Table:
        """The rows of this kind, in order; none wait then."""
        table = tables.sorted_rows(tables.together(self.batches[kind]))
        self.batches[kind].clear()
        self.bytes[kind] = 0
        return tables.of_kind(kind, table)

    def rest(self) -> Iterator[dict[str, pa.Table]]:
        """All that waits, in what is to be a row group each: kinds of few rows share one."""
        left = {kind: self.take(kind) for kind, batches in self.batches.items() if batches}
        return tables.grouped(left)

    def join(self) -> Iterator[tuple[str, int]]:
        """Puts batches together: one takes some 5 kB for itself, and most have few rows. Yields how many are left."""
        for kind, batches in self.batches.items():
            if len(batches) >= MANY_BATCHES:
                batches[:] = tables.together(batches).combine_chunks().to_batches()
                yield kind, len(batches)

    # -- what they will take in the file

    def became(self, kind: str, raw: int, small: int) -> None:
        """So many bytes of rows became so many of a row group."""
        self._raw_bytes[kind] += raw
        self._small_bytes[kind] += small

    def expected(self) -> int:
        """What all that waits will take, without what each row group takes besides [bytes]."""
        return int(sum(size * self._ratio(kind) for kind, size in self.bytes.items()))

    def _ratio(self, kind: str) -> float:
        small, raw = self._small_bytes[kind], self._raw_bytes[kind]
        return min(1, MARGIN * small / raw) if raw else FIRST_RATIO

    def most_uncertain(self) -> str:
        """The kind with most rows of which it is only guessed what they become; empty if that is none."""
        guessed = {k: b for k, b in self.bytes.items() if b > GUESSED_BYTES and not self._raw_bytes[k]}
        return max(guessed, key=guessed.__getitem__, default="")
