"""Writes the trace: one Parquet file, each row group the rows of one kind, sorted by time.

What is left of each kind at the end is few rows: these share a row group, as each takes some 10 kB for its columns.

The file has its name only when it is complete. Until then it is in a hidden directory beside, together with what it
takes to make a whole file of it if the recorder is killed or the disk is full: see `sysmon.bpf.trace_file.partial`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.trace_file import encoder, footer, heap, journal, partial, schema, tables, temporary
from sysmon.bpf.trace_file.directory import Directory, Exchanged, other_name
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.errors import CannotWrite

GROUP_BYTES = 3 << 20
"""Bytes of a kind, likewise, so that long strings do not take more memory than short ones."""

TIMES = {SYSCALL.name: 2}
"""Kinds of which so many times as much is gathered: where there may be a million rows a second, each row group less is
CPU time, and memory is not the first concern."""

PENDING_BYTES = 8 << 20
"""Bytes that all other kinds together may wait with. Past it the largest becomes a row group."""

MOST_ROWS = 4 * tables.GROUP_ROWS
"""Rows of a row group, if very many come at a time."""

GROUP_EXTRA_BYTES = 12 << 10
"""What a row group takes for its columns, in pages of NULL and in the footer: 10 kB and a bit."""

REST_BYTES = 200 << 10
"""Schema and description of a trace, and the rows of the end of a recording."""

TURN_S = 0.3
"""How long a file that is one of several still grows once it is found full: what is in the rings belongs to it."""

MANY_BATCHES = 8
"""Batches of a kind that are put together."""

FIRST_RATIO = 0.5
"""How small rows of a kind become when they are written, while none was."""

MARGIN = 1.2
"""How much larger than those that were written the next may become."""

GUESSED_BYTES = 128 << 10
"""Rows that take less are not written only to learn what they become."""


def full_at(size: float, age_s: float) -> int:
    """How large one of several files is when it is found full, so that it has this size when it ends [bytes].

    It is `age_s` old and grows as fast as before.
    """
    return int(size / (1 + TURN_S / max(age_s, TURN_S)))


TRIES = 20
"""Names for the hidden directory, if another user exchanges it as soon as it is made."""


class TraceWriter:
    """Gathers rows by kind and writes them. Raises CannotWrite, at once if the file cannot be made."""

    def __init__(
        self, path: Path, force: bool, tokens: Iterator[str] | None = None, parent: Directory | None = None
    ) -> None:
        """`tokens`: of the names of hidden directories, to try one after the other.

        `parent`: the directory of the path, if somebody holds it already; it stays theirs to close.
        """
        self.path = path
        self._force = force
        self.rows = {k.name: 0 for k in KINDS}
        self._pending: dict[str, list[pa.RecordBatch]] = {k.name: [] for k in KINDS}
        self._opening: dict[str, list[pa.RecordBatch]] = {}
        self._pending_bytes = dict.fromkeys(self._pending, 0)
        self._raw_bytes = dict.fromkeys(self._pending, 0)  # of the rows that were written
        self._small_bytes = dict.fromkeys(self._pending, 0)  # and what they became
        self._empty = encoder.empty_file(schema.wide())
        self._encoder = encoder.Encoder(self._empty)
        self._groups = _Alike()  # what the footer says of each row group
        self._crc = 0  # of all of the file
        self._parent = parent.duplicate() if parent else held(path)
        self._is_over = False
        self._directory: Directory | None = None
        try:
            check(self._parent, path, force)
            self._begin_files(tokens or iter(lambda: secrets.token_hex(4), ""))
        except BaseException:
            self._parent.close()
            raise
        self._put(footer.MAGIC)

    def _begin_files(self, tokens: Iterator[str]) -> None:
        try:
            self._directory = self._make_directory(tokens)
            self._file, log, *journals = map(self._directory.create, (partial.ROWS, partial.LOG, *partial.JOURNALS))
        except OSError as error:
            if self._directory:
                self._remove()
                self._directory.close()
            raise CannotWrite(
                f"cannot write in {self.path.parent}: {error.strerror}; choose another place with -o"
            ) from None
        self._journal = journal.Journal(log, journals)

    def _make_directory(self, tokens: Iterator[str]) -> Directory:
        for tries_left in reversed(range(TRIES)):
            self._name = f".{self.path.name}.{next(tokens)}{partial.SUFFIX}"
            try:
                return self._parent.make(self._name)
            except Exchanged:
                if not tries_left:
                    raise
        raise AssertionError

    @property
    def directory(self) -> Path:
        """Where all is until it is complete."""
        return self.path.with_name(self._name)

    def held_directory(self) -> Directory:
        """The same, held; to be closed by who asks."""
        assert self._directory
        return self._directory.duplicate()

    def _put(self, data: bytes) -> None:
        with self._telling():
            journal.write_all(self._file, data)
        self._crc = zlib.crc32(data, self._crc)

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._file.tell()

    @property
    def bytes_expected(self) -> int:
        """Size that the file would have if it were finished now, rather too much than too little."""
        pending = sum(size * self._ratio(name) for name, size in self._pending_bytes.items())
        waiting = sum(bool(batches) for batches in self._pending.values())
        groups = self._journal.groups + waiting
        return self.bytes_written + int(pending) + groups * GROUP_EXTRA_BYTES + REST_BYTES

    def _ratio(self, name: str) -> float:
        small, raw = self._small_bytes[name], self._raw_bytes[name]
        return min(1, MARGIN * small / raw) if raw else FIRST_RATIO

    def reaches(self, size: int) -> bool:
        """Whether the file would be this large if it were finished now [bytes].

        Where that hangs on rows of which it is not known how small they become, these are written first.
        """
        while self.bytes_expected >= size:
            guessed = {n: b for n, b in self._pending_bytes.items() if b > GUESSED_BYTES and not self._raw_bytes[n]}
            if not guessed:
                return True
            largest = max(guessed, key=guessed.__getitem__)
            self._write({largest: self._gathered(largest)})
        return False

    @property
    def total_rows(self) -> int:
        """Rows of all kinds, those that are still in memory included."""
        return sum(self.rows.values())

    def begin(self, recording: Recording) -> None:
        """From the first commit on a trace can be made of what is on the disk; this is what it says of itself."""
        with self._telling():
            self._journal.begin(self._empty, recording)

    def commit(self, changes: dict[str, Any]) -> None:
        """All rows up to now are part of the trace, whatever becomes of the recorder, and so is what it says anew."""
        with self._telling():
            self._journal.commit({**self._pending, **self._opening}, self.rows, changes)
        self._join()
        heap.trim()

    def _join(self) -> None:
        """Puts batches that wait together. A batch takes some 5 kB for itself, and most have few rows."""
        for name, batches in self._pending.items():
            if len(batches) >= MANY_BATCHES:
                batches[:] = tables.together(batches).combine_chunks().to_batches()
                self._journal.joined(name, len(batches))

    def open_with(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes rows that say how things stand when this part begins. They are only in the journal."""
        self._opening.setdefault(journal.OPENING + kind.name, []).append(batch)

    def leave(self, changes: dict[str, Any]) -> int:
        """Commits all that is there and closes the files: this part of a recording is over.

        Returns what its rows take in a file, rather too much than too little [bytes].
        """
        for name, pending in self._pending.items():
            if sum(b.num_rows for b in pending) >= tables.SHARED_ROWS:
                self._write({name: self._gathered(name)})
        size = self.bytes_expected - REST_BYTES
        self.commit(changes)
        self.abandon()
        return size

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes rows of a kind. Columns that the batch lacks are NULL."""
        if not batch.num_rows:
            return
        pending = self._pending[kind.name]
        pending.append(batch)
        self.rows[kind.name] += batch.num_rows
        self._pending_bytes[kind.name] += batch.nbytes
        times = TIMES.get(kind.name, 1)
        rows = sum(b.num_rows for b in pending)
        if rows >= times * tables.GROUP_ROWS or self._pending_bytes[kind.name] >= times * GROUP_BYTES:
            self._write({kind.name: self._gathered(kind.name)})
        shared = {name: size for name, size in self._pending_bytes.items() if name not in TIMES}
        while sum(shared.values()) > PENDING_BYTES:
            largest = max(shared, key=shared.__getitem__)
            self._write({largest: self._gathered(largest)})
            shared[largest] = 0

    def _gathered(self, name: str) -> pa.Table:
        """What is pending of a kind."""
        pending = self._pending[name]
        table = tables.sorted_rows(tables.together(pending))
        pending.clear()
        self._raw_bytes[name] += self._pending_bytes[name]
        self._pending_bytes[name] = 0
        return tables.of_kind(name, table)

    def _write(self, of: dict[str, pa.Table]) -> None:
        """Writes rows of some kinds as a row group, or as several if they are very many of one."""
        table = tables.joined(of.values()) if len(of) > 1 else next(iter(of.values()))
        counts = {name: each.num_rows for name, each in of.items()}
        of.clear()
        for at in range(0, table.num_rows, MOST_ROWS):
            piece = table.slice(at, MOST_ROWS)
            rows = counts if piece.num_rows == table.num_rows else {next(iter(counts)): piece.num_rows}
            begin = self._file.tell()
            group = self._encoder.row_group(piece, begin)
            self._put(group.data)
            if len(counts) == 1:
                self._small_bytes[next(iter(counts))] += len(group.data)
            self._groups.append(group.said)
            with self._telling():
                self._journal.wrote(journal.Group(begin, self._file.tell(), zlib.crc32(group.data), rows))
        del table
        heap.trim()

    def finish(self, recording: Recording) -> Recording:
        """Writes what is left and the metadata, and gives the file its name. Returns what the trace says of itself."""
        if self._journal.committed:
            self.commit(dict(recording))
        left = {name: self._gathered(name) for name, pending in self._pending.items() if pending}
        few = {name: table for name, table in left.items() if table.num_rows < tables.SHARED_ROWS}
        for these in (few, *({name: table} for name, table in left.items() if name not in few)):
            if these:
                self._write(these)
        with self._telling():
            texts = schema.texts(recording, self._file.tell(), self._crc)
            end = footer.with_row_groups(footer.read(self._empty), self.total_rows, list(self._groups), texts)
            journal.write_all(self._file, end)
            os.fsync(self._file.fileno())
            kept = self._publish()
            self._journal.close()
        self._remove()
        self._let_go()
        if kept != self.path.name:
            raise CannotWrite(f"{self.path} now exists: the trace is in {self.path.with_name(kept)}")
        return recording

    @property
    def size(self) -> int:
        """Of the file when it was finished [bytes]."""
        return self._size

    def descriptors(self) -> list[int]:
        """After a fork the child can finish the file if it keeps these."""
        assert self._directory
        directories = [self._parent.fileno(), self._directory.fileno()]
        return [self._file.fileno(), *self._journal.descriptors(), *directories]

    def hand_over(self) -> None:
        """After that fork: leaves the file to the child."""
        self._journal.close()
        self._let_go()

    def _telling(self) -> contextlib.AbstractContextManager[None]:
        return telling(self.path, self._journal)

    def _publish(self) -> str:
        """Gives the file its name. Returns the one that it got."""
        assert self._directory
        self._size = os.fstat(self._file.fileno()).st_size
        if not self._is_there():
            self._rescue()
        name = self.path.name
        try:
            self._directory.publish(partial.ROWS, self._parent, name, self._force)
        except FileExistsError:
            name = other_name(name)
            self._directory.publish(partial.ROWS, self._parent, name, False)
        return name

    def _is_there(self) -> bool:
        """Whether what we write still has its name in our directory."""
        assert self._directory
        try:
            found = self._directory.status(partial.ROWS)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._file.fileno()))

    def _rescue(self) -> NoReturn:
        """Somebody removed the directory, but what is open of it can be copied."""
        fd, kept = tempfile.mkstemp(prefix=f"{self.path.stem}-", suffix=self.path.suffix, dir=temporary.directory())
        self._file.seek(0)
        with os.fdopen(fd, "wb") as copy:
            shutil.copyfileobj(self._file, copy)
        raise CannotWrite(f"{self.directory} was removed: the trace is in {kept}")

    def abandon(self) -> None:
        """Leaves nothing behind, unless a trace can be made of it. After `finish` or another `abandon`: nothing."""
        if self._is_over:
            return
        committed = self._journal.committed_bytes
        self._journal.close()
        if committed:
            with contextlib.suppress(OSError):  # what is over takes room, and the disk may be full
                self._file.truncate(committed)
        else:
            self._remove()
        self._let_go()

    def _remove(self) -> None:
        """The hidden directory. Somebody may have removed it, or the disk takes nothing any more."""
        assert self._directory
        with contextlib.suppress(OSError):
            partial.remove(self._parent, self._name, self._directory)

    def _let_go(self) -> None:
        """Closes what is open. From now on nothing is done by any name."""
        self._is_over = True
        with contextlib.suppress(OSError):  # what is still to be written does not matter any more
            self._file.close()
        if self._directory:
            self._directory.close()
        self._parent.close()


class _Alike:
    """Texts that differ little, in little memory: of the 5 kB that a footer says of a row group, 1 stays."""

    def __init__(self) -> None:
        self._first = b""
        self._packed: list[bytes] = []

    def append(self, text: bytes) -> None:
        self._first = self._first or text
        packer = zlib.compressobj(zdict=self._first)
        self._packed.append(packer.compress(text) + packer.flush())

    def __iter__(self) -> Iterator[bytes]:
        for packed in self._packed:
            yield zlib.decompressobj(zdict=self._first).decompress(packed)


def held(path: Path) -> Directory:
    """The directory that a trace of this name goes into. Raises CannotWrite."""
    try:
        return Directory.hold(path.parent)
    except OSError as error:
        raise CannotWrite(f"cannot write in {path.parent}: {error.strerror}; choose another place with -o") from None


def check(parent: Directory, path: Path, force: bool) -> None:
    """Raises CannotWrite if there cannot be a trace of this name."""
    name = path.name
    if not name or name == "..":
        raise CannotWrite(f"{path} is a directory: name a file with -o")
    try:
        present = parent.exists(name)
        special = present and parent.is_special(name)
        is_directory = special and stat.S_ISDIR(parent.status(name).st_mode)
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {error.strerror}; choose another name with -o") from None
    if is_directory:
        raise CannotWrite(f"{path} is a directory: name a file with -o")
    if special:
        raise CannotWrite(f"{path} is not a regular file: a trace replaces a file and cannot be written to a device")
    if present and not force:
        raise CannotWrite(f"{path} exists: choose another name with -o, or overwrite it with --force")


@contextlib.contextmanager
def telling(path: Path, about: journal.Journal | None = None) -> Iterator[None]:
    """What goes wrong inside is one line, which says what becomes of what there is."""
    try:
        yield
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror or error}"
        if (about and not about.committed) or not path.parent.exists():
            raise CannotWrite(reason) from None
        shown = shlex.quote(str(path))
        raise CannotWrite(
            f"{reason}. The recording so far is kept: `sysmon repair {shown}` writes the file once that is possible, "
            f"or elsewhere with -o; `sysmon report {shown}` reads it as it is"
        ) from None
