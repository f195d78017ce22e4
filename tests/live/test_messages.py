"""A recorder's messages, and that a recording does not depend on their reader."""

import os
import pty
import signal
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest

import sysmon
from tests.live.recording import SYSMON, wait_for

pytestmark = pytest.mark.live


def complete(path: Path, stopped_by: str = "duration") -> None:
    """The trace is complete, and nothing else is left."""
    assert os.listdir(path.parent) == [path.name]
    with sysmon.open(path) as trace:
        assert trace.metadata["stopped_by"] == stopped_by
        assert trace.source.unfinished is None


def record(path: Path, *arguments: str, **popen: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([SYSMON, "record", "-o", path, *arguments], **popen)


@pytest.mark.parametrize("way", ["2>&1 | true", "2>&-", "2>/dev/full", "<&- >&- 2>&-", "| true"])
@pytest.mark.parametrize("options", [["--duration", "0.5"], ["--duration", "3", "--rotate", "1s"]])
def test_messages_that_nobody_reads(tmp_path: Path, way: str, options: list[str]) -> None:
    path = tmp_path / "new" / "t.parquet"
    path.parent.mkdir()
    line = f'"$@" {way}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", line, "bash", SYSMON, "record", "-o", path, *options], timeout=60, check=False)
    assert done.returncode == 0
    if "--rotate" not in options:
        complete(path)
        return
    files = sorted(os.listdir(path.parent))
    assert files[0] == "t-000001.parquet" and all(name.startswith("t-") for name in files)


def test_the_status_of_the_command_is_passed_on(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    process = record(tmp_path / "t.parquet", "--", "sh", "-c", "exit 7", stderr=writable)
    os.close(writable)
    assert process.wait(60) == 7
    complete(tmp_path / "t.parquet", "command")


@pytest.mark.parametrize("blocking", [True, False])
def test_a_stuck_reader_does_not_stop_a_recording(tmp_path: Path, blocking: bool) -> None:
    """Its pipe is full, and it never reads."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    while True:
        try:
            os.write(writable, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writable, blocking)
    process = record(tmp_path / "t.parquet", "--duration", "1", stderr=writable)
    assert process.wait(30) == 0
    complete(tmp_path / "t.parquet")
    os.close(readable)
    os.close(writable)


def test_a_stopped_terminal_does_not_stop_a_recording(tmp_path: Path) -> None:
    """By Ctrl-S, which nobody undoes."""
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    process = record(tmp_path / "t.parquet", "--duration", "1", "--interval", "0.1", stderr=theirs)
    assert process.wait(30) == 0
    complete(tmp_path / "t.parquet")
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize("ignored", [True, False])
def test_a_terminal_that_is_gone(tmp_path: Path, ignored: bool) -> None:
    """Losing it ends a recording only by SIGHUP: after `nohup` the recording continues, unheard."""
    pid, ours = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        os.execv(SYSMON, ["sysmon", "record", "-o", str(tmp_path / "t.parquet"), "--interval", "0.1"])
    shown = b""
    while b"rows" not in shown:
        shown += os.read(ours, 9999)
    os.close(ours)
    if ignored:
        time.sleep(1)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        os.kill(pid, signal.SIGINT)
    assert os.waitpid(pid, 0)[1] == 0
    complete(tmp_path / "t.parquet", "signal")


def test_a_command_that_floods_the_same_pipe(tmp_path: Path) -> None:
    """The reader takes little at a time, so that the pipe is nearly always full, and both write when it is not."""
    readable, writable = os.pipe()
    process = record(
        tmp_path / "t.parquet", "--", "sh", "-c", "yes >&2 & sleep 2; kill $!", stderr=writable
    )  # fmt: skip
    os.close(writable)
    until = time.monotonic() + 30
    while process.poll() is None:
        assert time.monotonic() < until
        if time.monotonic() < until - 27:
            os.read(readable, 4096)
        time.sleep(0.01)
    assert process.returncode == 0
    os.close(readable)


def test_messages_are_escaped(tmp_path: Path) -> None:
    name = "\x1b[31m\x9b.parquet"
    process = record(tmp_path / name, "--duration", "0.3", stderr=subprocess.PIPE)
    _out, said = process.communicate(timeout=60)
    text = said.decode()
    assert process.returncode == 0 and "recording to" in text and "wrote" in text
    assert all(c.isprintable() or c == "\n" for c in text)
    missing = subprocess.run(
        [SYSMON, "record", "--", f"{tmp_path}/no{name}"], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 127 and all(c.isprintable() or c == "\n" for c in missing.stderr)


def test_an_interpreter_that_is_missing_is_said(tmp_path: Path) -> None:
    script = tmp_path / "\x1b[31m\udcff"
    script.write_text("#!/nowhere/interpreter\n")
    script.chmod(0o755)
    process = record(tmp_path / "t.parquet", "--", str(script), stderr=subprocess.PIPE)
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 126
    assert b"cannot run" in said and b"the interpreter it names" in said and b"\x1b" not in said


def test_doctors_status_says_what_nobody_reads(live_kernel: None) -> None:
    """That of one whose output is read is 0: `live_kernel` is that."""
    readable, writable = os.pipe()
    os.close(readable)
    cut = subprocess.run([SYSMON, "doctor"], stdout=writable, stderr=subprocess.PIPE, check=False)
    os.close(writable)
    assert (cut.returncode, cut.stderr) == (0, b"")


def test_writing_a_kept_part_is_reported(tmp_path: Path) -> None:
    """By the process that writes it."""
    process = record(tmp_path / "t.parquet", "--keep-last", "4s", stderr=subprocess.PIPE)
    assert process.stderr
    assert process.stderr.readline().startswith(b"recording to")
    process.send_signal(signal.SIGUSR1)
    assert process.stderr.readline().startswith(b"wrote ")
    wait_for(lambda: len([name for name in os.listdir(tmp_path) if not name.startswith(".")]) == 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
