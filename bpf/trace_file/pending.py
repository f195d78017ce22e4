"""Rows that wait in memory for a row group: how many may wait, and how large they will be in the file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sysmon.bpf.kinds import KINDS
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.trace_file import tables

GROUP_BYTES = 3 << 20
"""Bytes of a kind that are collected, an alternative limit to `tables.GROUP_ROWS`, so that rows with long strings do
not take more memory.
"""

TIMES = {SYSCALL.name: 2}
"""Kinds of which this many times as much is collected: with up to a million rows a second, fewer row groups save CPU
time, which then matters more than memory.
"""

MOST_BYTES = 8 << 20
"""Bytes that all other kinds together may hold. Above this the largest becomes a row group."""

MANY_BATCHES = 8
"""Number of a kind's batches that are merged into one."""

FIRST_RATIO = 0.5
"""Assumed compression ratio of a kind of which nothing was written yet."""

MARGIN = 1.2
"""How much worse than before the next rows may compress."""

GUESSED_BYTES = 128 << 10
"""Smaller rows are not written only to learn their compression ratio."""


class Pending:
    """Batches of each kind, by its name."""

    def __init__(self) -> None:
        self.batches: dict[str, list[pa.RecordBatch]] = {k.name: [] for k in KINDS}
        self.bytes = dict.fromkeys(self.batches, 0)
        self._raw_bytes = dict.fromkeys(self.batches, 0)  # of the rows that were written
        self._small_bytes = dict.fromkeys(self.batches, 0)  # and their size in the file

    def add(self, kind: str, batch: pa.RecordBatch, size: int) -> None:
        """Adds a batch of this size [bytes], unless it is empty."""
        if batch.num_rows:
            self.batches[kind].append(batch)
            self.bytes[kind] += size

    def due(self, kind: str) -> Iterator[str]:
        """Kinds to write after rows of this kind came; take each before asking for the next."""
        if self._is_enough(kind):
            yield kind
        while sum((shared := self._shared()).values()) > MOST_BYTES:
            yield max(shared, key=shared.__getitem__)

    def _shared(self) -> dict[str, int]:
        """Bytes held by the kinds that share a limit."""
        return {kind: size for kind, size in self.bytes.items() if kind not in TIMES}

    def _is_enough(self, kind: str) -> bool:
        times = TIMES.get(kind, 1)
        return self.rows(kind) >= times * tables.GROUP_ROWS or self.bytes[kind] >= times * GROUP_BYTES

    def rows(self, kind: str) -> int:
        """Number of rows of this kind that wait."""
        return sum(batch.num_rows for batch in self.batches[kind])

    def take(self, kind: str) -> pa.Table:
        """Removes and returns the rows of this kind, in order."""
        table = tables.sorted_rows(tables.together(self.batches[kind]))
        self.batches[kind].clear()
        self.bytes[kind] = 0
        return tables.of_kind(kind, table)

    def rest(self) -> Iterator[dict[str, pa.Table]]:
        """All waiting rows, one item per future row group: kinds with few rows share one."""
        left = {kind: self.take(kind) for kind, batches in self.batches.items() if batches}
        return tables.grouped(left)

    def join(self) -> Iterator[tuple[str, int]]:
        """Merges batches: each takes about 5 kB of its own, and most have few rows. Yields how many are left."""
        for kind, batches in self.batches.items():
            if len(batches) >= MANY_BATCHES:
                batches[:] = tables.together(batches).combine_chunks().to_batches()
                yield kind, len(batches)

    # -- their size in the file

    def became(self, kind: str, raw: int, small: int) -> None:
        """Notes that this many bytes of rows became this many bytes of a row group."""
        self._raw_bytes[kind] += raw
        self._small_bytes[kind] += small

    def expected(self) -> int:
        """Expected size of all waiting rows, without each row group's fixed part [bytes]."""
        return int(sum(size * self._ratio(kind) for kind, size in self.bytes.items()))

    def _ratio(self, kind: str) -> float:
        small, raw = self._small_bytes[kind], self._raw_bytes[kind]
        return min(1, MARGIN * small / raw) if raw else FIRST_RATIO

    def most_uncertain(self) -> str:
        """The kind with the most rows whose compression ratio is only assumed; empty if there is none."""
        guessed = {k: b for k, b in self.bytes.items() if b > GUESSED_BYTES and not self._raw_bytes[k]}
        return max(guessed, key=guessed.__getitem__, default="")
