"""The mappings of a process, from a list like /proc/PID/maps."""

import os
from pathlib import Path

import pytest

from sysmon.recorder.symbols import mappings
from sysmon.recorder.symbols.mappings import Maps

LINE = b"7f%07x000-7f%07x000 r-xp 00001000 08:01 77                         /usr/lib/lib c.so\n"
READ = 1 << 16
"""What is read at a time."""


@pytest.mark.parametrize("cut", range(0, len(LINE % (0, 0)) + 1, 3))
def test_a_list_that_is_cut_ends_with_a_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    lines = [LINE % (at, at + 1) for at in range(0, 4000, 2)]
    shift = (READ - cut) % len(lines[0])  # so that `cut` bytes of a line are read
    path = tmp_path / "maps"
    path.write_bytes(lines[0][:-1] + b"x" * shift + b"\n" + b"".join(lines[1:]))
    monkeypatch.setattr(mappings, "BYTES", READ)
    fd = os.open(path, os.O_RDONLY)
    found = Maps(fd)
    os.close(fd)
    whole = path.read_bytes()[:READ].count(b"\n")
    assert len(found) == whole
    last = found.all[-1]
    assert (last.executable, last.inode, last.path) == (True, 77, b"/usr/lib/lib c.so")
    assert found.of(last.begin) == last and found.of(last.end) is None
