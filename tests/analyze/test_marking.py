"""`sysmon mark` finds the recording that is meant, and says what to type if that is not clear."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sysmon.analyze import marking
from sysmon.bpf.control import places
from sysmon.errors import BadRequest

ME = os.getuid()


def listen(place: Path) -> socket.socket:
    new = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    new.bind(str(place))
    new.listen()
    return new


def chosen(name: str | None) -> str:
    """The name of the socket that the client is connected to."""
    with marking.chosen(ME, None, name) as client:
        return Path(client._socket.getpeername()).name


def test_the_one_that_runs_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "RUN", tmp_path)
    monkeypatch.setattr(places, "without_root", lambda uid, _runtime: [tmp_path / str(uid)])
    mine = tmp_path / str(ME)
    mine.mkdir(mode=0o700)
    with pytest.raises(marking.NoRecording, match="no recording runs that this user may mark"):
        chosen(None)
    listen(mine / "dead").close()
    with contextlib.ExitStack() as listening:
        listening.enter_context(listen(mine / "a b"))
        assert {chosen(None), chosen("a b"), chosen(f"{ME}/a b")} == {"a b"}
        with pytest.raises(marking.NoRecording, match=r"no recording named dead runs [^;]*; there is 'a b'"):
            chosen("dead")
        listening.enter_context(listen(mine / "c"))
        assert chosen("c") == "c"
        with pytest.raises(BadRequest, match="2 recordings run, 'a b', c: choose one, as with --to 'a b'"):
            chosen(None)


def test_nothing_is_imported_that_takes_time() -> None:
    code = "import sys, sysmon.analyze.commands.mark, sysmon.analyze.marking; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pyarrow", "duckdb", "bcc", "rich"} & set(done.stdout.split())
