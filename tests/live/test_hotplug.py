"""A CPU that goes offline and comes back: it is neither idle nor busy meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import Trace, python, recording

pytestmark = [pytest.mark.live, pytest.mark.alone]

SWITCH = Path("/sys/devices/system/cpu/cpu1/online")


@pytest.fixture
def switch() -> Iterator[Path]:
    if not SWITCH.exists():
        pytest.skip("this machine's second CPU cannot be switched off")
    # On again also if these tests are killed.
    guard = subprocess.Popen(
        ["sh", "-c", f"read line; echo 1 >{SWITCH}"], stdin=subprocess.PIPE, start_new_session=True
    )
    yield SWITCH
    guard.communicate()
    assert SWITCH.read_text().strip() == "1"


INTERVALS = """
WITH moments AS (SELECT DISTINCT ts FROM host),
before AS (SELECT ts, COALESCE(LAG(ts) OVER (ORDER BY ts), (SELECT started FROM recording)) AS begun FROM moments),
spans AS (SELECT ts, epoch_ns(ts) - epoch_ns(begun) AS ns FROM before)
SELECT h.cpu, s.ns, h.idle_ns, h.busy_ns, h.offline_ns FROM host h JOIN spans s USING (ts) ORDER BY h.ts
"""


def assert_adds_up(trace: Trace) -> None:
    """Each interval adds up to its own length; half a millisecond is for reading the clocks."""
    for cpu, ns, idle, busy, offline in trace.rows(INTERVALS):
        assert idle + busy + offline == pytest.approx(ns, abs=0.01 * ns + 5_000_000), (cpu, ns, idle, busy, offline)


def off_line(trace: Trace) -> dict[int, float]:
    return dict(trace.rows("SELECT cpu, offline_s FROM report.cpus"))


def test_a_cpu_offline_for_a_while(tmp_path: Path, switch: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.5") as r:
        time.sleep(0.7)
        switch.write_text("0")
        began = time.monotonic()
        time.sleep(1.3)
        away = time.monotonic() - began
        switch.write_text("1")
        time.sleep(0.8)
    assert_adds_up(r)
    assert off_line(r) == {0: 0, 1: pytest.approx(away, abs=0.25)}


def test_a_cpu_offline_within_one_interval(tmp_path: Path, switch: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "3") as r:
        time.sleep(0.3)
        switch.write_text("0")
        began = time.monotonic()
        time.sleep(0.6)
        away = time.monotonic() - began
        switch.write_text("1")
        time.sleep(0.3)
    assert_adds_up(r)
    assert off_line(r)[1] == pytest.approx(away, abs=0.25)


def test_a_cpu_offline_at_the_start(tmp_path: Path, switch: Path) -> None:
    switch.write_text("0")
    with recording(tmp_path / "t.parquet", "--interval", "0.5") as r:
        time.sleep(1.2)
        switch.write_text("1")
        time.sleep(1.2)
    assert_adds_up(r)
    assert 1.0 < off_line(r)[1] < 2.0


def test_a_cpu_offline_at_the_end(tmp_path: Path, switch: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.5") as r:
        time.sleep(0.7)
        switch.write_text("0")
        time.sleep(1.1)
    switch.write_text("1")
    assert_adds_up(r)
    assert off_line(r)[1] > 1.0


def test_a_cpu_that_is_back_is_sampled_again(tmp_path: Path, switch: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.2", "--with", "samples") as r:
        switch.write_text("0")
        time.sleep(0.5)
        switch.write_text("1")
        time.sleep(1)
        process = python("import os, time\nos.sched_setaffinity(0, {1})\nend = time.thread_time() + 2\n"
                         "while time.thread_time() < end: pass")  # fmt: skip
        assert process.wait() == 0
    samples = r.one(f"SELECT sum(samples) FROM samples WHERE pid = {process.pid}")
    cpu_ns = r.one(f"SELECT sum(oncpu_ns) FROM cpu WHERE pid = {process.pid}")
    assert samples / 99 == pytest.approx(cpu_ns / 1e9, rel=0.1)
