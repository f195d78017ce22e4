"""Writes the trace: one Parquet file, each row group the rows of one kind, sorted by time.

What is left of each kind at the end is few rows: these share a row group, as each takes some 15 kB for its columns.

The file has its name only when it is complete; until then it stands beside it under a hidden one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import bpf
from bpf import schema
from bpf.kind import Kind
from bpf.metadata import Recording
from recorder import memory
from recorder.errors import CannotWrite

GROUP_ROWS = 1 << 15
"""Rows of a kind that are gathered before they are written as a row group.

Writing takes memory for every column of the file, empty ones too: 60 MB for 131,072 rows.
"""

SHARED_ROWS = 1 << 12
"""Fewer rows of a kind than these do not get a row group of their own."""

GROUP_BYTES = 4 << 20
"""Bytes of a kind, likewise, so that long strings do not take more memory than short ones."""


class TraceWriter:
    """Gathers rows by kind and writes them. Raises CannotWrite, at once if the file cannot be made."""

    def __init__(self, path: Path, force: bool) -> None:
        self.path = path
        self._force = force
        self.rows = {k.name: 0 for k in bpf.KINDS}
        self._pending: dict[str, list[pa.RecordBatch]] = {k.name: [] for k in bpf.KINDS}
        self._wide = schema.wide()
        self._zeros = pa.py_buffer(b"")
        try:
            present = path.exists()
        except OSError as error:
            raise CannotWrite(f"cannot write {path}: {error.strerror}; choose another name with -o") from None
        if path.is_dir():
            raise CannotWrite(f"{path} is a directory: name a file with -o")
        if present and not path.is_file():
            raise CannotWrite(f"{path} is no regular file: a trace is written in place of a file, not into a device")
        if not force and os.path.lexists(path):
            raise CannotWrite(f"{path} exists: choose another name with -o, or overwrite it with --force")
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            # 0600: a trace holds command lines and file names of every user.
            fd = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotWrite(f"cannot write in {path.parent}: {error.strerror}; name another place with -o") from None
        self._file = os.fdopen(fd, "wb")
        self._writer = pq.ParquetWriter(
            self._file,
            self._wide,
            compression="zstd",
            compression_level=3,
            use_dictionary=[n for n in self._wide.names if n != "ts"],
            column_encoding={"ts": "DELTA_BINARY_PACKED"},
            write_statistics=["kind", "ts", "pid"],  # what readers look for
            write_page_checksum=True,
        )

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._file.tell()

    @property
    def total_rows(self) -> int:
        """Rows of all kinds, those that are still in memory included."""
        return sum(self.rows.values())

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Takes rows of a kind. Columns that the batch lacks are NULL."""
        if not batch.num_rows:
            return
        pending = self._pending[kind.name]
        pending.append(batch)
        self.rows[kind.name] += batch.num_rows
        if sum(b.num_rows for b in pending) >= GROUP_ROWS or sum(b.nbytes for b in pending) >= GROUP_BYTES:
            self._write([self._gathered(kind.name)])

    def _gathered(self, name: str) -> pa.Table:
        """What is pending of a kind, in the columns of the file."""
        pending = self._pending[name]
        table = _sorted(pa.Table.from_batches(pending))
        pending.clear()
        columns = [
            pa.repeat(pa.scalar(name), table.num_rows)
            if field.name == "kind"
            else table.column(field.name)
            if field.name in table.column_names
            else self._nulls(field.type, table.num_rows)
            for field in self._wide
        ]
        return pa.table(columns, schema=self._wide)

    def _write(self, tables: list[pa.Table]) -> None:
        """Writes a row group."""
        try:
            self._writer.write_table(pa.concat_tables(tables), row_group_size=GROUP_ROWS * 2)
        except OSError as error:
            raise CannotWrite(f"cannot write {self.path}: {error.strerror or error}") from None
        tables.clear()
        memory.trim()

    def _nulls(self, type_: pa.DataType, length: int) -> pa.Array:
        """NULLs that share one piece of memory with all others; most columns of a row group are such."""
        if pa.types.is_nested(type_):
            return pa.nulls(length, type_)
        if self._zeros.size < 8 * (length + 1):
            self._zeros = pa.py_buffer(bytes(8 * (length + 1)))
        buffers = [self._zeros] * type_.num_buffers
        return pa.Array.from_buffers(type_, length, buffers, null_count=length)

    def finish(self, recording: Recording) -> None:
        """Writes what is left and the metadata, and gives the file its name."""
        left = [self._gathered(name) for name, pending in self._pending.items() if pending]
        few = [table for table in left if table.num_rows < SHARED_ROWS]
        for tables in (few, *([table] for table in left if table.num_rows >= SHARED_ROWS)):
            if tables:
                self._write(tables)
        try:
            self._writer.add_key_value_metadata(
                {schema.METADATA_KEY: json.dumps(recording).encode(), schema.KINDS_KEY: schema.describe_kinds()}
            )
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            _give_to_sudo_user(self._file.fileno())
            self._file.close()
            self._rename()
        except OSError as error:
            raise CannotWrite(f"cannot write {self.path}: {error.strerror or error}") from None

    def _rename(self) -> None:
        if self._force:
            os.replace(self._partial, self.path)
            return
        try:
            os.link(self._partial, self.path)  # unlike a rename, never over a file that came meanwhile
        except FileExistsError:
            kept, self._partial = self._partial, self._partial.with_suffix(".gone")
            raise CannotWrite(f"{self.path} has appeared meanwhile: the trace is in {kept}") from None
        except OSError:  # a file system without hard links
            os.rename(self._partial, self.path)
            return
        os.unlink(self._partial)

    def abandon(self) -> None:
        """Leaves nothing behind."""
        self._writer.is_open = False  # else it writes to the closed file when it is collected
        with contextlib.suppress(OSError):  # what is still to be written does not matter any more
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._partial)


def _sorted(table: pa.Table) -> pa.Table:
    """The rows in the order of `ts`. Most come so: then nothing is moved."""
    ts = table.column("ts").combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False)
    return table if (ts[1:] >= ts[:-1]).all() else table.sort_by("ts")


def _give_to_sudo_user(fd: int) -> None:
    """The trace belongs to whoever typed the command."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.getuid() == 0 and uid and gid and uid.isdigit() and gid.isdigit():
        os.fchown(fd, int(uid), int(gid))
