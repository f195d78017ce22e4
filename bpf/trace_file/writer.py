"""Writes the trace: one Parquet file, whose row groups have the rows of one kind each, sorted by time.

The few rows of each kind that are left at the end share a row group, as each takes some 10 kB for its columns.

The file gets its name only when it is complete. Until then it is in a hidden directory next to it, with what is needed
to recover it if the recorder is killed or the disk is full: see `sysmon.bpf.trace_file.partial`.

`write` writes a trace made from existing rows, which needs no recovery as it can be made again.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.trace_file import atomic, encoder, heap, schema, tables
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.hidden import Hidden
from sysmon.bpf.trace_file.journal import OPENING, Journal
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.pending import Pending
from sysmon.bpf.trace_file.sink import Sink
from sysmon.errors import CannotWrite
from sysmon.safe_text import shell_word

GROUP_EXTRA_BYTES = 12 << 10
"""Size of a row group without rows, in pages of NULL and in the footer: a little over 10 kB."""

REST_BYTES = 200 << 10
"""Size of the schema and description of a trace, and of the rows at the end of a recording."""

TRIM_S = 1.5
"""How often at most commits return free memory, which takes half a millisecond."""


class TraceWriter:
    """Collects rows by kind and writes them. Raises CannotWrite, at once if the file cannot be created."""

    def __init__(
        self, path: Path, force: bool, tokens: Iterator[str] | None = None, parent: Directory | None = None
    ) -> None:
        """`tokens`: for the names of hidden directories, tried one after the other.

        `parent`: the directory of the path, if the caller has it open, who also closes it.
        """
        self.path = path
        self._force = force
        self.rows = {k.name: 0 for k in KINDS}
        self._pending = Pending()
        self._opening: dict[str, list[pa.RecordBatch]] = {}
        self._empty = encoder.empty_file(schema.wide())
        self._is_over = False
        self._trimmed_s = 0.0
        self._hidden = self._hide(parent.duplicate() if parent else held(path), tokens)
        self._journal = Journal(self._hidden.log, self._hidden.journals)
        try:
            with self._telling():
                self._sink = Sink(self._hidden.rows, self._empty)
        except CannotWrite:
            self.abandon()
            raise

    def _hide(self, parent: Directory, tokens: Iterator[str] | None) -> Hidden:
        try:
            atomic.check_in(parent, self.path, force=self._force, option="-o")
            return Hidden(self.path, parent, tokens or iter(lambda: secrets.token_hex(4), ""))
        except OSError as error:
            parent.close()
            raise _cannot_write_in(self.path, error) from None
        except BaseException:
            parent.close()
            raise

    @property
    def directory(self) -> Path:
        """Path of the hidden directory."""
        return self._hidden.path

    def readers(self) -> list[BinaryIO]:
        """The files of the hidden directory, opened for reading; the caller closes them. Raises OSError."""
        return self._hidden.readers()

    def held_directory(self) -> Directory:
        """The hidden directory, opened. The caller closes it."""
        return self._hidden.duplicate()

    # -- how large it is

    @property
    def bytes_written(self) -> int:
        """Size of the file so far, or of the finished file [bytes]."""
        return self._sink.bytes

    @property
    def bytes_expected(self) -> int:
        """Size that the file would have if it were finished now [bytes]; an upper estimate."""
        waiting = sum(bool(batches) for batches in self._pending.batches.values())
        groups = self._journal.groups + waiting
        return self.bytes_written + self._pending.expected() + groups * GROUP_EXTRA_BYTES + REST_BYTES

    def reaches(self, size: int) -> bool:
        """Whether the file would be this large if it were finished now [bytes].

        If that depends on rows whose compressed size is unknown, writes these first.
        """
        while self.bytes_expected >= size:
            kind = self._pending.most_uncertain()
            if not kind:
                return True
            self._write_kind(kind)
        return False

    @property
    def total_rows(self) -> int:
        """Rows of all kinds, including those still in memory."""
        return sum(self.rows.values())

    # -- what goes into it

    def begin(self, recording: Recording) -> None:
        """Sets the trace's description. From the first commit on, a trace can be recovered from the disk."""
        with self._telling():
            self._journal.begin(self._empty, recording)

    def commit(self, changes: dict[str, Any]) -> None:
        """Makes all rows so far, and the new description, part of the trace whatever happens to the recorder."""
        with self._telling():
            self._journal.commit({**self._pending.batches, **self._opening}, self.rows, changes)
        for kind, batches in self._pending.join():
            self._journal.joined(kind, batches)
        if (now := time.monotonic()) >= self._trimmed_s + TRIM_S:
            self._trimmed_s = now
            heap.trim()

    def open_with(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes the state snapshot at the start of this part. It is only in the journal."""
        self._opening.setdefault(OPENING + kind.name, []).append(batch)

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Adds rows of a kind. Columns that the batch lacks are NULL."""
        self.rows[kind.name] += batch.num_rows
        # A recorder's batches are no parts of others, so this is their `nbytes`, which takes a tenth of a millisecond.
        self._pending.add(kind.name, batch, batch.get_total_buffer_size())
        for name in self._pending.due(kind.name):
            self._write_kind(name)

    def _write_kind(self, kind: str) -> None:
        raw, before = self._pending.bytes[kind], self._sink.bytes
        self._write({kind: self._pending.take(kind)})
        self._pending.became(kind, raw, self._sink.bytes - before)

    def _write(self, of: dict[str, pa.Table]) -> None:
        with self._telling():
            for group in self._sink.write(of):
                self._journal.wrote(group)
        heap.trim()

    # -- how it ends

    def leave(self, changes: dict[str, Any]) -> int:
        """Commits everything and closes the files, at the end of this part of a recording.

        Returns the size of its rows in a file [bytes]; an upper estimate.
        """
        for kind in self.rows:
            if self._pending.rows(kind) >= tables.SHARED_ROWS:
                self._write_kind(kind)
        size = self.bytes_expected - REST_BYTES
        self.commit(changes)
        self.abandon()
        return size

    def finish(self, recording: Recording) -> Recording:
        """Writes the remaining rows and the metadata, and gives the file its name. Returns the trace's description."""
        if self._journal.committed:
            self.commit(dict(recording))
        for of in self._pending.rest():
            self._write(of)
        with self._telling():
            self._sink.finish(recording)
            kept = self._hidden.publish(force=self._force)
            self._journal.close()
        self._hidden.remove()
        self._let_go()
        if kept != self.path.name:
            raise CannotWrite(f"{self.path} now exists: the trace is in {self.path.with_name(kept)}")
        return recording

    def descriptors(self) -> list[int]:
        """The descriptors that a forked child must keep to finish the file."""
        return [*self._hidden.descriptors(), *self._journal.descriptors()]

    def hand_over(self) -> None:
        """Leaves the file to the child, after that fork."""
        self._journal.close()
        self._let_go()

    def abandon(self) -> None:
        """Removes what is there, unless a trace can be recovered from it. Does nothing after `finish` or `abandon`."""
        if self._is_over:
            return
        committed = self._journal.committed_bytes
        self._journal.close()
        if committed:
            with contextlib.suppress(OSError):  # what is not needed takes space, and the disk may be full
                self._hidden.rows.truncate(committed)
        else:
            self._hidden.remove()
        self._let_go()

    def _let_go(self) -> None:
        self._is_over = True
        self._hidden.close()

    def _telling(self) -> contextlib.AbstractContextManager[None]:
        return telling(self.path, self._journal)


def write(
    to: Path | BinaryIO,
    recording: Recording,
    batches: Iterable[tuple[Kind, pa.RecordBatch]],
    *,
    force: bool = False,
    option: str = "",
) -> Recording:
    """Writes a whole trace from batches of any kinds. Returns its description.

    That is `recording` with the actual numbers of rows, of the kinds that it names and of others that there are.
    Columns that a batch lacks are NULL. A path gets its name when the trace is complete; `option` is the option that
    sets another. A file is written from its beginning, and need not be a regular one.

    Holds as many rows in memory as a recorder does. Raises CannotWrite, and ValueError for a batch with columns that
    its kind does not have.
    """
    if not isinstance(to, Path):
        return _write_into(to, recording, batches)
    with atomic.new_file(to, force=force, option=option) as file:
        return _write_into(file, recording, batches)


def _write_into(out: BinaryIO, recording: Recording, batches: Iterable[tuple[Kind, pa.RecordBatch]]) -> Recording:
    pending, sink = Pending(), Sink(out, encoder.empty_file(schema.wide()))
    rows = {k.name: 0 for k in KINDS}

    def put(of: dict[str, pa.Table]) -> None:
        for group in sink.write(of):
            for kind, count in group.rows.items():
                rows[kind] += count

    for kind, batch in batches:
        schema.check(kind, batch.schema)
        pending.add(kind.name, batch, batch.nbytes)
        for name in pending.due(kind.name):
            put({name: pending.take(name)})
    for of in pending.rest():
        put(of)
    known = {kind: count for kind, count in rows.items() if count or kind in recording["rows"]}
    whole: Recording = {**recording, "rows": known}
    sink.finish(whole)
    return whole


def _cannot_write_in(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(f"cannot write in {path.parent}: {error.strerror}; choose another place with -o")


def held(path: Path) -> Directory:
    """The directory that a trace of this name goes into. Raises CannotWrite."""
    try:
        return Directory.hold(path.parent)
    except OSError as error:
        raise _cannot_write_in(path, error) from None


@contextlib.contextmanager
def telling(path: Path, journal: Journal | None = None) -> Iterator[None]:
    """Context whose errors become a CannotWrite of one line, which says what happens to the rows so far."""
    try:
        yield
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error}"
        if (journal and not journal.committed) or not path.parent.exists():
            raise CannotWrite(reason) from None
        shown = shell_word(str(path))
        raise CannotWrite(
            f"{reason}. The recording so far is kept: `sysmon repair {shown}` writes the file once that is possible, "
            f"or elsewhere with -o; `sysmon report {shown}` reads it as it is"
        ) from None
