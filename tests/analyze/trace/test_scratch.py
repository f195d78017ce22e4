"""Directories for temporary files: private, removed at the end, and leftovers of a kill are removed by the next
process.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.trace import database, scratch
from sysmon.analyze.trace.result import Result
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.errors import BrokenTrace, CannotWrite
from tests import traces
from tests.bpf.trace_file.test_partial import META, cut
from tests.traces import at, born, row

SYSMON = Path(sys.executable).with_name("sysmon")

LONG = "SELECT * FROM (SELECT md5(range::VARCHAR) AS x FROM range(100000000)) ORDER BY x"
"""Sorts several GB: takes a minute, mostly in temporary files."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return traces.write(tmp_path / "t.parquet", [row("exec", at(1), pid=7, start=born(0), comm="true", path="/x")])


def test_nobody_else_can_look_into_it_and_it_is_gone_at_the_end(place: Path) -> None:
    path = scratch.new_directory()
    assert path.parent == place and path.stat().st_mode & 0o7777 == 0o700
    (path / "file").write_bytes(b"private")
    scratch.remove(path)
    scratch.remove(path)
    assert not os.listdir(place)


def test_a_trace_has_one_while_it_is_open(place: Path, trace: Path) -> None:
    with sysmon.open(trace):
        (path,) = place.iterdir()
        assert path.stat().st_mode & 0o7777 == 0o700
    assert not os.listdir(place)
    left = sysmon.open(trace)
    assert os.listdir(place)
    del left
    assert not os.listdir(place)


def test_a_forked_process_removes_nothing(place: Path) -> None:
    path = scratch.new_directory()
    if (child := os.fork()) == 0:
        scratch.remove_all()
        os._exit(0)
    os.waitpid(child, 0)
    assert path.is_dir()
    scratch.remove(path)


def left_by_kill(*files: str) -> Path:
    """The directory of a process that was killed."""
    code = (
        "import os, signal; from sysmon.analyze.trace import scratch; path = scratch.new_directory()\n"
        f"for name in {files!r}: (path / name).write_bytes(b'private')\n"
        "print(path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    return Path(done.stdout.strip())


def test_leftovers_of_a_killed_process_are_removed_by_the_next(place: Path) -> None:
    left = left_by_kill("a", "b")
    assert len(os.listdir(left)) == 2
    scratch.remove(scratch.new_directory())
    assert not os.listdir(place)


def test_nothing_else_is_removed(place: Path) -> None:
    """What is in use, has another form of name or mode, belongs to another user, or is a link."""
    in_use = scratch.new_directory()
    (in_use / "file").touch()
    target = place / "target"
    target.mkdir(mode=0o700)
    (target / "kept").touch()
    (place / f"sysmon-{'0' * 16}").symlink_to(target)
    for name, mode in (("sysmon-mine", 0o700), (f"sysmon-{'1' * 16}", 0o755), (f"sysmon-{'2' * 16}x", 0o700)):
        (place / name).mkdir(mode=mode)
        (place / name / "kept").touch()
    linked = place / f"sysmon-{'3' * 16}"
    linked.mkdir(mode=0o700)
    (linked / "link").symlink_to(target / "kept")
    if os.geteuid() == 0:
        other = place / f"sysmon-{'4' * 16}"
        other.mkdir(mode=0o700)
        os.chown(other, 61002, 61002)
    before = set(os.listdir(place))
    scratch.remove(scratch.new_directory())
    assert before - set(os.listdir(place)) == {linked.name}
    assert (target / "kept").exists() and (in_use / "file").exists()
    scratch.remove(in_use)


def test_queries_run_without_a_temporary_directory(place: Path, trace: Path) -> None:
    for name in (str(place / "absent"), "/proc"):
        tempfile.tempdir = name
        with sysmon.open(trace) as opened:
            assert opened.sql("SELECT count(*) FROM execs").fetchall() == [(1,)]


def test_a_query_that_needs_too_much_says_what_to_do(place: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SPILL_BYTES", 20 << 20)
    monkeypatch.setattr(database, "MEMORY_BYTES", 100 << 20)
    said = pytest.raises(BrokenTrace, match=r"temporary files.*select less")
    with sysmon.open(trace) as opened, said, opened.reading():
        next(Result.of(opened.sql(LONG)).rows)
    assert not os.listdir(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk_for_temporary_files_is_named(place: Path, trace: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20M", "tmpfs", place], check=True)
    try:
        said = pytest.raises(CannotWrite, match=r"No space left.*TMPDIR")
        with sysmon.open(trace) as opened, said, opened.reading():
            next(Result.of(opened.sql(LONG)).rows)
        assert not os.listdir(place)
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_in_a_long_query_ends_it_soon_and_leaves_nothing(place: Path, trace: Path, number: int) -> None:
    process = subprocess.Popen([SYSMON, "sql", trace, LONG], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not sum(f.stat().st_size > 1 << 20 for f in place.glob("*/duckdb_temp*")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(number)
    sent = time.monotonic()
    _out, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (128 + number, b"")
    assert time.monotonic() - sent < 5
    assert not os.listdir(place)


def test_ignored_signals_stay_ignored(place: Path, trace: Path) -> None:
    """As after `nohup`."""
    process = subprocess.Popen(
        [SYSMON, "sql", trace, "SELECT count(*) FROM range(3000000000)"],
        stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    while not os.listdir(place):
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    out, _said = process.communicate(timeout=60)
    assert process.returncode == 0 and b"3000000000" in out


def test_an_importing_program_keeps_its_signal_handlers(place: Path, trace: Path) -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with sysmon.open(trace) as opened:
        opened.sql("SELECT 1").fetchall()
        assert [signal.getsignal(number) for number in numbers] == before


def test_code_that_does_not_handle_the_signal_is_ended(place: Path) -> None:
    """Code other than a query, which nothing interrupts: Python runs the handler only after minutes."""
    code = (
        "import hashlib; from sysmon.analyze.trace import cleanup, scratch\n"
        "with cleanup.clean():\n"
        " (scratch.new_directory() / 'file').touch(); print(flush=True)\n"
        " hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - sent < 5
    assert not os.listdir(place)


def test_the_copy_of_an_interrupted_recording(place: Path, tmp_path: Path) -> None:
    recorded = TraceWriter(tmp_path / "t.parquet", force=False)
    recorded.begin(META)
    recorded.commit({})
    cut(tmp_path / "t.parquet", recorded)
    with sysmon.open(tmp_path / "t.parquet") as trace:
        assert trace.source.path.parent.parent == place
        assert {path.stat().st_mode & 0o7777 for path in place.iterdir()} == {0o700}
    assert not os.listdir(place)
