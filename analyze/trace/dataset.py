"""What a trace is read from, as one relation: a file, the files of one recording, or a table in memory."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sysmon.analyze.trace import arguments
from sysmon.analyze.trace.growing.parts import News
from sysmon.analyze.trace.growing.recording import Growing, running
from sysmon.analyze.trace.source import Held, Source, identity, inspect, recording_of
from sysmon.bpf.trace_file import partial, schema
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.rotated import MOST_FILES, joined
from sysmon.errors import BadRequest, NotATrace
from sysmon.safe_text import one_line

PATTERN = "*?["

IN_MEMORY = "(in memory)"
"""In place of a path."""


@dataclass(frozen=True)
class Dataset:
    """A recording, and where its rows are. `path` is what was asked for, for messages."""

    path: Path
    recording: Recording
    files: tuple[Source, ...] = ()  # in the order of time
    table: pa.Table | None = None

    @property
    def size_bytes(self) -> int:
        """Of the files, or of the table."""
        return self.table.nbytes if self.table is not None else sum(file.size_bytes for file in self.files)

    @property
    def unfinished(self) -> Path | None:
        """What a file was made of, if the recording did not come to its end."""
        return next((file.unfinished for file in self.files if file.unfinished), None)

    @property
    def opened(self) -> list[Path]:
        """What DuckDB is to open."""
        return [file.opened for file in self.files]

    @property
    def held(self) -> list[Held | None]:
        """What must stay open as long as something reads."""
        return [file.held for file in self.files]

    @property
    def again(self) -> Path | pa.Table:
        """What to open for the same again."""
        return self.path if self.table is None else self.table

    def refresh(self) -> News:
        """Nothing comes: it is finished."""
        return News()

    def discard(self) -> None:
        """Closes it, and removes what was made for reading."""
        for file in self.files:
            file.discard()


def find(what: str | os.PathLike[str] | pa.Table | Growing) -> Dataset | Growing:
    """The dataset of a file's path, of a pattern such as `trace-*.parquet`, or of a table with a trace's metadata.

    Of a path into which a recording still runs it is one that grows; of such a one itself the same once more.

    Raises NotATrace, NewerTrace or BrokenTrace, and BadRequest if it is none of these, or if files of a pattern are not
    those of one recording.
    """
    if isinstance(what, Growing):
        return what.shared()
    named = arguments.trace_path("path", what)
    if isinstance(named, pa.Table):
        return _in_memory(named)
    path = Path(named)
    is_pattern = any(c in str(path) for c in PATTERN) and not os.path.lexists(path)
    if is_pattern and (paths := _matching(path)):
        return _of_files(path, paths)
    if growing := running(path):
        return growing
    source = inspect(path)
    return Dataset(source.path, source.recording, (source,))


def _matching(pattern: Path) -> list[str]:
    """The files that there are, and those into which a recorder writes still or was interrupted: in its directory."""
    unfinished: set[str] = set()
    if not any(c in str(pattern.parent) for c in PATTERN):
        with contextlib.suppress(OSError), Directory.hold(pattern.parent) as parent:
            found = fnmatch.filter(partial.wanted_in(parent), pattern.name)
            unfinished = {str(pattern.with_name(name)) for name in found}
    return sorted({*glob.glob(str(pattern)), *unfinished})


def _in_memory(table: pa.Table) -> Dataset:
    metadata = table.schema.metadata or {}
    if schema.METADATA_KEY not in metadata:
        raise NotATrace("a table without a trace's metadata; keep the metadata of its schema")
    return Dataset(Path(IN_MEMORY), recording_of(IN_MEMORY, metadata[schema.METADATA_KEY]), table=table)


def _of_files(pattern: Path, paths: Sequence[str]) -> Dataset:
    if len(paths) > MOST_FILES:
        shown = one_line(str(pattern))
        raise BadRequest(f"{shown}: {len(paths)} files are more than can be read together; name at most {MOST_FILES}")
    files: list[Source] = []
    try:
        files += map(inspect, paths)
        files.sort(key=lambda file: file.recording.get("file", 1))
        _check(files)
        return Dataset(pattern, _whole([file.recording for file in files]), tuple(files))
    except BaseException:
        for file in files:
            file.discard()
        raise


def _check(files: Sequence[Source]) -> None:
    """Raises BadRequest unless each is the file that followed on the one before in one recording."""
    for file, after in itertools.pairwise(files):
        names = [one_line(each.path.name) for each in (file, after)]
        if identity(file.recording) != identity(after.recording):
            raise BadRequest(f"{names[0]} and {names[1]} are not of one recording; name the files of one")
        if after.recording.get("file", 1) != file.recording.get("file", 1) + 1:
            raise BadRequest(f"between {names[0]} and {names[1]} a file is missing; name files that follow each other")


def _whole(parts: Sequence[Recording]) -> Recording:
    """What one file of them all would say."""
    unmeasured = {column: why for part in parts for column, why in part["unmeasured"].items()}
    return {**joined(parts), "file": parts[0].get("file", 1), "unmeasured": unmeasured}
