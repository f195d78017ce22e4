"""However a recording ends, it leaves a trace: SIGKILL, a full disk, a limit, a removed directory.

SYSMON_KILLS is the number of recordings to kill; the default is 5.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.edit.repair import make_whole
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file import partial, unfinished
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import BadRequest
from sysmon.recorder.schedule import COMMIT_S
from tests.live.recording import SYSMON, Recording, python, recording, start, wait_for

pytestmark = pytest.mark.live

KILLS = int(os.environ.get("SYSMON_KILLS", "5"))

NUMBERED = """
import os, sys, time
many, i = not sys.argv[2:], 0
while True:
    many = many or os.access(sys.argv[2], os.F_OK)
    for i in range(i, i + (int(sys.argv[1]) if many else 10)):
        try: os.open(f"/no/such/{i}", 0)
        except OSError: pass
    i += 1
    time.sleep(0.02)
"""
"""Opens missing files with consecutive numbers in their names: this many at a time, but few until the named file
exists.
"""


@contextlib.contextmanager
def numbered(batch: int, gate: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """The process that does so."""
    process = python(NUMBERED, str(batch), *([str(gate)] if gate else []))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def numbers(trace: Trace, pid: int | None) -> tuple[int, int]:
    """How many numbers are missing between first and last, and how many are there; None: any process."""
    whose = f"pid = {pid} AND" if pid else ""
    query = f"SELECT CAST(parse_filename(path) AS BIGINT) AS n FROM opens WHERE {whose} path LIKE '/no/such/%'"
    ((first, last, count),) = trace.sql(f"SELECT min(n), max(n), count(DISTINCT n) FROM ({query})").fetchall()
    return (0, 0) if first is None else (last - first + 1 - count, count)


def lost(trace: Trace) -> list[tuple[str, str, int]]:
    return trace.sql("SELECT cause, place, lost FROM losses WHERE cause NOT IN ('refused', 'recursion')").fetchall()


def complete(path: Path, pid: int | None) -> int:
    """How many numbers the trace has. None is missing, unless it reports lost events."""
    with sysmon.open(path) as trace:
        gaps, count = numbers(trace, pid)
        assert gaps == 0 or lost(trace), gaps
    return count


def test_a_kill_at_any_moment_leaves_a_trace(tmp_path: Path) -> None:
    """Each trace is complete up to its last commit: no number is missing before the last."""
    dice = random.Random(7)
    moments = [dice.uniform(0.0, 5.0) for _ in range(KILLS - 1)]
    with numbered(400) as process, ThreadPoolExecutor(3) as pool:
        results = list(
            pool.map(
                lambda i, after_s: killed(tmp_path / f"{i}.parquet", process.pid, after_s, whole=i % 3 == 0),
                range(KILLS),
                [None, *moments],
            )
        )
    assert all(late < 5 for late, _groups in results), results
    assert results[0][1] > 0, "row groups were written, and not only rows that wait"
    print(f"{KILLS} kills: missing at most {max(late for late, _ in results):.2f} s, {results}")


def killed(path: Path, pid: int, after_s: float | None, whole: bool) -> tuple[float, int]:
    """Kills a recording; without a time once it has a row group. Returns what its end lacks [s], and the row groups."""
    running = start(path)
    if after_s is None:
        wait_for(lambda: unfinished.read(Directory.hold(partial.of(path)[0][0])).groups, 60)
    else:
        time.sleep(after_s)
    running.process.kill()
    at = time.time()
    running.process.wait()
    assert running.process.stderr
    running.process.stderr.close()
    assert not path.exists()
    ((directory,),) = partial.of(path)
    groups = len(unfinished.read(Directory.hold(directory)).groups)
    if whole:
        make_whole(path, None, force=False)
        assert path.exists() and not directory.exists()
    with sysmon.open(path) as trace:
        said = trace.metadata
        assert said["stopped_by"] == "cut off"
        ((rows, ends, last),) = trace.sql(
            "SELECT (SELECT count(*) FROM unfiltered.trace), count(*) FILTER (event = 'end'), epoch_ns(max(ts)) "
            "FROM clocks"
        ).fetchall()
        gaps, _count = numbers(trace, pid)
        assert gaps == 0 or lost(trace), gaps
    late = at - said["ended_ns"] / 1e9
    assert rows == sum(said["rows"].values())
    assert ends == 0
    assert at - last / 1e9 < 5
    return late, groups


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "sysmon-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def end_of(process: subprocess.Popen[str], recorder: Recording) -> str:
    """The last line of a recording that could not be written any more; it comes while the load continues."""
    assert recorder.process.wait(60) == 1
    assert recorder.process.stderr
    with recorder.process.stderr as stderr:
        said = stderr.read()
    assert process.poll() is None
    assert said.startswith("sysmon: cannot write") and said.count("\n") == 1, said
    return said


def test_a_full_disk_ends_the_recording_and_keeps_it(tmp_path: Path, small_disk: Path) -> None:
    path, gate = small_disk / "t.parquet", tmp_path / "gate"
    with numbered(2000, gate) as process:
        running = start(path)
        wait_for(lambda: complete(path, process.pid) > 0)
        gate.touch()
        said = end_of(process, running)
    assert "No space left on device" in said and f"sysmon repair {path}" in said
    count = complete(path, process.pid)
    subprocess.run(["mount", "-o", "remount,size=64M", small_disk], check=True)
    assert subprocess.run([SYSMON, "repair", path], check=False).returncode == 0
    assert os.listdir(small_disk) == ["t.parquet"]
    assert complete(path, process.pid) == count > 0


def test_a_recording_on_a_full_disk_can_be_repaired_elsewhere(tmp_path: Path, small_disk: Path) -> None:
    path, gate = small_disk / "t.parquet", tmp_path / "gate"
    with numbered(2000, gate) as process:
        running = start(path)
        wait_for(lambda: complete(path, process.pid) > 0)
        gate.touch()
        end_of(process, running)
    made, _recording = make_whole(path, tmp_path / "made.parquet", force=False)
    assert complete(made, process.pid) > 0
    assert os.listdir(small_disk) == []


def test_a_disk_without_space_is_one_line_and_leaves_nothing(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes((4 << 20) - 4096 * 6))
    done = subprocess.run(
        [SYSMON, "record", "-o", small_disk / "t.parquet", "--", "sh", "-c", "echo it ran"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"sysmon: cannot write {small_disk / 't.parquet'}: No space left on device\n"
    assert done.stdout == "", "it was never let go"
    assert os.listdir(small_disk) == ["full"]


def test_a_read_only_file_system_is_one_line(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = subprocess.run(
        [SYSMON, "record", "-o", small_disk / "t.parquet"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"sysmon: cannot write in {small_disk}: Read-only file system; choose another place with -o\n"


def test_the_command_continues_at_a_file_size_limit(tmp_path: Path) -> None:
    limit = 1_100_000
    path, gate = tmp_path / "t.parquet", tmp_path / "gate"
    command = [sys.executable, "-I", "-S", "-c", NUMBERED, "2000", gate]
    with (tmp_path / "said").open("w+") as said:  # a pipe would be held open by the command, which continues
        recorder = subprocess.Popen(
            [SYSMON, "record", "-o", path, "--", *command], stderr=said,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )  # fmt: skip
        wait_for(lambda: "recording to" in (tmp_path / "said").read_text())
        wait_for(lambda: complete(path, None) > 0)
        gate.touch()
        assert recorder.wait(120) == 1
        text = (tmp_path / "said").read_text()
    line = text.splitlines()[-1]
    assert "File too large" in line and "The command still runs: pid " in line and "Traceback" not in text
    pid = int(line.rsplit(" ", 1)[1])
    os.kill(pid, signal.SIGKILL)  # it existed
    assert complete(path, pid) > 0


def test_a_recording_survives_removal_of_its_directory(tmp_path: Path) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    running = start(place / "t.parquet")
    shutil.rmtree(place)
    process = python("import os\nfor _ in range(1009): os.getppid()")
    assert process.wait() == 0
    assert running.stop() == 1
    line = running.output.splitlines()[-1]
    assert "was removed: the trace is in " in line and "Traceback" not in running.output
    kept = Path(line.rsplit(" ", 1)[1])
    try:
        with sysmon.open(kept) as trace:
            query = f"SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid' AND pid = {process.pid}"
            assert trace.sql(query).fetchall() == [(1009,)]
    finally:
        kept.unlink()


def test_a_recording_can_be_read_while_it_runs(tmp_path: Path) -> None:
    with numbered(100) as process, recording(tmp_path / "t.parquet") as r:
        wait_for(lambda: complete(r.path, process.pid) > 0)
        with sysmon.open(r.path) as trace:
            assert trace.metadata["stopped_by"] == "not yet"
        with pytest.raises(BadRequest, match="still being recorded"):
            make_whole(r.path, None, force=False)
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_a_trace_keeps_its_size_limit(tmp_path: Path) -> None:
    limit = 4 << 20
    with numbered(4000) as process:
        running = start(tmp_path / "t.parquet", "--max-size", "4M")
        assert running.process.wait(120) == 0
        assert running.stop() == 0
        assert "stopped: the trace has reached --max-size" in running.output
    assert limit * 0.6 < running.path.stat().st_size <= limit
    with sysmon.open(running.path) as trace:
        assert trace.metadata["stopped_by"] == "size"
    assert complete(running.path, process.pid) > 0


def begins_later(path: Path) -> bool:
    """Whether the first part of a flight recording is gone, so that only the most recent part is kept.

    With its directory: while that is being removed it is no part any more, and a killed recorder leaves it behind.
    """
    return bool(partial.of(path)) and not list(path.parent.glob(f".{path.name}.*-000001{partial.SUFFIX}"))


def span_s(trace: Trace) -> float:
    return (trace.metadata["ended_ns"] - trace.metadata["started_ns"]) / 1e9


def assert_last_of(path: Path, pid: int, ring_s: float, missing_s: float = 0) -> None:
    """The trace has this duration, its end is complete, and it knows a process that existed before.

    If the recorder was killed, this much may be missing at the end.
    """
    assert complete(path, pid) > 0
    with sysmon.open(path) as trace:
        # A part ends at the first snapshot after a quarter of the time, however late that is. Not needed but still kept
        # are the rest of the first part and, as parts are removed when another begins, what came since.
        gaps = "SELECT epoch_ns(ts) - epoch_ns(lag(ts) OVER (ORDER BY ts)) FROM clocks"
        part_s = ring_s / 4 + max(ns or 0 for (ns,) in trace.sql(gaps).fetchall()) / 1e9
        assert ring_s - missing_s <= span_s(trace) < ring_s + 2 * part_s
        assert trace.metadata["started_ns"] > trace.metadata["began_ns"]
        assert [row[0] for row in trace.sql("SELECT event FROM clocks ORDER BY ts").fetchall()].count("start") == 1
        starts = "SELECT alive_at_start, count(*) FROM processes WHERE pid = $1 GROUP BY ALL".replace("$1", str(pid))
        assert trace.sql(starts).fetchall() == [(True, 1)]
        ((before,),) = trace.sql(
            "SELECT count(*) FROM unfiltered.trace WHERE epoch_ns(ts) < (SELECT epoch_ns(min(ts)) FROM clocks) - 10**8"
        ).fetchall()
        assert before == 0


def test_a_flight_recorder_keeps_the_most_recent_part(tmp_path: Path) -> None:
    with numbered(100) as process:
        running = start(tmp_path / "t.parquet", "--keep-last", "4s")
        wait_for(lambda: begins_later(running.path))
        running.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: any(p.name.startswith("t-") for p in tmp_path.iterdir()))
        wait_for(lambda: len(partial.of(running.path)[0]) <= 6)  # nothing is removed while a file is being made
        assert running.stop() == 0, running.output
    (asked,) = (p for p in tmp_path.iterdir() if p.name.startswith("t-"))
    assert f"wrote {asked}" in running.output
    assert sorted(os.listdir(tmp_path)) == sorted([asked.name, "t.parquet"])
    for path in (asked, running.path):
        assert_last_of(path, process.pid, 4)
        with sysmon.open(path) as trace:
            ((opens, calls),) = trace.sql(
                f"SELECT (SELECT count(*) FROM opens WHERE pid = {process.pid}), "
                f"(SELECT sum(calls) FROM syscall_stats WHERE pid = {process.pid} AND syscall = 'openat')"
            ).fetchall()
        # A call at an edge may be a row in one part and counted in the other: at most one per edge here.
        assert abs(opens - calls) <= 2, "what is counted is of the same time as the rows"
    with sysmon.open(running.path) as trace, sysmon.open(asked) as before:
        assert trace.metadata["stopped_by"] == "signal"
        assert before.metadata["stopped_by"] == "request"
        assert before.metadata["ended_ns"] < trace.metadata["ended_ns"]


def test_a_flight_recorder_with_a_size_limit(tmp_path: Path) -> None:
    with numbered(4000) as process:
        running = start(tmp_path / "t.parquet", "--keep-last", "8M")
        wait_for(lambda: begins_later(running.path), 120)
        assert len(partial.of(running.path)[0]) > 1, "it keeps more than what it writes"
        assert running.stop() == 0, running.output
    assert running.path.stat().st_size <= 8 << 20
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert complete(running.path, process.pid) > 0


def test_a_killed_flight_recorder_leaves_the_most_recent_part(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with numbered(100) as process:
        running = start(path, "--keep-last", "4s")
        wait_for(lambda: begins_later(path))
        running.process.kill()
        running.stop()
    assert complete(path, process.pid) > 0
    make_whole(path, None, force=False)
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert_last_of(path, process.pid, 4, missing_s=COMMIT_S)
