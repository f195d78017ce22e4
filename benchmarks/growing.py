"""How long a look at a recording that still runs takes, next to opening it anew: part `growing` of script/benchmarks.

`.venv/bin/python -m benchmarks.growing [--mib 1024] [--rounds 8]` measures this alone, and prints the section.

A recording of 5 s of this machine, or of --base, is repeated, moved in time and to other processes, until what is
written is as large as asked for; then it goes on, a second of rows at a time, as a recorder writes it. After each
second an open trace looks again: `refresh`, the window moved to the last second, and a query over it. That is the time
of a look. `anew` is what the same question takes of a trace that is opened for it: all that was written is built into a
file first. The writer is in a process of its own. Traces are written into --dir and removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import sysmon
from benchmarks import measure
from benchmarks.measure import Aim, Section, shown, spread
from benchmarks.reading import MOVED, Multiplied, _plus, recorded
from sysmon.analyze.api import Trace
from sysmon.bpf.kinds import kind_named
from sysmon.bpf.trace_file import partial, recover, unfinished
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.writer import TraceWriter

SECOND = 10**9

LOOK_MS = 100

ROUNDS = 8

TEXT = """\
A recording that another process goes on with, a second of rows at a time. A look is `refresh`, the window moved to the
last second, and a query over it, in an open trace; `first` is the first such look, which reads what is there. `anew` is
the same question of a file that is built of all that was written, and opened."""

HEAD = ("question", "new rows", "first", "look, median", "spread", "CPU, median", "least", "anew")

QUESTIONS: dict[str, Callable[[Trace], object]] = {
    "count of the last second": lambda trace: trace.sql("SELECT count(*) FROM syscall_stats").fetchall(),
    "report cpu": lambda trace: trace.report("cpu").fetchall(),
    "report syscalls": lambda trace: trace.report("syscalls").fetchall(),
}


def seconds(base: Multiplied) -> Iterator[tuple[int, list[tuple[str, pa.RecordBatch]]]]:
    """The rows of one second after the other, without end, and the time at which each ends."""
    began = base.recording["started_ns"]
    for step in count():
        moved = {name: _of_step(base, batch, step) for name, batch in base.kinds.items()}
        for begin in range(step * base.length_ns, (step + 1) * base.length_ns, SECOND):
            low, high = (pa.scalar(began + at, pa.int64()) for at in (begin, begin + SECOND))
            rows = []
            for name, batch in moved.items():
                ts = batch["ts"].cast(pa.int64())
                rows.append((name, batch.filter(pc.and_(pc.greater_equal(ts, low), pc.less(ts, high)))))
            yield began + begin + SECOND, rows


def _of_step(base: Multiplied, batch: pa.RecordBatch, step: int) -> pa.RecordBatch:
    """As of other processes, that began later."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns["ts"] = _plus(columns["ts"], step * base.length_ns)
    for name, unit in MOVED.items():
        if name in columns:
            columns[name] = _plus(columns[name], step // 20 * 7919 if unit == 1 else step // 20 * 20 * base.length_ns)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def write(path: Path, base: Path, size: int) -> None:
    """Writes until it is so large, then a second for each line on stdin."""
    multiplied = Multiplied(base)
    out = TraceWriter(path, force=True)
    out.begin(multiplied.recording)  # type: ignore[arg-type]
    rows = seconds(multiplied)

    def second(commit: bool) -> int:
        ended_ns, found = next(rows)
        for name, batch in found:
            out.add(kind_named(name), batch)
        if commit:
            out.commit({"ended_ns": ended_ns})
        return sum(batch.num_rows for _name, batch in found)

    number = 0
    while out.bytes_written < size:
        number += 1
        second(number % 2 == 0)
    second(True)
    print(json.dumps({"rows": out.total_rows}), flush=True)
    for _line in sys.stdin:
        print(json.dumps({"rows": second(True)}), flush=True)
    out.abandon()


class Writer:
    """The process that does so."""

    def __init__(self, path: Path, base: Path, mib: int) -> None:
        command = [sys.executable, "-m", "benchmarks.growing", "--write", str(path), str(base), str(mib << 20)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = self._said()

    def _said(self) -> int:
        assert self._process.stdout
        return int(json.loads(self._process.stdout.readline())["rows"])

    def second(self) -> int:
        """Writes one more; how many rows it has."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._said()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


def look(trace: Trace, ask: Callable[[Trace], object]) -> tuple[float, float, int]:
    """From asking what is new to the answer: time and CPU time [ms], and how many rows were new."""
    began, cpu = time.perf_counter(), time.process_time()
    new = trace.refresh()
    trace.move(trace.metadata["ended_ns"] - SECOND, None)
    ask(trace)
    return (time.perf_counter() - began) * 1e3, (time.process_time() - cpu) * 1e3, new


@dataclass
class Figures:
    """Of a question: the first look, which reads what is there, those after it, and opening anew [ms]."""

    name: str
    first: float
    looks: list[tuple[float, float, int]]
    anew: float | None = None

    @property
    def cpu_ms(self) -> float:
        """CPU time of a look, the median."""
        return statistics.median(cpu for _wall, cpu, _rows in self.looks)

    def row(self) -> tuple[str, ...]:
        """As the table has it."""
        wall, cpu, rows = zip(*self.looks, strict=True)
        return (
            self.name,
            f"{statistics.median(rows):,.0f}",
            f"{self.first:,.0f} ms",
            f"{statistics.median(wall):.0f} ms",
            spread(list(wall), ".0f"),
            f"{self.cpu_ms:.0f} ms",
            f"{min(cpu):.0f} ms",
            shown(self.anew, ",.0f", " ms"),
        )


def looked(path: Path, writer: Writer, rounds: int) -> Iterator[Figures]:
    """Of each question its figures, all of one open trace."""
    with sysmon.open(path) as trace:
        for name, ask in QUESTIONS.items():
            first, *_ = look(trace, ask)
            looks = []
            for _ in range(rounds):
                writer.second()
                looks.append(look(trace, ask))
            yield Figures(name, first, looks)


def ask_anew(path: Path, place: Path, found: list[Figures]) -> None:
    """How long it takes to make a file of all that was committed, to open it and to ask."""
    began = time.perf_counter()
    ((directory,),) = partial.of(path)
    with Directory.hold(directory) as held, (place / "anew").open("w+b", buffering=0) as out:
        recover.write(*unfinished.read_parts([held]), out)
    built = time.perf_counter() - began
    for figures in found:
        began = time.perf_counter()
        with sysmon.open(place / "anew") as trace:
            trace.move(trace.metadata["ended_ns"] - SECOND, None)
            QUESTIONS[figures.name](trace)
        figures.anew = (built + time.perf_counter() - began) * 1e3


def section(mib: int, rounds: int, folder: Path = Path("/var/tmp"), base: Path | None = None) -> Section:
    """Measures, of a recording of so many MiB."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir=folder) as name:
        place = Path(name)
        path = place / "t.parquet"
        writer = Writer(path, base or recorded(place / "base.parquet", []), mib)
        try:
            return _section(path, place, writer, mib, rounds)
        finally:
            writer.close()


def _section(path: Path, place: Path, writer: Writer, mib: int, rounds: int) -> Section:
    found = list(looked(path, writer, rounds))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    ask_anew(path, place, found)
    aims = [Aim.at_most(f"a look, {f.name}: CPU", LOOK_MS, f.cpu_ms, " ms", 0) for f in found]
    aims.append(Aim.at_most("memory of the process", 400, most, " MiB", 0))
    text = f"{TEXT} {writer.rows:,} rows in {mib:,} MiB."
    return Section("A recording that still runs", text, HEAD, [f.row() for f in found], aims)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", nargs=3)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--base", type=Path)
    options = parser.parse_args()
    if options.write:
        path, base, size = options.write
        write(Path(path), Path(base), int(size))
        return
    load = measure.load()
    found = section(options.mib, options.rounds, options.dir, options.base)
    found.load = load
    print(found.markdown())


if __name__ == "__main__":
    main()
