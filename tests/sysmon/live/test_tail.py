"""The end of what a recorder says."""

from __future__ import annotations

import os

import pytest

from sysmon.live.tail import KEPT_BYTES, Tail


def test_the_last_whole_lines_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    readable, writable = os.pipe()
    tail = Tail(readable)
    lines = [f"{n:07}\n" for n in range(4 * KEPT_BYTES // 8)]
    for at in range(0, len(lines), 500):
        os.write(writable, "".join(lines[at : at + 500]).encode())
        assert tail.read()
    assert tail.read() and capsys.readouterr().err == ""
    tail.show()
    assert capsys.readouterr().err == "".join(lines[1 - KEPT_BYTES // 8 :])
    tail.pass_on()
    os.write(writable, b"at once\n")
    assert tail.read() and capsys.readouterr().err == "at once\n"
    os.close(writable)
    assert not tail.read()
    os.close(readable)
