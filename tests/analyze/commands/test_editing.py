"""`sysmon slice` and `sysmon note` as typed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sysmon.cli
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kinds import lifecycle
from sysmon.bpf.trace_file import schema, writer
from tests.analyze.edit.test_slices import lives
from tests.traces import at, recording, write


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    monkeypatch.setattr(sys, "argv", ["sysmon", *words])
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    told = capsys.readouterr()
    return ended.value.code, told.out + told.err


def test_slice_and_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path, part = str(write(tmp_path / "t.parquet", lives())), str(tmp_path / "part.parquet")
    for words, status, said in (
        (["note", path, "--at", "+4.5", "no answer"], 0, "noted in"),
        (["note", path, "--at", "+4", "--until", "+5", "x"], 2, "give one"),
        (["note", path, "--pid", "4242", "x"], 2, "no process 4242"),
        (["slice", path, "-o", part, "--since", "+4", "--until", "+6"], 0, "2.000 s of the recording"),
        (["slice", path, "-o", part], 1, "exists"),
        (["slice", path, "-o", path, "--force"], 1, "is the trace itself"),
        (["slice", path, "-o", part, "--force", "--since", "+6", "--until", "+6"], 2, "window is empty"),
        (["slice", path, "-o", part, "--force", "--follow"], 2, "choose some"),
        (["info", part], 0, "1 note: +0.500 s no answer"),
        (["info", part], 0, "from +4.000 s to +6.000 s of a recording of 10.000 s"),
    ):
        found, told = typed(monkeypatch, capsys, *words)
        assert (found, said in told) == (status, True), told


def test_a_recording_that_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, part = tmp_path / "t.parquet", tmp_path / "part.parquet"
    made = writer.TraceWriter(path, force=False)
    made.begin(recording(kinds=["fork"], stopped_by="cut off"))  # type: ignore[arg-type]
    forks = [{"ts": at(second), "pid": 100 + second, "comm": "make"} for second in range(5)]
    made.add(lifecycle.FORK, pa.RecordBatch.from_pylist(forks, schema=schema.of_kind(lifecycle.FORK)))
    made.commit({"ended_ns": at(5)})
    assert typed(monkeypatch, capsys, "slice", str(path), "-o", str(part), "--since", "+2")[0] == 0
    assert typed(monkeypatch, capsys, "slice", str(path), "-o", str(path))[0] == 1
    made.abandon()
    with Trace(part) as trace:
        assert trace.sql("SELECT pid FROM forks ORDER BY pid").fetchall() == [(102,), (103,), (104,)]
        assert trace.metadata["stopped_by"] == "slice"
