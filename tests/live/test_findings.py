"""Planted faults are found, and where there are none, nothing is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.trace.findings import Finding, findings
from tests.live.recording import record_command

pytestmark = pytest.mark.live

RULES_OF_OTHERS = {"cpu_saturation", "cpu_wait", "io_pressure", "memory_pressure", "losses"}
"""Findings that other load on this machine may cause."""

WALK = """
import os
for name in range(100):
    for directory in range(23):
        try: os.open(f'/nowhere/d{directory}/lib{name}.so', os.O_RDONLY)
        except FileNotFoundError: pass
"""

SYNC = """
import os, tempfile, time
with tempfile.NamedTemporaryFile(dir='.') as file:
    fd = os.open(file.name, os.O_WRONLY | os.O_DSYNC)
    end = time.monotonic() + 2
    while time.monotonic() < end: os.pwrite(fd, b'x' * 262144, 0)
"""

POLL = """
import os, select, time
poll = select.poll(); poll.register(os.pipe()[0], select.POLLIN)
end = time.monotonic() + 2
while time.monotonic() < end: poll.poll(0)
"""
"""For less than 3 s: with more CPU time the process would also be CPU-bound."""

RETRY = """
import socket, time
for i in range(13):
    with socket.socket() as s:
        assert s.connect_ex(('127.0.0.1', 1))
    time.sleep(0.1)
"""

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"

STORM = "i=0; while [ $i -lt 211 ]; do /bin/true; i=$((i + 1)); done; exit 0"

LOOP = "for i in 1 2 3 4 5 6 7; do /bin/sh -c 'exit 78'; sleep 0.05; done; exit 0"

HEALTHY = "for i in 1 2 3 4 5; do ls -l / >/dev/null; grep -q nothing /etc/hostname; sleep 0.2; done; exit 0"


def found(tmp_path: Path, *command: str) -> list[Finding]:
    trace = record_command(tmp_path / "t.parquet", *command)
    with sysmon.open(trace.path) as open_trace:
        return [f for f in findings(open_trace) if f.rule not in RULES_OF_OTHERS]


@pytest.mark.parametrize(
    ("rule", "program", "evidence"),
    [
        ("sync_stall", SYNC, "opened with O_SYNC or O_DSYNC"),
        ("busy_poll", POLL, "mostly poll"),
        ("connect_retry", RETRY, "13 of 13 attempts"),
        ("killed", CRASH, "1 ended by SIGSEGV"),
    ],
)
def test_a_program_with_one_fault(tmp_path: Path, rule: str, program: str, evidence: str) -> None:
    (only,) = found(tmp_path, sys.executable, "-I", "-S", "-c", program)
    assert only.rule == rule
    assert evidence in only.evidence


def test_a_storm(tmp_path: Path) -> None:
    (only,) = found(tmp_path, "/bin/sh", "-c", STORM)
    assert only.rule == "fork_storm"
    assert only.evidence.startswith("211 processes")


def test_a_restart_loop(tmp_path: Path) -> None:
    (only,) = found(tmp_path, "/bin/sh", "-c", LOOP)
    assert only.rule == "restart_loop"
    assert "7 of 7 runs failed" in only.evidence


def test_processes_that_sleep_or_work_have_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path, "/bin/sleep", "3") == []
    assert found(tmp_path, "/bin/sh", "-c", HEALTHY) == []
    # 2,300 failed opens take a few milliseconds.
    assert found(tmp_path, sys.executable, "-I", "-S", "-c", WALK) == []
