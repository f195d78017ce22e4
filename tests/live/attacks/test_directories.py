"""Another user may change the meaning of every name while root writes: nothing of root's is touched, whoever wins."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import sysmon
from sysmon.analyze.trace.source import inspect
from sysmon.bpf.kinds import lifecycle
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.atomic import new_file
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.errors import SysmonError
from sysmon.recorder.output.flight import FlightWriter, Keep
from sysmon.recorder.output.rotate import RotatingWriter, Rotation
from sysmon.recorder.own import ownership
from tests import traces
from tests.live.attacks.stage import MALLORY, OTHER, TRIES, TRIES_TO_WIN, Stage, stage
from tests.live.recording import SYSMON
from tests.traces import T0, at, born, row

pytestmark = pytest.mark.live

Writer = TraceWriter | FlightWriter | RotatingWriter

WRITERS: dict[str, Callable[[Path], Writer]] = {
    "one file": lambda path: TraceWriter(path, True),
    "--keep-last": lambda path: FlightWriter(path, True, Keep("4s", 4.0)),
    "--rotate": lambda path: RotatingWriter(path, True, Rotation("1s", 1.0, None, 2)),
}


@pytest.fixture
def scene() -> Iterator[Stage]:
    with stage() as found:
        yield found


def forks(second: float) -> pa.RecordBatch:
    rows = [row("fork", at(second), pid=100, start=born(0), ppid=7, comm="new")]
    return pa.RecordBatch.from_pylist(rows, schema=schema.of_kind(lifecycle.FORK))


def record(path: Path, make: Callable[[Path], Writer]) -> None:
    """A recording of three parts, as fast as possible. SysmonError if it cannot be written."""
    out = make(path)
    try:
        for part in range(3):
            if part and isinstance(out, RotatingWriter):
                out.turn(traces.recording(started_ns=T0, ended_ns=at(part)))
            elif part and isinstance(out, FlightWriter):
                out.turn({"losses": [], "ended_ns": at(part)})
            if not part or not isinstance(out, TraceWriter):
                out.begin(traces.recording(started_ns=at(part), ended_ns=at(part)))
            out.add(lifecycle.FORK, forks(part + 0.5))
            out.commit({"ended_ns": at(part + 1)})
        out.finish(traces.recording(ended_ns=at(3)))
    finally:
        out.abandon()


@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
def test_a_directory_that_takes_over_a_finished_ones_name_is_not_touched(scene: Stage, make: object) -> None:
    """In a directory like /tmp the hidden directory's name is free once the recording has ended."""
    before = scene.roots()
    evil = scene.evil("evil")
    assert callable(make)
    with scene.attacker("take", scene.sticky, ".t", evil):
        for _ in range(TRIES):
            with contextlib.suppress(SysmonError):
                record(scene.sticky / "t.parquet", make)
            assert scene.roots() == before
    made = list(scene.sticky.glob("t*.parquet"))
    assert made
    assert all(sysmon.open(path).sql("SELECT count(*) > 0 FROM forks").fetchall() == [(True,)] for path in made)


@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("target", ["rooms", "open"])
def test_an_exchanged_hidden_directory_is_not_entered(scene: Stage, make: object, target: str) -> None:
    """The owner of the parent directory can move it away and put a link there."""
    before = scene.roots()
    opened = sorted(os.listdir(scene.place / "open"))
    assert callable(make)
    with scene.attacker("swap", scene.theirs, ".t", scene.place / target):
        for _ in range(TRIES):
            with contextlib.suppress(SysmonError):
                record(scene.theirs / "t.parquet", make)
            assert scene.roots() == before
    assert sorted(os.listdir(scene.place / "open")) == opened
    for path in scene.theirs.glob("t*.parquet"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o600), "a trace of root's stays root's"
        inspect(path)


@pytest.mark.parametrize("make", WRITERS.values(), ids=WRITERS)
def test_a_path_that_becomes_a_link_is_not_followed(scene: Stage, make: object) -> None:
    """-o theirs/sub/t.parquet: sub alternates between a directory and a link to a directory of root's."""
    before = scene.roots()
    sub, other = scene.theirs / "sub", scene.theirs / "other"
    sub.mkdir()
    other.symlink_to(scene.rooms)
    scene.give(scene.theirs)
    refused = 0
    assert callable(make)
    with scene.attacker("exchange", sub, other):
        for tried in range(TRIES_TO_WIN):
            if refused and tried >= TRIES:
                break
            try:
                record(sub / "t.parquet", make)
            except SysmonError as error:
                refused += "does not follow" in str(error)
            assert scene.roots() == before
    assert refused, "he never won, so this showed nothing"


def test_a_link_to_its_owners_directory_is_followed(scene: Stage) -> None:
    (scene.theirs / "real").mkdir()
    (scene.theirs / "link").symlink_to(scene.theirs / "real")
    scene.give(scene.theirs)
    record(scene.theirs / "link" / "t.parquet", WRITERS["one file"])
    assert os.listdir(scene.theirs / "real") == ["t.parquet"]


def test_only_roots_links_in_a_sticky_directory_are_followed(scene: Stage) -> None:
    for name, user in (("ours", 0), ("his", MALLORY), ("another's", OTHER)):
        (scene.sticky / name).symlink_to(scene.rooms)
        os.chown(scene.sticky / name, user, user, follow_symlinks=False)
        if user:
            with pytest.raises(SysmonError, match="a link that another user can change"):
                record(scene.sticky / name / f"{name}.parquet", WRITERS["one file"])
        else:
            record(scene.sticky / name / f"{name}.parquet", WRITERS["one file"])
    assert sorted(path.name for path in scene.rooms.glob("*.parquet")) == ["ours.parquet", "t.parquet"]


def test_a_link_at_the_destination_is_not_followed(scene: Stage) -> None:
    """-o between the check and the end, with and without --force; also for a chart and a page."""
    before = scene.roots()
    with scene.attacker("relink", scene.theirs / "t.parquet", scene.rooms / "t.parquet"):
        for number in range(TRIES):
            with contextlib.suppress(SysmonError):
                TraceWriter(scene.theirs / "t.parquet", bool(number % 2)).abandon()
            with contextlib.suppress(SysmonError):
                record(scene.theirs / "t.parquet", WRITERS["one file"])
            with contextlib.suppress(SysmonError), new_file(scene.theirs / "t.parquet", force=bool(number % 2)) as new:
                new.write(b"a page")
            assert scene.roots() == before


def test_another_user_behind_sudo(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user behind sudo records into their directory, and another user takes every name possible."""
    before = scene.roots()
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    monkeypatch.setenv("SUDO_GID", str(OTHER))
    user = ownership.owner(scene.sticky / "t.parquet")
    assert user and user.uid == OTHER
    evil = scene.evil("evil")
    with scene.attacker("take", scene.sticky, ".t", evil):
        for _ in range(TRIES):
            with ownership.acting_as(user):
                record(scene.sticky / "t.parquet", WRITERS["one file"])
            assert scene.roots() == before
    assert (scene.sticky / "t.parquet").stat().st_uid == OTHER


@pytest.mark.usefixtures("live_kernel")
@pytest.mark.parametrize("options", [(), ("--keep-last", "4s"), ("--rotate", "1s")], ids=" ".join)
@pytest.mark.parametrize("where", ["sticky", "theirs"])
def test_a_recording_under_attack_ends_well(scene: Stage, options: tuple[str, ...], where: str) -> None:
    before = scene.roots()
    place = scene.place / where
    attack = ("take", place, ".t", scene.evil("evil")) if where == "sticky" else ("swap", place, ".t", scene.rooms)
    with scene.attacker(*attack):
        done = subprocess.run(
            [SYSMON, "record", "--duration", "2.5", "-o", place / "t.parquet", *options],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        time.sleep(0.3)
    assert scene.roots() == before
    assert done.returncode == 0, done.stderr
    made = [path for path in place.glob("t*.parquet") if path.is_file()]
    assert made
    for path in made:
        sysmon.open(path).close()


@pytest.mark.usefixtures("live_kernel")
@pytest.mark.parametrize("command", [("chart", "cpu", "-o", "t.png"), ("report", "--html", "t.html")], ids=str)
def test_output_of_reading_commands_is_written_as_safely(scene: Stage, command: tuple[str, ...]) -> None:
    before = scene.roots()
    sample = Path(__file__).parents[3] / "sample_traces" / "web.parquet"
    name, *options, file = command
    path = scene.theirs / file
    with scene.attacker("relink", path, scene.rooms / file):
        for force in ((), ("--force",)):
            done = subprocess.run(
                [SYSMON, name, sample, *options, path, *force], capture_output=True, text=True, timeout=120, check=False
            )
            assert "Traceback" not in done.stderr
            assert scene.roots() == before
