"""Rotated files, and how they are requested. tests/live has what involves the kernel."""

from pathlib import Path

import pytest

import sysmon
from sysmon.bpf.kinds import lifecycle
from sysmon.bpf.trace_file import partial, rotated
from sysmon.bpf.trace_file.rotated import present
from sysmon.errors import BadRequest, CannotWrite
from sysmon.recorder.output import rotate
from sysmon.recorder.output.rotate import RotatingWriter, Rotation, rotation
from tests import traces
from tests.recorder.output.test_flight import batch
from tests.traces import at, born, row


@pytest.mark.parametrize(
    ("text", "seconds", "size"), [("1s", 1, None), ("10m", 600, None), ("1M", None, 1 << 20), ("2GiB", None, 2 << 30)]
)
def test_a_time_or_a_size(text: str, seconds: float | None, size: int | None) -> None:
    assert rotation(text, 3) == Rotation(text, seconds, size, 3)


@pytest.mark.parametrize("text", ["", "0", "x", "0s", "512K", "-5", "5d", "1e9", "1m,2M"])
def test_invalid_amounts(text: str) -> None:
    with pytest.raises(BadRequest, match=r"^--rotate: "):
        rotation(text, None)


def test_names_sort_and_are_recognized(tmp_path: Path) -> None:
    path = tmp_path / "a.b.parquet"
    names = [rotated.numbered(path, n) for n in (1, 2, 10, 999_999)]
    assert names[0].name == "a.b-000001.parquet" and names == sorted(names)
    for other in ("a.b.parquet", "a.b-1.parquet", "axb-000001.parquet", "a.b-000001.parquet.bak"):
        (tmp_path / other).touch()
    names[1].touch()
    assert present(path) == [names[1]]


def fork(second: float, pid: int) -> object:
    return batch("fork", row("fork", at(second), pid=pid, start=born(second), ppid=7, comm="new"))


def write(out: RotatingWriter, files: int) -> None:
    """This many files, the last of them just begun: two forks and three losses in each."""
    for number in range(files):
        said = traces.recording(started_ns=at(number), ended_ns=at(number), rotate="1s", file=number + 1)
        if number:
            lost = [{"cause": "ring full", "place": "fork", "lost": 3}]
            out.turn({**said, "started_ns": at(number - 1), "rows": out.rows, "losses": lost})
        out.begin(said)
        for pid in (100, 101):
            out.add(lifecycle.FORK, fork(number + 0.5, pid + 2 * number))
        out.commit({"ended_ns": at(number + 0.7)})


def finish(out: RotatingWriter) -> dict[str, object]:
    return dict(out.finish(traces.recording(started_ns=at(9), rows=out.rows, ended_ns=at(10))))


def test_each_file_is_a_trace_and_the_final_metadata_is_of_all(tmp_path: Path) -> None:
    out = RotatingWriter(tmp_path / "t.parquet", False, Rotation("1s", 1.0))
    write(out, 4)
    assert out.total_rows == 8
    said = finish(out)
    assert said["losses"] == [{"cause": "ring full", "place": "fork", "lost": 9}]
    assert said["rows"]["fork"] == 8 and (said["started_ns"], said["ended_ns"]) == (at(0), at(10))
    assert (
        [p.name for p in out.files.complete]
        == [f"t-00000{n}.parquet" for n in (1, 2, 3, 4)]
        == sorted(p.name for p in tmp_path.iterdir())
    )
    for number, file in enumerate(out.files.complete):
        with sysmon.open(file) as trace:
            pids = [(100 + 2 * number,), (101 + 2 * number,)]
            assert trace.sql("SELECT pid FROM forks ORDER BY pid").fetchall() == pids


def test_the_newest_files_are_kept(tmp_path: Path) -> None:
    out = RotatingWriter(tmp_path / "t.parquet", False, Rotation("1s", 1.0, kept=2))
    write(out, 5)
    assert out.first_part in (2, 3), "the fourth may be complete"
    finish(out)
    assert [p.name for p in present(out.path)] == ["t-000004.parquet", "t-000005.parquet"]
    assert out.files.removed == 3 and out.first_part == 4


def test_existing_files_are_replaced_only_with_force_and_only_by_new_ones(tmp_path: Path) -> None:
    old = [tmp_path / f"t-00000{n}.parquet" for n in (1, 8)]
    for file in old:
        file.write_text("old")
    with pytest.raises(CannotWrite, match=r"t-000001.parquet exists: .* --force"):
        RotatingWriter(tmp_path / "t.parquet", False, Rotation("1s", 1.0))
    out = RotatingWriter(tmp_path / "t.parquet", True, Rotation("1s", 1.0))
    assert present(out.path) == old
    write(out, 2)
    finish(out)
    assert [p.name for p in present(out.path)] == ["t-000001.parquet", "t-000002.parquet"]


def test_a_file_that_cannot_be_finished_is_left_as_interrupted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = RotatingWriter(tmp_path / "t.parquet", False, Rotation("1s", 1.0))
    write(out, 1)
    (tmp_path / "t-000001.parquet").mkdir()
    write_on = traces.recording(started_ns=at(0), ended_ns=at(1), rows=out.rows)
    out.turn(write_on)
    out.begin(traces.recording(started_ns=at(1)))
    out.commit({})
    finish(out)
    assert capfd.readouterr().err.startswith("sysmon: ")
    assert [p.name for p in out.files.complete] == ["t-000002.parquet"]
    assert [p.name for p in out.files.left] == ["t-000001.parquet"]


def test_a_file_is_full_by_time_or_size_but_not_before_the_previous_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(rotate.time, "monotonic", lambda: clock[0])
    by_time = RotatingWriter(tmp_path / "t.parquet", False, Rotation("3s", 3.0))
    clock[0] = 10.0
    by_time.begin(traces.recording())
    clock[0] = 12.8
    assert not by_time.is_full
    clock[0] = 12.95
    assert by_time.is_full
    by_time._child = 1
    monkeypatch.setattr(rotate.os, "waitpid", lambda _pid, _how: (0, 0))
    assert not by_time.is_full
    by_time._child = 0
    by_time.abandon()
    by_size = RotatingWriter(tmp_path / "s.parquet", False, Rotation("1M", None, 1 << 20))
    by_size.begin(traces.recording())
    monkeypatch.setattr(rotate.TraceWriter, "reaches", lambda _file, size: size <= 2 << 20)
    clock[0] += 0.5
    assert not by_size.is_full, "one a second at most"
    clock[0] += 0.5
    assert by_size.is_full
    by_size.abandon()
    assert not partial.of(tmp_path / "s-000001.parquet")
