"""What the recorder itself costs: memory, CPU time, punctuality, reading its maps, its start and its end.

`sudo .venv/bin/python benchmarks/footprint.py [--seconds N]`, N being the length of the recording.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import sysmon
from benchmarks import conditions
from benchmarks.measure import Aim, Section, spread
from sysmon.bpf.kind import map_layouts
from sysmon.bpf.kinds import syscalls
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.recorder.load import bpf_maps, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.counters import MapPair
from sysmon.recorder.read.decode import Decoder
from sysmon.recorder.sample import clock, procfs

PROCESSES = 500
ENTRIES = 65_536
SETTLED_S = 5
LATE = 0.1
"""A snapshot is late if its interval is longer than requested by more than this share."""

TEXT = f"""\
The default recording, with a snapshot every second, of this machine and {PROCESSES} additional sleeping processes.
Everything else that runs here is recorded too and is part of the recorder's CPU time: the rows show how much that was.
Start and stop are measured with all files in the page cache, from the start of the command `sysmon` to the first
recorded open of a process that keeps opening a file. For the last lines a map is filled with that many entries, which
are read, decoded and written to a file."""

HEAD = ("what", "measured", "spread")

OPENER = "import time\nwhile True:\n    open('/dev/null').close()\n    time.sleep(0.002)\n"


def section(seconds: float, rounds: int) -> Section:
    """Measures."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as folder:
        rows, aims = _recording(Path(folder), seconds)
        for measure in (_starts, _maps):
            more_rows, more_aims = measure(Path(folder), rounds)
            rows += more_rows
            aims += more_aims
    return Section("The recorder", TEXT, HEAD, rows, aims)


@contextlib.contextmanager
def sleepers(number: int) -> Iterator[None]:
    """This many processes sleep."""
    # Closing the pipe that they all read ends them.
    reading, writing = os.pipe()
    processes = [subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL) for _ in range(number)]
    os.close(reading)
    try:
        yield
    finally:
        os.close(writing)
        for process in processes:
            process.terminate()
            process.wait()


def _recording(folder: Path, seconds: float) -> tuple[list[tuple[str, ...]], list[Aim]]:
    path = folder / "default.parquet"
    with sleepers(PROCESSES):
        running = conditions.start(path)
        try:
            alive = len(procfs.pids())
            time.sleep(seconds)
        finally:
            running.stop()
    with sysmon.open(path) as trace:
        # Excludes the start and the end, which are not what a long recording costs.
        settled = min(SETTLED_S, seconds / 2)
        own = trace.sql(
            "SELECT rss_bytes / 1e6, run_ns, window_ns FROM overhead WHERE part = 'recorder' "
            f"AND epoch_ns(ts) > (SELECT min(epoch_ns(ts)) FROM clocks) + {settled * 1e9:.0f} ORDER BY ts"
        ).fetchall()[:-1]  # the last one is at the end
        boot = [
            ns for (ns,) in trace.sql("SELECT boottime_ns FROM clocks WHERE event = 'snapshot' ORDER BY ts").fetchall()
        ]
        reads = [ms for (ms,) in trace.sql("SELECT read_ns / 1e6 FROM clocks WHERE event = 'snapshot'").fetchall()]
        ((rows, calls),) = trace.sql(
            "SELECT (SELECT count(*) FROM opens) + (SELECT count(*) FROM syscall_stats), "
            "(SELECT sum(calls) FROM syscall_stats)"
        ).fetchall()
    rss = [row[0] for row in own]
    shares = [100 * row[1] / row[2] for row in own]
    cpu = 100 * sum(row[1] for row in own) / sum(row[2] for row in own)
    gaps = np.diff(boot) / 1e9
    late = float(100 * (np.sum(gaps > 1 + LATE) + max(0, int(seconds) - len(boot) - 1)) / max(1, len(gaps)))
    figures: list[tuple[str, ...]] = [
        ("processes on the machine", f"{alive:,}", ""),
        ("calls and rows a second meanwhile", f"{calls / seconds:,.0f} and {rows / seconds:,.0f}", ""),
        ("resident memory", f"{statistics.median(rss):.1f} MB", spread(rss, ".1f")),
        ("CPU time, of one core", f"{cpu:.2f} %", spread(shares, ".2f")),
        ("interval of snapshots", f"{statistics.median(gaps):.4f} s", spread(list(gaps), ".4f")),
        (f"snapshots late by over {LATE:.0%}, or missed", f"{late:.1f} % of {len(gaps)}", ""),
        ("reading of a snapshot", f"{statistics.median(reads):.1f} ms", spread(reads, ".1f")),
        (f"stop to finished file, {seconds:.0f} s recorded", f"{running.stop_s:.2f} s", ""),
    ]
    return figures, [
        Aim.at_most("resident memory", 80, statistics.median(rss), " MB", 1),
        Aim.at_most("resident memory: the better aim", 60, statistics.median(rss), " MB", 1),
        Aim.at_most("CPU time, of one core", 1, cpu, " %"),
        Aim.at_most("late or missed snapshots", 0.5, late, " %"),
        Aim.at_most("stop to finished file", 1.0, running.stop_s, " s"),
    ]


def _starts(folder: Path, rounds: int) -> tuple[list[tuple[str, ...]], list[Aim]]:
    path = folder / "start.parquet"
    took = []
    opener = subprocess.Popen([sys.executable, "-I", "-S", "-c", OPENER])
    try:
        for number in range(rounds + 1):
            begun_ns = time.time_ns()
            running = conditions.start(path, "--duration", "0.5")
            running.process.wait()
            running.stop()
            with sysmon.open(path) as trace:
                ((first,),) = trace.sql(f"SELECT epoch_ns(min(ts)) FROM opens WHERE pid = {opener.pid}").fetchall()
            if number and first is not None:  # the first one warms the cache
                took.append((first - begun_ns) / 1e9)
    finally:
        opener.kill()
        opener.wait()
    middle = statistics.median(took) if took else None
    row = ("start to first event", "–" if middle is None else f"{middle:.2f} s", spread(took, ".2f"))
    return [row], [Aim.at_most("start to first event", 1.0, middle, " s")]


def _maps(folder: Path, rounds: int) -> tuple[list[tuple[str, ...]], list[Aim]]:
    names = SyscallNames()
    plan = program.plan(Btf.of_kernel(), names)
    kind, cpus = syscalls.SYSCALL_STATS, plan.sizes.cpus
    loaded = loader.Loading(plan).result()
    took = []
    try:
        pair = MapPair(kind, loaded, cpus)
        decoder = Decoder(clock.read().offset_ns, names)
        entries = min(ENTRIES, plan.sizes.map_entries(kind))
        for _ in range(rounds):
            _fill(pair, kind, cpus, entries)
            writer = TraceWriter(folder / "maps.parquet", force=True)
            begin, began = time.perf_counter(), time.process_time()
            records = pair.drain(0, clock.boottime_ns())
            drained = time.perf_counter()
            writer.add(kind, decoder.batch(kind, records))
            cpu = time.process_time() - began
            took.append((1e3 * (time.perf_counter() - begin), 1e3 * (drained - begin), 1e3 * cpu))
            assert len(records) == entries, f"{len(records)} of {entries} entries were read"
            writer.abandon()
    finally:
        loaded.close()
    whole, reading, cpu_times = ([figures[i] for figures in took] for i in (0, 1, 2))
    middle = statistics.median(whole) * ENTRIES / entries
    return [
        (f"{entries:,} map entries read", f"{statistics.median(reading):.0f} ms", spread(reading, ".0f")),
        (f"{entries:,} map entries read and written", f"{statistics.median(whole):.0f} ms", spread(whole, ".0f")),
        ("the CPU time of that", f"{statistics.median(cpu_times):.0f} ms", spread(cpu_times, ".0f")),
    ], [Aim.at_most(f"{ENTRIES:,} map entries read and written", 60, middle, " ms", 0)]


def _fill(pair: MapPair, kind: object, cpus: int, entries: int) -> None:
    """Adds entries as the programs would: some hundred processes, calls and buckets, on every CPU."""
    key, value = map_layouts(kind)  # type: ignore[arg-type]
    keys = np.zeros(entries, key.dtype)
    numbers = np.arange(entries)
    for name, values in (
        ("pid", 1000 + numbers // 128),
        ("start", (1000 + numbers // 128) * 10_000_000),
        ("nr", numbers // 16 % 8),
        ("bucket", 40 + numbers % 16),
    ):
        if name in (key.dtype.names or ()):
            keys[name] = values
    words = value.dtype.itemsize // 8
    for i, raw in enumerate(
        keys.tobytes()[at : at + key.dtype.itemsize] for at in range(0, keys.nbytes, keys.itemsize)
    ):
        bpf_maps.update(pair._fds[0][0], raw, struct.pack(f"<{words * cpus}Q", *[i % 1000] * (words * cpus)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(section(options.seconds, options.rounds).markdown())


if __name__ == "__main__":
    main()
