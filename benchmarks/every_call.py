"""`record --syscalls` under a load of a million calls per second: what is lost, and what a row costs.

`sudo .venv/bin/python benchmarks/every_call.py [--seconds N]`. Every call is counted twice: by its caller, and in
the aggregates of the trace, so that the reported losses can be checked.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import sysmon
from benchmarks import conditions, measure
from benchmarks.measure import Absent, Aim, Section
from sysmon.analyze.trace.trace import Trace

RATE = 1_000_000
"""Calls per second, of all processes of the load together."""

LOAD = """
import os, sys, time
cpu, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
os.sched_setaffinity(0, {cpu})
getppid, burst, made = os.getppid, range(2000), 0
began = time.monotonic()
while (now := time.monotonic() - began) < seconds:
    if made > now * rate:
        time.sleep(0.001)
        continue
    for _ in burst: getppid()
    made += len(burst)
print(made, time.monotonic() - began)
"""
"""getppid(2) in bursts, at a steady rate over a few milliseconds."""

CPUS = 2

TEXT = """\
`record --syscalls` with the default buffer. The steady load is {cpus} processes that call getppid(2), {rate:,} times a
second together, and count their calls themselves. The other loads have realistic rows: different calls, processes and
paths. The recorder's CPU time covers all its processes, including loading, writing and finishing."""

HEAD = ("load", "calls/s", "rows", "lost", "bytes a row", "recorder CPU a million rows")


def section(seconds: float) -> Section:
    """Measures."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as name:
        folder = Path(name)
        rows, aims = _steady(folder, seconds)
        for label, command in _real():
            rows.append(_of_command(folder, label, command))
    return Section("Every call as an event", TEXT.format(cpus=CPUS, rate=RATE), HEAD, rows, aims)


def _steady(folder: Path, seconds: float) -> tuple[list[tuple[str, ...]], list[Aim]]:
    path = folder / "steady.parquet"
    running = conditions.start(path, "--syscalls")
    try:
        arguments = [
            [sys.executable, "-I", "-S", "-c", LOAD, str(i), str(seconds), str(RATE // CPUS)] for i in range(CPUS)
        ]
        load = [subprocess.Popen(a, stdout=subprocess.PIPE, text=True) for a in arguments]
        outputs = [process.communicate()[0].split() for process in load]
    finally:
        running.stop()
    made = sum(int(output[0]) for output in outputs)
    rate = made / max(float(output[1]) for output in outputs)
    pids = ",".join(str(process.pid) for process in load)
    with sysmon.open(path) as trace:
        ((mine,),) = trace.sql(
            f"SELECT count(*) FROM syscall_events WHERE pid IN ({pids}) AND syscall = 'getppid'"
        ).fetchall()
        ((counted,),) = trace.sql(
            f"SELECT sum(calls) FROM syscall_stats WHERE pid IN ({pids}) AND syscall = 'getppid'"
        ).fetchall()
        rows, lost = _sums(trace)
    bytes_a_row = path.stat().st_size / max(1, rows)
    cpu = running.cpu_s / max(1, rows) * 1e6
    label = f"steady, {seconds:.0f} s"
    row = (label, f"{rate:,.0f}", f"{rows:,}", f"{lost:,}", f"{bytes_a_row:.2f}", f"{cpu:.2f} s")
    check = f"of {made:,} calls that were made: aggregated", f"{counted:,}", f"{mine:,}", f"{made - mine:,}", "", ""
    return [row, check], [
        Aim.at_least("sustained rate, calls/s", RATE * 0.99, rate),
        Aim.at_most("events lost", 0, lost, digits=0),
        Aim.at_most("bytes a row", 3, bytes_a_row),
        Aim.at_most("recorder CPU a million events", 0.5, cpu, " s"),
    ]


def _sums(trace: Trace) -> tuple[int, int]:
    """Rows of calls, and lost events of calls."""
    ((rows,),) = trace.sql("SELECT count(*) FROM syscall_events").fetchall()
    ((lost,),) = trace.sql(
        "SELECT coalesce(sum(lost), 0) FROM losses WHERE place IN ('syscall', 'syscall_stats')"
    ).fetchall()
    return rows, int(lost)


def _real() -> list[tuple[str, list[str]]]:
    return [
        ("find /usr/share", ["find", "/usr/share", "-type", "f", "-name", "*.x"]),
        ("perf bench sched messaging", ["perf", "bench", "sched", "messaging", "-g", "1", "-l", "300"]),
    ]


def _of_command(folder: Path, label: str, command: list[str]) -> tuple[str, ...]:
    path = folder / "command.parquet"
    try:
        conditions.need(command[0], command[0])
        running = conditions.start(path, "--syscalls")
    except Absent as why:
        return (label, f"not measured: {why}", "", "", "", "")
    try:
        done = measure.run(command)
    finally:
        running.stop()
    with sysmon.open(path) as trace:
        rows, lost = _sums(trace)
    size = path.stat().st_size / max(1, rows)
    cpu = running.cpu_s / max(1, rows) * 1e6
    return (label, f"{rows / done.wall_s:,.0f}", f"{rows:,}", f"{lost:,}", f"{size:.2f}", f"{cpu:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    print(section(parser.parse_args().seconds).markdown())


if __name__ == "__main__":
    main()
