"""Writes what a viewer asks to save, into a directory that it was given: a process of the recording's owner.

It opens the recording by its name, as the owner may, and as a reader that no viewer can disturb.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from sysmon.analyze.edit import slices
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.control import saving
from sysmon.bpf.control.messages import Malformed
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import SysmonError
from sysmon.safe_text import one_line


def serve(connected: socket.socket, recording: Path, into: Directory, stem: str) -> int:
    """Answers until the other end is closed. `stem`: of the files' names. Returns the exit status."""
    with connected:
        while data := connected.recv(saving.REQUEST.size + 1):
            try:
                asked = saving.request(data)
            except Malformed:
                return saving.MALFORMED
            connected.send(_answer(asked, recording, into, stem), socket.MSG_NOSIGNAL)
    return 0


def name_now(stem: str) -> str:
    """Of a file that is saved now, by local time."""
    return f"{stem}-{time.strftime('%Y%m%dT%H%M%S')}.parquet"


def write(asked: saving.Save, recording: Path, into: Directory, name: str) -> str:
    """Writes the part. Returns the name of the file, another if this is taken. Raises SysmonError, OSError."""
    with Trace(recording) as trace:
        return slices.write_in(into, name, trace, asked.since_ns, asked.until_ns)


def _answer(asked: saving.Save, recording: Path, into: Directory, stem: str) -> bytes:
    name = name_now(stem)
    try:
        return saving.answer(True, write(asked, recording, into, name))
    except OSError as error:
        return saving.answer(False, f"cannot write {one_line(name)}: {error.strerror or os.strerror(error.errno or 0)}")
    except (SysmonError, MemoryError) as error:
        return saving.answer(False, one_line(str(error) or "out of memory"))
