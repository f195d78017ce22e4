"""A sample trace as a recorder writes it: piece by piece, with a commit whenever a test wants one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysmon.analyze.trace.source import inspect
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.metadata import CUT_OFF, Recording
from sysmon.bpf.trace_file.writer import TraceWriter

SAMPLES = Path(__file__).parents[1] / "sample_traces"

Batches = list[tuple[Kind, pa.RecordBatch]]


@cache
def recorded(sample: str) -> tuple[Recording, pa.Table]:
    path = SAMPLES / f"{sample}.parquet"
    return inspect(path).recording, pq.read_table(path).sort_by("ts")


def batches(rows: pa.Table) -> Batches:
    """The rows as a recorder has them, by kind."""
    found: Batches = []
    present = set(pc.unique(rows["kind"]).to_pylist())
    for kind in (kind for kind in KINDS if kind.name in present):
        names = [c.name for c in kind.cols if c.name in rows.column_names]
        mine = rows.filter(pc.equal(rows["kind"], kind.name)).select(names)
        fields = pa.schema([schema.of_kind(kind).field(name) for name in names])
        found += [(kind, batch) for batch in mine.cast(fields).combine_chunks().to_batches() if batch.num_rows]
    return found


class Recorder:
    """Writes a sample trace piece by piece."""

    def __init__(self, path: Path, sample: str, pieces: int, late_rows: int = 0) -> None:
        """`late_rows`: a row may come after this many later ones."""
        self.recording, rows = recorded(sample)
        if late_rows:
            rows = rows.take(
                np.argsort(np.arange(rows.num_rows) + late_rows * np.random.default_rng(7).random(rows.num_rows))
            )
        self.path = path
        self._rows, self._pieces, self._done = rows, pieces, 0
        self._killed = False
        self.out = TraceWriter(path, force=False)
        self.out.begin({**self.recording, "stopped_by": CUT_OFF, "ended_ns": self.recording["started_ns"]})
        self.out.commit({})

    @property
    def left(self) -> int:
        """Pieces that are not written."""
        return self._pieces - self._done

    @property
    def at_ns(self) -> int:
        """The last time that was written."""
        at = self._cut(self._done)
        return int(pc.max(self._rows["ts"].cast(pa.int64())[: max(1, at)]).as_py())

    def _cut(self, pieces: int) -> int:
        """How many rows so many pieces have: a commit has all of a snapshot."""
        at, ts = self._rows.num_rows * pieces // self._pieces, self._rows["ts"]
        while 0 < at < self._rows.num_rows and ts[at] == ts[at - 1]:
            at += 1
        return at

    def add(self) -> int:
        """Writes the next piece, and does not commit it; how many rows it has."""
        begin, end = (self._cut(n) for n in (self._done, self._done + 1))
        self._done += 1
        for kind, batch in batches(self._rows.slice(begin, end - begin)):
            self.out.add(kind, batch)
        return end - begin

    def commit(self) -> None:
        self.out.commit({"ended_ns": max(self.at_ns, self.recording["started_ns"])})

    def finish(self) -> None:
        self.out.finish({**self.recording, "rows": dict(self.out.rows)})

    def kill(self) -> None:
        """As SIGKILL does."""
        self.out._hidden.rows.close()
        self.out._journal.close()
        self._killed = True

    def close(self) -> None:
        if not self._killed:
            self.out.abandon()
