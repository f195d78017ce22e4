"""A rotated recording: each file is a trace by itself, and together they have everything once."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

import sysmon
from sysmon.bpf.trace_file import partial, unfinished
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.rotated import numbered as numbered_file
from sysmon.bpf.trace_file.rotated import present
from tests.live.recording import SYSMON, kernel_preempts_programs, python, recording, start, wait_for
from tests.live.test_durability import numbered

pytestmark = pytest.mark.live

CALLS, OPENS = 100_003, 10_007

WORK = f"""
import os, sys, time
sys.stdin.readline()
opens = 0
for call in range({CALLS}):
    os.getppid()
    if call * {OPENS} // {CALLS} == opens:
        opens += 1
        try: os.open(f"/no/such/{{opens}}", 0)
        except OSError: pass
    if call % 4000 == 0:
        time.sleep(0.1)
print(opens)
"""
"""About three seconds of work."""


def test_the_files_together_have_every_call_once(tmp_path: Path) -> None:
    with (
        recording(tmp_path / "t.parquet", "--rotate", "1s") as r,
        python(WORK, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.communicate("\n")[0] == f"{OPENS}\n"
    files = present(r.path)
    assert len(files) >= 3
    assert sorted(os.listdir(tmp_path)) == [file.name for file in files], "nothing is left but the files"
    assert f"{files[0]} to {files[-1].name}" in r.output
    pid, glob = process.pid, str(tmp_path / "t-*.parquet")
    ((calls, opens, distinct, lost),) = duckdb.sql(
        f"""
        SELECT
            SUM(calls) FILTER (kind = 'syscall_stats' AND pid = {pid} AND syscall = 'getppid'),
            COUNT(*) FILTER (kind = 'open' AND pid = {pid} AND path LIKE '/no/such/%'),
            COUNT(DISTINCT path) FILTER (kind = 'open' AND pid = {pid} AND path LIKE '/no/such/%'),
            COALESCE(SUM(lost) FILTER (kind = 'loss' AND place IN ('open', 'on_sys_exit', 'on_sys_enter')), 0)
        FROM read_parquet('{glob}')
        """
    ).fetchall()
    assert opens == distinct
    if kernel_preempts_programs():
        assert CALLS - lost <= calls <= CALLS
        assert OPENS - lost <= opens <= OPENS
    else:
        assert (calls, opens + lost) == (CALLS, OPENS)
    ends, began = [], set()
    names = []
    for number, file in enumerate(files, 1):
        with sysmon.open(file) as trace:
            said = trace.metadata
            assert said["file"] == number and said["rotate"] == "1s"
            assert not ends or said["started_ns"] == ends[-1], "no time between two files"
            ends.append(said["ended_ns"])
            began.add(said["began_ns"])
            assert said["stopped_by"] == ("signal" if file == files[-1] else "rotation")
            assert sum(said["rows"].values()) == trace.sql("SELECT count(*) FROM unfiltered.trace").fetchall()[0][0]
            names += trace.sql(
                f"SELECT DISTINCT p.comm, p.ppid FROM opens AS o JOIN processes AS p USING (pid, start) "
                f"WHERE pid = {pid} AND o.path LIKE '/no/such/%'"
            ).fetchall()
            outside = "SELECT count(*) FROM opens WHERE epoch_ns(ts) NOT BETWEEN $started AND $ended"
            outside = outside.replace("$started", str(said["started_ns"])).replace("$ended", str(said["ended_ns"]))
            assert trace.sql(outside).fetchall() == [(0,)]
    assert len(began) == 1
    assert len(names) >= 3 and set(names) == {(Path(sys.executable).name[:15], os.getpid())}, "known in each file"


def assert_what_was_cut_off_is_named(path: Path) -> None:
    """By a report on the original name, and when recording to it again."""
    left = [path.with_name(partial.wanted(p.name)) for p in path.parent.glob(".*.partial")]
    report = subprocess.run([SYSMON, "report", path], capture_output=True, text=True, timeout=60, check=False)
    assert f"the files of a recording with --rotate are {numbered_file(path, 1)} and so on" in report.stderr
    again = subprocess.run(
        [SYSMON, "record", "-o", path, "--duration", "0.1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert left, "it was killed between two files"
    for file in left:
        assert str(file) in report.stderr
        assert re.search(rf"an earlier recording was interrupted: `sysmon repair \S*\.{file.name}\.", again.stderr)
    path.unlink()


def test_killed_while_it_rotates_all_files_open(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with numbered(100) as process:
        running = start(path, "--rotate", "1s")
        wait_for(lambda: (tmp_path / "t-000002.parquet").exists())
        # Another is about to be full: some kills come before its turn, some after, some while it is finished.
        time.sleep(0.7 + time.time() % 0.5)
        running.process.kill()
        running.stop()
    assert running.status == -signal.SIGKILL
    # A directory is left of a file, unless a child that outlived the recorder has just finished it.
    wait_for(lambda: not any(partial.is_running(Directory.hold(p)) for p in tmp_path.glob(".*.partial")))
    files = sorted({*present(path), *(p.with_name(partial.wanted(p.name)) for p in tmp_path.glob(".*.partial"))})
    assert [int(file.stem[-6:]) for file in files] == list(range(1, len(files) + 1))
    assert_what_was_cut_off_is_named(path)
    found: list[int] = []
    ends: list[int] = []
    for file in files:
        if file == files[-1] and not (tmp_path / f".{file.name}").exists() and not file.exists():
            try:
                unfinished.read(Directory.hold(next(tmp_path.glob(f".{file.name}.*"))))
            except unfinished.BadPartial:  # it had just begun
                continue
        with sysmon.open(file) as trace:
            assert not ends or trace.metadata["started_ns"] == ends[-1]
            ends.append(trace.metadata["ended_ns"])
            names = trace.sql(f"SELECT path FROM opens WHERE pid = {process.pid} ORDER BY ts").fetchall()
            found += [int(name[0].rsplit("/", 1)[1]) for name in names if name[0].startswith("/no/such/")]
            lost = trace.sql("SELECT count(*) FROM losses WHERE place = 'open'").fetchall()[0][0]
            assert not lost
    assert len(ends) >= 2
    assert found == list(range(found[0], found[0] + len(found))), "none is missing or twice, from file to file"


def test_only_the_newest_is_kept_and_the_command_is_passed_on(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 2.3; exit 7"]
    done = subprocess.run(
        [SYSMON, "record", "-o", tmp_path / "t.parquet", "--rotate", "1s", "--rotate-keep", "1", "--", *command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    (file,) = present(tmp_path / "t.parquet")
    assert int(file.stem[-6:]) >= 3
    assert os.listdir(tmp_path) == [file.name]
    assert re.search(rf"wrote {file}: [\d,]+ rows in .*, nothing lost; .* removed", done.stderr), done.stderr
    with sysmon.open(file) as trace:
        assert trace.sql("SELECT exit_code FROM exits WHERE exit_code > 0").fetchall() == [(7,)]
        assert trace.metadata["command_status"] == 7
