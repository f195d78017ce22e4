"""Runs commands of sysmon on a damaged trace, in a process that may crash, and returns the outcome of each.

The process is forked from one that has imported everything, so a case has no start-up time. That one must have no
threads: it opens nothing beforehand.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sysmon.cli
import sysmon.commands

LIMIT_S = 20.0
"""CPU time limit for a command."""

HANG_S = 180.0
"""Wall time limit, however busy the machine."""

LIMIT_RSS_BYTES = 600 << 20
"""Memory limit for a case. sysmon itself has 250 MB after its imports and a chart."""

LIMIT_SPACE_BYTES = 8 << 30
"""Address space limit: only so that the machine survives a fault."""


@dataclass(frozen=True)
class Case:
    """The outcome of the commands."""

    statuses: tuple[int, ...]
    fault: str  # empty if there was none
    rss_bytes: int
    seconds: float  # CPU time of the slowest command


def run(commands: list[list[str]], directory: Path) -> Case:
    """Runs the commands in a process of their own, with this working directory."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _child(commands, directory, writer)
    os.close(writer)
    seconds, statuses = 0.0, []
    fault = ""
    for command in commands:
        began = _cpu_s(pid)
        if not _answers(reader, pid, began):
            fault = f"{command}: takes more than {LIMIT_S:.0f} s"
            os.kill(pid, 9)
            break
        data = os.read(reader, 1)
        seconds = max(seconds, _cpu_s(pid) - began)
        if not data:
            fault = f"{command}: crashed"
            break
        statuses.append(data[0])
    os.close(reader)
    _pid, status, usage = os.wait4(pid, 0)
    rss_bytes = usage.ru_maxrss * 1024
    said = (directory / "stderr").read_text(errors="replace")
    if fault.endswith("crashed"):
        fault += f", wait status {status}: {said[-2000:]}"
    fault = fault or wrong(said, statuses)
    if not fault and rss_bytes > LIMIT_RSS_BYTES:
        fault = f"took {rss_bytes >> 20} MiB"
    return Case(tuple(statuses), fault, rss_bytes, seconds)


def _answers(reader: int, pid: int, began_s: float) -> bool:
    """Whether the process finishes its command before its time is used up."""
    until = time.monotonic() + HANG_S
    while time.monotonic() < until and _cpu_s(pid) - began_s < LIMIT_S:
        if select.select([reader], [], [], 0.5)[0]:
            return True
    return False


def _cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return sum(map(int, stat[stat.rindex(")") + 2 :].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def wrong(said: str, statuses: list[int]) -> str:
    """What is wrong with the output on stderr: it must have one line per failed command, and never a traceback."""
    parts = said.split("\0")[: len(statuses)]
    for status, text in zip(statuses, parts, strict=True):
        if "Traceback" in text or "Warning:" in text or status not in (0, 1, 2):
            return text[-4000:] or f"status {status}"
        if status and (text.count("\n") != 1 or not text.startswith("sysmon: ")):
            return f"status {status} with {text[-2000:]!r}"
    return ""


def apart(work: Callable[[], object]) -> None:
    """Runs it in a process of its own, so that its threads and memory do not stay here."""
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _pid, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"wait status {status}")


def _child(commands: list[list[str]], directory: Path, writer: int) -> None:
    """Never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_SPACE_BYTES, LIMIT_SPACE_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(directory)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        tempfile.tempdir = str(directory)
        for command in commands:
            status = _status(command)
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            sys.stderr.flush()
            os.write(2, b"\0")
            os.write(writer, bytes([status]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _status(command: list[str]) -> int:
    sys.argv = ["fuzz", *command]
    try:
        sysmon.cli.main()
    except SystemExit as e:
        return int(e.code or 0)
    except BaseException:
        traceback.print_exc()
        return 99
    return 0


@contextlib.contextmanager
def imported() -> Iterator[None]:
    """With all modules imported that commands import when used."""
    import importlib

    import matplotlib

    matplotlib.use("Agg")
    names = [
        "matplotlib.pyplot",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg",
        "pyarrow.parquet",
    ]
    texts = ("summary", "formats", "describe", "screen")
    names += [
        f"sysmon.analyze.{n}" for n in ("charts.output", "html.report", "edit.repair", *map("text.{}".format, texts))
    ]
    names += [module for module, _, _ in sysmon.commands.COMMANDS.values() if module.startswith("sysmon.analyze")]
    for name in names:
        importlib.import_module(name)
    yield
