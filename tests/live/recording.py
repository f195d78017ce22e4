"""Recordings for the live tests: sysmon itself, started and stopped as by a user."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import sysmon
from sysmon.analyze.trace.trace import Trace as OpenTrace
from sysmon.errors import NoBtf
from sysmon.recorder.load.btf import Btf

SYSMON = Path(sys.executable).with_name("sysmon")

NOBODY = 65534
"""The uid of another user."""


@cache
def kernel_preempts_programs() -> bool:
    """Whether this kernel does; false if its BTF cannot be read."""
    try:
        return Btf.of_kernel().member("tp_transition_snapshot", "srcu_gp") is not None
    except NoBtf:
        return False


def causes_of_others() -> tuple[str, ...]:
    """Causes of losses that other programs on the machine may bring about: they may have seccomp filters.

    A kernel that preempts programs may hide an event from one and its copy, of any process on that CPU.
    """
    return ("refused", "recursion") if kernel_preempts_programs() else ("refused",)


class Trace:
    """A finished recording, with sysmon's messages."""

    def __init__(self, path: Path, output: str = "", status: int | None = None) -> None:
        self.path, self.output, self.status = path, output, status

    @cached_property
    def opened(self) -> OpenTrace:
        """The trace, opened once: opening takes longer than most queries. It is closed when it is garbage-collected."""
        return sysmon.open(self.path)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The result of a query over the finished trace."""
        return self.opened.sql(query).fetchall()

    def one(self, query: str) -> Any:
        """The only value of the result."""
        ((value,),) = self.rows(query)
        return value

    def assert_nothing_lost(self) -> None:
        """Except by what other programs on the machine do."""
        lost = [row for row in self.rows("SELECT cause, place, lost FROM losses") if row[0] not in causes_of_others()]
        assert not lost, lost

    def assert_calls(self, query: str, expected: int) -> None:
        """The sum of `calls` is as expected, minus at most what was reported as missed."""
        counted = self.one(query)
        missed = self.one("SELECT coalesce(sum(lost), 0) FROM losses WHERE cause = 'recursion'")
        assert counted == expected or (kernel_preempts_programs() and 0 < expected - counted <= missed), (
            f"{counted} calls of {expected}, {missed} missed"
        )


class Recording(Trace):
    """A running recording."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        super().__init__(path)
        self.process = process

    def stop(self, number: int = signal.SIGINT, timeout: float = 120) -> int:
        """Ends the recording; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.stderr
        with self.process.stderr as stderr:
            self.output += stderr.read()
        self.status = self.process.wait(timeout)
        return self.status


@dataclass(frozen=True)
class ShortLives:
    """A recording, with five snapshots a second, of a shell that runs /bin/true over and over."""

    COUNT: ClassVar[int] = 2003
    trace: Trace
    shell: int
    shell_start: int


def start(path: Path, *args: str, **popen: Any) -> Recording:
    """Starts a recording; returns when everything is being recorded."""
    process = subprocess.Popen(
        [SYSMON, "record", "-o", str(path), *args], stderr=subprocess.PIPE, text=True, encoding="utf-8", **popen
    )
    recording = Recording(path, process)
    assert process.stderr
    for line in process.stderr:
        recording.output += line
        if line.startswith("recording to"):
            return recording
    raise AssertionError(f"sysmon record ended with {process.wait()}: {recording.output}")


@contextlib.contextmanager
def recording(path: Path, *args: str, **popen: Any) -> Iterator[Recording]:
    """Records while the body runs, and then checks that it ended well."""
    running = start(path, *args, **popen)
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0, running.output


def record_command(path: Path, *command: str, **popen: Any) -> Trace:
    """Records a command to its end."""
    arguments = [SYSMON, "record", "-o", str(path), "--", *command]
    done = subprocess.run(arguments, stderr=subprocess.PIPE, text=True, timeout=300, check=False, **popen)
    return Trace(path, done.stderr, done.returncode)


def python(code: str, *args: str, **popen: Any) -> subprocess.Popen[str]:
    """A Python process that runs some code, without `site`."""
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", code, *args], text=True, **popen)


@contextlib.contextmanager
def busy(processes: int = 2, pause_s: float = 0) -> Iterator[None]:
    """Background load: processes that make system calls and start programs while the body runs, with pauses."""
    code = (
        "import os, subprocess, time\n"
        f"while True:\n os.stat('/'); os.getuid(); subprocess.run(['/bin/true']); time.sleep({pause_s})"
    )
    load = [python(code) for _ in range(processes)]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Waits until the condition holds. Only something that hangs takes this long, however busy the machine."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def start_ticks_ns(pid: int) -> int:
    """`start` of a process, from /proc."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[19]) * 10_000_000


def thread_state(tid: int) -> str:
    """The state letter of a thread."""
    stat = Path(f"/proc/{tid}/stat").read_text()
    return stat[stat.rindex(")") + 2 :].split()[0]


def exit_status(process: subprocess.Popen[str]) -> int:
    """Its wait status, as wait4(2) gives it: the oracle for exit code, signal and core flag."""
    _pid, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return status
