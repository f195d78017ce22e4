"""Before and after on the real kernel: planted differences are found, and equal work shows hardly any."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.diff import compare
from sysmon.analyze.diff.sections import sections
from tests.live.recording import SYSMON, Trace, record_command

pytestmark = pytest.mark.live

SERVICE = """
import os, subprocess, sys, time
after, directory = sys.argv[1] == "after", sys.argv[2]
log = os.open(directory + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for i in range(1009):
    os.close(os.open(directory + "/config", os.O_RDONLY))
    os.write(log, b"line" * 20)
    os.stat(directory)
    if after and i % 20 == 0:
        time.sleep(0.02)
    if after and i % 100 == 0:
        try: os.open(directory + "/moved", os.O_RDONLY)
        except FileNotFoundError: pass
    if i % 200 == 0:
        subprocess.run(["sh", "-c", "exit 3" if after else "exit 0"])
if after:
    subprocess.run(["/bin/true"])
"""


COUNTED = """
SELECT p.comm, s.syscall, CAST(sum(s.calls) AS BIGINT) FROM syscall_stats s JOIN processes p USING (pid, start)
WHERE s.syscall IN ('openat', 'write', 'newfstatat', 'fstatat', 'wait4', 'execve', 'exit_group') GROUP BY ALL
ORDER BY ALL
"""
"""Calls whose number is the same in each run; not so those for memory, whose addresses are random."""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "config").write_text("x")
    (tmp_path / "log").touch()
    (tmp_path / "service").write_text(SERVICE)
    return tmp_path


def record(directory: Path, name: str, which: str) -> Path:
    path = directory / f"{name}.parquet"
    python = str(SYSMON.with_name("python"))
    trace = record_command(path, python, "-I", "-S", str(directory / "service"), which, str(directory))
    assert trace.status == 0, trace.output
    return path


def differences(before: Path, after: Path) -> dict[str, list[Any]]:
    with sysmon.open(before) as b, sysmon.open(after) as a, compare(b, a) as found:
        assert found.per == "run"
        return {s.name: found.rows(s.name).df().to_dict("records") for s in sections()}


def test_planted_differences_are_found_first(service: Path) -> None:
    found = differences(record(service, "one", "before"), record(service, "two", "after"))
    # 51 sleeps of 20 ms take over a second: no other call changes its time by as much.
    first, *_ = found["syscalls_by_command"]
    assert (first["command"], first["syscall"]) == ("python", "clock_nanosleep")
    assert (first["calls_before"], first["calls_after"], first["changed"]) == (0, 51, "rate")
    assert [(r["changed"], r["command"]) for r in found["programs"]] == [("new", "true")]
    ends = {(r["changed"], r["command"], r["exit_code"], r["processes_before"], r["processes_after"])
            for r in found["exits"]}  # fmt: skip
    assert ends == {("gone", "sh", 0, 6, 0), ("new", "sh", 3, 0, 6)}
    (failing,) = found["file_errors"]
    assert (failing["path"], failing["error"]) == (f"{service}/moved", "ENOENT")
    assert (failing["failed_before"], failing["failed_after"]) == (0, 11)


def test_counts_of_the_same_work_are_equal(service: Path) -> None:
    """Counts are exact, so none may differ; times differ with other load on the machine."""
    traces = [record(service, name, "before") for name in ("one", "two")]
    found = differences(*traces)
    lines = found.pop("syscalls_by_command") + found.pop("syscalls")
    assert {word for line in lines for word in line["changed"].split(", ") if word} <= {"p50", "p99"}
    assert {name for name, rows in found.items() if rows} <= {"cpu"}
    one, other = ([(r[:2], r[2]) for r in Trace(path).rows(COUNTED)] for path in traces)
    assert one == other and ("python", "openat") in dict(one) and ("sh", "execve") in dict(one)
