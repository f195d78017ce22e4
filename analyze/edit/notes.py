"""Adds a note to a finished trace: a new file in place of the old one, with the same owner and mode.

Rows that were recorded are copied as they are. A file that changes meanwhile is left alone.
"""

from __future__ import annotations

import contextlib
import os
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from sysmon.analyze.trace.source import inspect_file, left_of
from sysmon.bpf.kinds.remarks import MOST_NOTE_BYTES, NOTE
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.append import append
from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import HAS_DESCRIPTORS, Directory
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.partial import is_running
from sysmon.bpf.trace_file.thrift import Malformed
from sysmon.errors import BadRequest, BrokenTrace, CannotWrite, NotATrace
from sysmon.safe_text import one_line, shell_word


@dataclass(frozen=True)
class Note:
    """About a moment, or what began then and lasted until another [UTC ns since 1970]."""

    text: str
    at_ns: int
    until_ns: int | None = None
    pid: int | None = None


def add(path: Path, note: Note) -> Recording:
    """Adds it to the file. Returns the trace's description.

    Raises BadRequest for a note that the trace cannot have, CannotWrite, and what opening a trace raises.
    """
    _refuse_text(note.text)
    shown = one_line(str(path))
    _refuse_unfinished(path, shown)
    with _telling(shown), Directory.hold(path.parent) as place, place.reader(path.name) as old:
        recording = inspect_file(old, shown)
        _refuse_time(note, recording)
        with NewFile(place, path.name) as new:
            made = append(old, new.file, recording, NOTE, _row(note))
            new.file.flush()
            inspect_file(new.file, shown)
            _keep_owner(old, new.file)
            _refuse_change(place, path.name, old, shown)
            new.publish(force=True)
        return made


def _row(note: Note) -> pa.RecordBatch:
    named = {"ts": note.at_ns, "pid": note.pid, "text": note.text, "until": note.until_ns, "noted": time.time_ns()}
    return pa.RecordBatch.from_pylist([named], schema=schema.of_kind(NOTE))


def _refuse_text(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text.strip():
        raise BadRequest("the note is empty: give its text")
    if size > MOST_NOTE_BYTES:
        raise BadRequest(f"the note has {size:,} bytes, at most {MOST_NOTE_BYTES:,} are possible: shorten it")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise BadRequest("the note has control characters or line breaks: write it as one line of text")


def _refuse_time(note: Note, info: Recording) -> None:
    length = f"the trace has the {(info['ended_ns'] - info['started_ns']) / 1e9:.3f} s from its start"
    for ns in (note.at_ns, note.until_ns):
        if ns is not None and not info["started_ns"] <= ns <= info["ended_ns"]:
            raise BadRequest(f"the time is outside of the trace: {length}")
    if note.until_ns is not None and note.until_ns <= note.at_ns:
        raise BadRequest("the span is empty: --until is not after --since")


def _refuse_unfinished(path: Path, shown: str) -> None:
    with left_of(path) as left:
        if not left:
            return
        with left.parts() as parts:
            if is_running(parts[-1]):
                raise BadRequest(f"{shown} is still being recorded: `sysmon mark` marks the present moment of it")
    raise BadRequest(f"{shown} was interrupted: `sysmon repair {shell_word(shown)}` makes a regular trace of it first")


def _keep_owner(old: BinaryIO, new: BinaryIO) -> None:
    """Raises OSError if the new file cannot belong to the same user and group."""
    if not HAS_DESCRIPTORS:
        return
    was, now = os.fstat(old.fileno()), os.fstat(new.fileno())
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(new.fileno(), was.st_uid, was.st_gid)
    os.fchmod(new.fileno(), was.st_mode & 0o777)


def _refuse_change(place: Directory, name: str, old: BinaryIO, shown: str) -> None:
    was, now = os.fstat(old.fileno()), place.status(name)
    if not os.path.samestat(was, now) or (was.st_size, was.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        raise CannotWrite(f"{shown} was changed meanwhile: nothing was written; try again")


@contextlib.contextmanager
def _telling(shown: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotATrace(f"{shown}: there is no such file; check the name") from None
    except (Malformed, KeyError, AttributeError) as error:
        raise BrokenTrace(f"{shown}: its footer is damaged ({one_line(str(error))}); copy it again") from None
    except OSError as error:
        reason = error.strerror or error
        raise CannotWrite(f"cannot change {shown}: {one_line(str(reason))}; copy it to a place of your own") from None
