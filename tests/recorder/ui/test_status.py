"""What is said at the end of a recording can be typed as it stands."""

import glob
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sysmon.bpf.trace_file import rotated
from sysmon.recorder.output.protocol import Files
from sysmon.recorder.ui.status import Status

RECORDING: Any = {
    "probes": [],
    "unmeasured": {},
    "stopped_by": "duration",
    "rows": {"exec": 7},
    "kinds": ["exec"],
    "started_ns": 0,
    "ended_ns": 10**9,
    "losses": [{"cause": "ring full", "place": "exec", "lost": 3}],
}


def said(capsys: pytest.CaptureFixture[str], *complete: Path, discard: bool = False) -> list[str]:
    options: Any = SimpleNamespace(filters=SimpleNamespace(flags=0), discard=discard)
    unused: Any = None  # readiness: the recording has ended
    Status(options, unused).finished(RECORDING, None, Files(complete))
    return capsys.readouterr().err.splitlines()


def words(command: str) -> list[str]:
    """What bash makes of a command."""
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("name", ["trace.parquet", "a b.parquet", "a[1].parquet", "\x1b[31m.parquet", "it's\n.parquet"])
def test_rotated_files_are_named_together(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    files = [rotated.numbered(tmp_path / name, i) for i in (1, 2, 3)]
    for file in (*files, tmp_path / "other-000001.parquet"):
        file.touch()
    lines = said(capsys, *files)
    assert not any("\x1b" in line for line in lines)
    *_, pattern = words(lines[-1])
    assert lines[-1].startswith("next: sysmon report ") and sorted(glob.glob(pattern)) == list(map(str, files))
    (losses,) = [line for line in lines if "3 LOST" in line]
    command = losses.split("3 LOST (")[1].removesuffix(")")
    assert words(command) == ["sysmon", "report", pattern, "losses"]


def test_a_single_file_is_named_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("trace.parquet", "[31m\x1b.parquet"):
        path = tmp_path / name
        path.touch()
        assert words(said(capsys, path)[-1])[-1] == str(path)
    assert said(capsys, rotated.numbered(Path("t.parquet"), 1))[-1] == "next: sysmon report t-000001.parquet"


def test_more_files_than_can_be_read_together(capsys: pytest.CaptureFixture[str]) -> None:
    files = [rotated.numbered(Path("t.parquet"), i + 1) for i in range(rotated.MOST_FILES + 1)]
    assert said(capsys, *files)[-1] == "next: sysmon report t-000501.parquet"
    assert said(capsys, *files[1:])[-1] == f"next: sysmon report {shlex.quote('t-*.parquet')}"


def test_what_is_not_kept_is_not_called_written(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = said(capsys, Path("live.parquet"), discard=True)
    assert "live.parquet" not in line
    assert "none are kept" in line
