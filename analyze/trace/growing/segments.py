"""Row groups of a recording that still runs, as files that DuckDB can read: made when they are asked for.

The file that is being written has no footer yet. So row groups that are wanted together are copied, each to the place
where it stands there, into a sparse file in the directory for temporary files, and that gets a footer. What is read may
come from anybody: a row group has its checksum, and DuckDB reads it as it reads a trace.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from sysmon.analyze.trace import scratch
from sysmon.bpf.trace_file import footer, recover, thrift
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.files import Files
from sysmon.bpf.trace_file.journal import Group, write_all
from sysmon.bpf.trace_file.partial import ROWS
from sysmon.bpf.trace_file.unfinished import BadPartial, Following, understood

MOST_BYTES = 2 << 30
"""Of all of them: the directory for temporary files may be memory."""

KEPT_BYTES = 256 << 20
"""Of those that no window needs now, what is removed last is not removed: a window often goes back."""

FILE_GROUPS, FILE_BYTES = 64, 64 << 20
"""Row groups of a file: every file is opened by each query, and one is removed as a whole."""


class TooLarge(BadPartial):
    """More was asked for than may be copied."""


@dataclass(frozen=True)
class Piece:
    """A row group of a part of the recording; each has its number in the log."""

    part: int
    number: int
    group: Group
    after: int  # where the one before ended

    def __hash__(self) -> int:
        return hash((self.part, self.number))

    def touches(self, since_ns: int | None, until_ns: int | None) -> bool:
        """Whether rows of it may be in a window, both ends of which count."""
        first, last = self.group.first_ns, self.group.last_ns
        after = since_ns is None or last is None or last >= since_ns
        return after and (until_ns is None or first is None or first <= until_ns)


class Source:
    """A part of a recording, from which row groups are copied. Its files are held open."""

    def __init__(self, files: Files, following: Following) -> None:
        self.files, self.following = files, following
        with understood(files):
            self._end = footer.read(following.partial.empty)
            self._columns = footer.leaves(self._end)
            self._end = footer.with_columns_dumped(self._end)  # of each file the same
            self.rows = _rows(files)

    def copy(self, pieces: Iterable[Piece], out: BinaryIO) -> Iterator[Piece]:
        """Writes them and a footer; yields those that are damaged. Raises BadPartial, OSError."""
        said: list[bytes] = []
        rows = 0
        with understood(self.files):
            for piece in pieces:
                data = recover.whole(self.rows, piece.group, piece.after) if self.rows else b""
                found = self._said(piece, data) if data else b""
                if not found:
                    yield piece
                    continue
                os.pwrite(out.fileno(), data, piece.group.begin)
                said.append(found)
                rows += sum(piece.group.rows.values())
            end = footer.with_row_groups(self._end, rows, said, {})
        os.pwrite(out.fileno(), footer.MAGIC, 0)
        out.seek(0, os.SEEK_END)
        write_all(out, end)

    def _said(self, piece: Piece, data: bytes) -> bytes:
        found = self.following.log.said(piece.number)
        if not found:  # an older recorder's
            made = recover.said_of(data, piece.group, self._columns)
            found = thrift.dump(made) if made else b""
        return found

    def close(self) -> None:
        """Reads nothing any more."""
        self.following.close()
        self.files.close()
        if self.rows:
            self.rows.close()


def _rows(files: Files) -> BinaryIO | None:
    try:
        return files.reader(ROWS)
    except FileNotFoundError:
        return None


@dataclass
class _File:
    path: Path
    part: int
    bytes: int
    pieces: set[Piece]


class Segments:
    """The files that there are. Raises BadPartial, OSError."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """`most_bytes`: of all of them."""
        self._most_bytes = most_bytes
        self.place = scratch.new_directory()
        self._names = count(1)
        self._of: dict[Piece, _File] = {}
        self._files: list[_File] = []  # the oldest first
        self._needed: dict[int, set[Piece]] = {}  # by whom
        self.damaged: set[Piece] = set()

    def need(self, who: int, pieces: Collection[Piece], sources: dict[int, Source]) -> None:
        """Makes files of these row groups, and lets go of what nobody needs now."""
        self._needed[who] = set(pieces)
        missing = [piece for piece in pieces if piece not in self._of and piece not in self.damaged]
        self._make_room(sum(_size(piece) for piece in missing))
        for together in _runs(missing):
            self._make(together, sources[together[0].part])

    def need_no_more(self, who: int) -> None:
        """What was needed may go."""
        self._needed.pop(who, None)

    def paths(self, pieces: Iterable[Piece]) -> list[str]:
        """The files that have them, in their order; all are needed."""
        found = dict.fromkeys(str(self._of[piece].path) for piece in pieces if piece in self._of)
        return list(found)

    def forget(self, part: int) -> None:
        """Removes what is of a part that is gone."""
        for file in [file for file in self._files if file.part == part]:
            self._remove(file)
        self.damaged = {piece for piece in self.damaged if piece.part != part}

    def empty(self, source: Source) -> Path:
        """A file of the recording's columns without rows."""
        path = self.place / "empty.parquet"
        with Directory.hold(self.place) as held, held.create(path.name) as out:
            write_all(out, source.following.partial.empty)
        return path

    def discard(self) -> None:
        """Removes all."""
        scratch.remove(self.place)

    def _make(self, pieces: list[Piece], source: Source) -> None:
        path = self.place / f"{next(self._names)}.parquet"
        with Directory.hold(self.place) as held, held.create(path.name) as out:
            bad = set(source.copy(pieces, out))
        self.damaged |= bad
        file = _File(path, pieces[0].part, sum(map(_size, pieces)), {p for p in pieces if p not in bad})
        self._files.append(file)
        self._of.update(dict.fromkeys(file.pieces, file))

    def _make_room(self, size: int) -> None:
        total = sum(file.bytes for file in self._files) + size
        needed = set().union(*self._needed.values())
        for file in [file for file in self._files if file.pieces.isdisjoint(needed)]:
            if total > min(KEPT_BYTES, self._most_bytes):
                total -= file.bytes
                self._remove(file)
        if total > self._most_bytes:
            raise TooLarge(f"{total >> 20:,} MiB of a recording that still runs are too much to copy for reading")

    def _remove(self, file: _File) -> None:
        self._files.remove(file)
        for piece in file.pieces:
            del self._of[piece]
        file.path.unlink(missing_ok=True)


def _size(piece: Piece) -> int:
    return piece.group.end - piece.group.begin


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Those that are to be in one file: of the same part and the same kinds."""
    run: list[Piece] = []
    for piece in pieces:
        if run and not (
            _alike(run[0], piece) and len(run) < FILE_GROUPS and sum(map(_size, run)) + _size(piece) <= FILE_BYTES
        ):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _alike(one: Piece, other: Piece) -> bool:
    return one.part == other.part and one.group.rows.keys() == other.group.rows.keys()
