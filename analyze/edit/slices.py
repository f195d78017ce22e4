"""Writes a part of a trace, a window or some processes, as a trace of its own.

What happened is in the part of its time, and what was counted from snapshot to snapshot in the part that has the
snapshot, as in reports with --since and --until: so adjacent parts add up to the whole. How things stood at the edges
of the part, and names that its rows refer to, are added (`standing.py`); they may be in several parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from sysmon.analyze.edit import standing
from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.trace.views import schema_of
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import schema, writer
from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import RUNNING, SLICED, Loss, Recording, Slice
from sysmon.errors import BadRequest

BATCH_ROWS = 1 << 13
"""Read at a time."""

LOSSES = """
SELECT cause, place, CAST(SUM(lost) AS BIGINT)
FROM main.losses
WHERE cause IS NOT NULL AND place IS NOT NULL
GROUP BY cause, place
HAVING SUM(lost) > 0
ORDER BY cause, place
"""


def write(trace: Trace, to: Path | BinaryIO, *, force: bool = False, option: str = "") -> Recording:
    """Writes the chosen part of an open trace, of a recording that still runs as much of it as was committed.

    Takes what `writer.write` takes, and as much memory. Returns the description of the part. Raises CannotWrite,
    BrokenTrace, and BadRequest if the window lies outside the recording.
    """
    _refuse_outside(trace)
    with trace.reading():
        return writer.write(to, description(trace), _batches(trace), force=force, option=option)


def write_in(place: Directory, name: str, trace: Trace, since_ns: int | None, until_ns: int | None) -> str:
    """Writes another window of an open trace into a directory that is held open.

    Returns the name of the file: another one if this is taken. Raises OSError, and what `write` raises.
    """
    with trace.between(since_ns, until_ns) as part, NewFile(place, name) as new:
        write(part, new.file)
        return new.publish_beside(force=False)


def _refuse_outside(trace: Trace) -> None:
    info = trace.metadata
    length = f"the recording is {(info['ended_ns'] - info['started_ns']) / 1e9:.3f} s long"
    if trace.since_ns is not None and trace.since_ns > info["ended_ns"]:
        raise BadRequest(f"--since is after the end of the recording: {length}")
    if trace.until_ns is not None and trace.until_ns <= info["started_ns"]:
        raise BadRequest(f"--until is before the start of the recording: {length}")


def description(trace: Trace) -> Recording:
    """What the part says of itself; the numbers of its rows are not known yet."""
    info, since, until = trace.metadata, trace.since_ns, trace.until_ns
    ends_before = info["stopped_by"] == RUNNING or (until is not None and until < info["ended_ns"])
    before = info.get("slice", Slice(started_ns=info["started_ns"], ended_ns=info["ended_ns"], processes=[]))
    losses = [Loss(cause=cause, place=place, lost=lost) for cause, place, lost in trace.own(LOSSES).fetchall()]
    return {
        **info,
        "started_ns": max(info["started_ns"], info["started_ns"] if since is None else since),
        "ended_ns": min(info["ended_ns"], info["ended_ns"] if until is None else until),
        "stopped_by": SLICED if ends_before else info["stopped_by"],
        "command_status": None if ends_before else info["command_status"],
        "ring": None,
        "rotate": None,
        "file": 1,
        "losses": losses,
        "slice": {**before, "processes": [*before["processes"], *trace.selection.process_words]},
    }


def _batches(trace: Trace) -> Iterator[tuple[Kind, pa.RecordBatch]]:
    """All rows of the part, of one kind after the other."""
    kinds = [kind for kind in KINDS if trace.metadata["rows"].get(kind.name)]
    for kind, table in standing.tables(trace, kinds):
        yield from ((kind, batch) for batch in _cast(kind, table.to_reader()))
    for kind in kinds:
        if kind.name not in standing.KINDS_STANDING:
            yield from ((kind, batch) for batch in _cast(kind, _rows(trace, kind)))


def _rows(trace: Trace, kind: Kind) -> pa.RecordBatchReader:
    """What happened in the window, of the chosen processes. A row without a time belongs nowhere."""
    columns = ", ".join(name_sql(col.name) for col in kind.cols)
    view = f"{schema_of(kind)}.{name_sql(kind.view)}"
    return trace.own(f"SELECT {columns} FROM {view} WHERE ts IS NOT NULL").to_arrow_reader(BATCH_ROWS)


def _cast(kind: Kind, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """With the types of the file, and without columns that are NULL."""
    declared = {field.name: field.type for field in schema.of_kind(kind)}
    for batch in batches:
        known = [name for name in batch.schema.names if name == "ts" or batch[name].null_count < batch.num_rows]
        columns = [batch[name].cast(declared[name]) for name in known]
        yield pa.RecordBatch.from_arrays(columns, names=known)
