"""Who writes what a viewer asks to save."""

from __future__ import annotations

import os
import re
import socket
import threading
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.viewer import writer
from sysmon.bpf.control import saving
from sysmon.bpf.control.saving import NotSaved, Saver
from sysmon.bpf.trace_file.directory import Directory
from tests.conftest import SAMPLES

TRACE = SAMPLES / "cron.parquet"


class Writer:
    """Serves in a thread."""

    def __init__(self, recording: Path, into: Path) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.saver = Saver(self.ours)
        self._into, self.status = Directory.hold(into), -1
        self._thread = threading.Thread(target=self._serve, args=(theirs, recording))
        self._thread.start()

    def _serve(self, theirs: socket.socket, recording: Path) -> None:
        self.status = writer.serve(theirs, recording, self._into, "live")

    def end(self) -> int:
        self.ours.close()
        self._thread.join()
        self._into.close()
        return self.status


def test_it_writes_the_part_that_was_asked_for_beside_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "name_now", lambda stem: f"{stem}-20260131T120000.parquet")
    (tmp_path / "other").write_text("as it was")
    (tmp_path / "live-20260131T120000.parquet").symlink_to("other")
    with sysmon.open(TRACE) as trace:
        begin, end = trace.metadata["started_ns"], trace.metadata["ended_ns"]
        middle = (begin + end) // 2
        ((calls,),) = trace.own(f"SELECT count(*) FROM unfiltered.opens WHERE EPOCH_NS(ts) < {middle}").fetchall()
    it = Writer(TRACE, tmp_path)
    name = it.saver.save(begin, middle)
    with pytest.raises(NotSaved):
        it.saver.save(end + 10**12, end + 2 * 10**12)
    assert it.end() == 0
    assert re.fullmatch(r"live-20260131T120000-[0-9a-f]{8}\.parquet", name)
    assert (tmp_path / "other").read_text() == "as it was" and len(os.listdir(tmp_path)) == 3
    with sysmon.open(tmp_path / name) as part:
        assert part.own("SELECT count(*) FROM unfiltered.opens").fetchall() == [(calls,)]


def test_a_request_that_no_viewer_makes_ends_it(tmp_path: Path) -> None:
    it = Writer(TRACE, tmp_path)
    it.ours.send(b"anything else")
    assert it.ours.recv(100) == b""
    assert it.end() == saving.MALFORMED and not os.listdir(tmp_path)
