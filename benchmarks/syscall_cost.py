"""What recording adds to a system call: a getppid loop alone, under empty programs, under sysmon, and under its peers.

`sudo .venv/bin/python benchmarks/syscall_cost.py [--rounds N]`. The loop runs on the last CPU and reports its CPU time,
which other load disturbs less, and its wall time, which matters for tools that stop the process at each call.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks import conditions, measure
from benchmarks.measure import CLOCKS, DEFAULT, EVERY_CALL, FLOOR, NOTHING, Aim, Samples, Section, shown, spread

LOOP = """
import os, sys, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
getppid, n, cpu, wall = os.getppid, range(int(sys.argv[1])), [], []
for _ in range(31):
    begun, began = time.perf_counter_ns(), time.process_time_ns()
    for _ in n: getppid()
    cpu.append((time.process_time_ns() - began) / len(n))
    wall.append((time.perf_counter_ns() - begun) / len(n))
print(min(cpu), min(wall))
"""
"""Short chunks, of which the fastest counts: one without interruption and slow-down by neighbours."""

FILTERED = "sysmon record --pid of another"
SYSCOUNT, BPFTRACE, PERF_RECORD = "bcc syscount -L", "bpftrace, count and hist", "perf record -a"
PERF_TRACE, STRACE = "perf trace -s", "strace -c -f"
STOPPING = (PERF_TRACE, STRACE)
"""Peers that make the process wait, whose cost is therefore wall time."""

CALLS = 20_000
FEW_CALLS = {PERF_TRACE: 1_000, STRACE: 1_000}

TEXT = """\
A loop of getppid(2) in Python, on one CPU. `added` is the cost per call compared with no recording, and `× floor` its
ratio to two empty programs on the same raw tracepoints, sys_enter and sys_exit. `× clock` is its ratio to two programs
that only read the clock once each, which no tool that measures latency can undercut. CPU time is that of the loop;
strace and perf trace make it wait too, so their ratios are of wall time. sysmon includes the recorder, which reads and
writes on the same machine."""


def section(rounds: int) -> Section:
    """Measures."""
    with subprocess.Popen(["sleep", "infinity"]) as quiet:
        try:
            samples = _samples(rounds, quiet.pid)
        finally:
            quiet.kill()
    head = ("per call", "CPU", "added", "× floor", "× clock", "median", "spread", "added, wall", "median, wall")
    rows = [_row(samples, name) for name in samples.runs]
    rows += [(name, "–", f"does not run here: {why}", *[""] * 6) for name, why in samples.absent.items()]
    return Section("A system call", TEXT, head, rows, _aims(samples))


def _samples(rounds: int, quiet: int) -> Samples:
    return measure.interleaved(
        {
            NOTHING: measure.nothing,
            FLOOR: lambda: conditions.empty(("sys_enter", "sys_exit")),
            CLOCKS: lambda: conditions.empty(("sys_enter", "sys_exit"), conditions.READ_CLOCK),
            DEFAULT: conditions.recording,
            FILTERED: lambda: conditions.recording("--pid", str(quiet)),
            EVERY_CALL: lambda: conditions.recording("--syscalls"),
            SYSCOUNT: conditions.syscount,
            BPFTRACE: conditions.bpftrace,
            PERF_RECORD: conditions.perf_record,
            PERF_TRACE: conditions.perf_trace,
            STRACE: conditions.strace,
        },
        _loop,
        rounds,
    )


def _loop(name: str, prefix: list[str]) -> dict[str, float]:
    command = [*prefix, sys.executable, "-I", "-S", "-c", LOOP, str(FEW_CALLS.get(name, CALLS))]
    cpu, wall = map(float, measure.run(command).output.split())
    return {"cpu": cpu, "wall": wall}


def _row(samples: Samples, name: str) -> tuple[str, ...]:
    cpu = shown(samples.fastest(name, "cpu"), ",.0f", " ns")
    if name == NOTHING:
        return (name, cpu, "", "", "", "", spread(samples.values(name, "cpu"), ",.0f"), "", "")
    figure = "wall" if name in STOPPING else "cpu"
    return (
        name,
        cpu,
        shown(samples.least(name, "cpu"), "+,.0f", " ns"),
        _times(samples.ratio(name, FLOOR, figure)),
        _times(samples.ratio(name, CLOCKS, figure)),
        shown(samples.middle(name, "cpu"), "+,.0f", " ns"),
        spread(samples.added(name, "cpu"), "+,.0f"),
        shown(samples.least(name, "wall"), "+,.0f", " ns"),
        shown(samples.middle(name, "wall"), "+,.0f", " ns"),
    )


def _times(ratio: float | None) -> str:
    return shown(ratio, ",.2f" if ratio and ratio < 100 else ",.0f")


def _aims(samples: Samples) -> list[Aim]:
    to_floor = {name: samples.ratio(name, FLOOR, "cpu") for name in (DEFAULT, EVERY_CALL)}
    return [
        Aim.at_most("default recording, of the floor", 2.0, to_floor[DEFAULT], " ×"),
        Aim.at_most("default recording, of the floor: the better aim", 1.75, to_floor[DEFAULT], " ×"),
        Aim.at_most("--syscalls, of the floor", 3.0, to_floor[EVERY_CALL], " ×"),
        Aim.at_most("default recording, of what bcc syscount -L adds", 0.5, samples.ratio(DEFAULT, SYSCOUNT, "cpu")),
        Aim.at_most("the same of strace -c -f, wall", 0.02, samples.ratio(DEFAULT, STRACE, "wall"), digits=4),
        Aim.at_most("the same of perf trace -s, wall", 0.02, samples.ratio(DEFAULT, PERF_TRACE, "wall"), digits=4),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    print(section(parser.parse_args().rounds).markdown())


if __name__ == "__main__":
    main()
