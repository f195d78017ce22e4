"""Builds a whole file from an interrupted recording: its row groups and the rows that still waited."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from sysmon.bpf.trace_file import footer, pages, tables, thrift
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.journal import Group
from sysmon.bpf.trace_file.metadata import DAMAGED
from sysmon.bpf.trace_file.partial import ROWS
from sysmon.bpf.trace_file.sink import Sink
from sysmon.bpf.trace_file.unfinished import BadPartial, Partial, missing, present, understood
from sysmon.bpf.trace_file.waiting import merged

MOST_GROUP_BYTES = 256 << 20


class TooLarge(BadPartial):
    """The result would be larger than allowed."""


def write(
    parts: list[Partial], recording: dict[str, Any], out: BinaryIO, most_bytes: int | None = None
) -> dict[str, Any]:
    """Writes one whole file of parts with the same columns; `out` is empty. Raises OSError, BadPartial.

    Returns the metadata: `recording`, with the rows found and those damaged. Raises TooLarge before anything is written
    if the row groups may take more than `most_bytes`.
    """
    if most_bytes is not None and (size := sum(map(_rows_bytes, parts))) > most_bytes:
        raise TooLarge(f"{parts[0].files.path}: a recording of {size >> 20:,} MiB that was cut off")
    with understood(parts[0].files):
        sink = Sink(out, parts[0].empty)
        for part in parts:
            for data, said in _row_groups(part):
                sink.copy(data, said)
        return _finish(parts, recording, sink)


def _rows_bytes(part: Partial) -> int:
    try:
        with part.files.reader(ROWS) as file:
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return 0


def complete(part: Partial, directory: Directory, recording: dict[str, Any]) -> dict[str, Any]:
    """Completes `rows` in its directory: writes only the waiting rows and a footer. Raises OSError, BadPartial.

    If interrupted, it can be repeated.
    """
    with understood(directory):
        found = [said for _data, said in _row_groups(part)]
    with understood(directory), directory.changer(ROWS) as out:
        out.write(footer.MAGIC)
        out.truncate(max([len(footer.MAGIC), *(group.end for group in part.groups)]))
        sink = Sink.after(out, part.empty)
        for said in found:
            sink.add(said)
        made = _finish([part], recording, sink)
        out.flush()
        os.fsync(out.fileno())
    return made


def _row_groups(part: Partial) -> Iterator[tuple[bytes, thrift.Struct]]:
    """Each intact row group with its footer entry; damaged ones are dropped from the part."""
    columns = footer.leaves(footer.read(part.empty))
    kept: list[Group] = []
    try:
        file = part.files.reader(ROWS)
    except FileNotFoundError:
        part.groups = []
        return
    with file:
        for group in part.groups:
            data = whole(file, group, after=kept[-1].end if kept else 0)
            said = said_of(data, group, columns) if data else None
            if said:
                kept.append(group)
                yield data, said
    part.groups = kept


def whole(file: BinaryIO, group: Group, after: int) -> bytes:
    """The bytes of the row group; empty if they are damaged.

    Each must come after the previous one, so that no more is read than the file has.
    """
    size = os.fstat(file.fileno()).st_size
    if not (after <= group.begin <= group.end <= size and group.end - group.begin <= MOST_GROUP_BYTES):
        return b""
    data = os.pread(file.fileno(), group.end - group.begin, group.begin)
    return data if zlib.crc32(data) == group.crc else b""


def said_of(data: bytes, group: Group, columns: list[footer.Leaf]) -> thrift.Struct | None:
    """What a footer says of a row group, from its pages; None if they are damaged."""
    try:
        return pages.row_group(data, group.begin, sum(group.rows.values()), columns)
    except pages.BadPages:
        return None


def _finish(parts: list[Partial], recording: dict[str, Any], sink: Sink) -> dict[str, Any]:
    """Writes what follows the existing row groups."""
    for of in last_groups(merged([part.waiting for part in parts])):
        for _group in sink.write(of):
            pass
    there = present(parts)
    said = {
        **recording,
        "rows": {kind: there.get(kind, 0) for kind in recording["rows"]},
        "losses": [*recording["losses"], *_damaged(parts)],
    }
    sink.finish(said)
    return said


def last_groups(waiting: dict[str, pa.Table]) -> Iterator[dict[str, pa.Table]]:
    """The rows that wait, in what is to be a row group each."""
    rows = {kind: tables.of_kind(kind, tables.sorted_rows(table)) for kind, table in waiting.items()}
    return tables.grouped(rows)


def _damaged(parts: list[Partial]) -> list[dict[str, Any]]:
    """Rows that a part's last commit counts and that are missing."""
    lost = ((kind, count) for part in parts for kind, count in missing(part.expected, present([part])).items())
    return [{"cause": DAMAGED, "place": kind, "lost": count} for kind, count in lost]
