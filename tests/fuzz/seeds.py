"""The input that is damaged: a small sample trace, and what an interrupted recording of it would leave."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import sysmon
from sysmon.analyze.trace.source import inspect
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import journal, partial, schema, tables
from sysmon.bpf.trace_file.writer import TraceWriter

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "leak.parquet"


def cut_off(directory: Path) -> Path:
    """Creates the directory that a killed recorder would leave, with row groups and waiting rows."""
    path = directory / "t.parquet"
    kept = tables.GROUP_ROWS, tables.SHARED_ROWS, journal.SMALL_JOURNAL_BYTES
    tables.GROUP_ROWS, tables.SHARED_ROWS, journal.SMALL_JOURNAL_BYTES = 300, 50, 20_000
    try:
        _write(path)
    finally:
        tables.GROUP_ROWS, tables.SHARED_ROWS, journal.SMALL_JOURNAL_BYTES = kept
    ((made,),) = partial.of(path)
    return made


def _write(path: Path) -> None:
    rows = pq.read_table(SAMPLE)
    recording = inspect(SAMPLE).recording
    out = TraceWriter(path, force=False)
    out.begin({**recording, "stopped_by": "cut off"})
    out.commit({})
    begin = 0
    for part in range(1, 6):
        end = rows.num_rows * part // 5
        some = rows.slice(begin, end - begin)
        for kind in KINDS:
            names = [c.name for c in kind.cols if c.name in some.column_names]  # a newer kind may have others
            mine = some.filter(pc.equal(some["kind"], kind.name)).select(names)
            fields = pa.schema([schema.of_kind(kind).field(name) for name in names])
            for batch in mine.cast(fields).combine_chunks().to_batches():
                out.add(kind, batch)
        out.commit({"ended_ns": recording["ended_ns"]})
        begin = end
    # As after SIGKILL: no footer, nothing is removed.
    out._hidden.rows.close()
    out._journal.close()


def check(path: Path) -> None:
    """Raises if it cannot be read before it is damaged."""
    with sysmon.open(path) as trace:
        assert trace.rows().fetchall()
