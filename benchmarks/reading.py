"""How long reports take on traces of 1, 10 and 100 million rows, and how much memory.

`.venv/bin/python benchmarks/reading.py [--rows 1,10] [--shapes mixed,cells,calls] [--only REPORT] [--rounds 3]`

There are three shapes. `mixed` repeats a recording of 5 s, shifted in time and to other processes, like an hour on a
busy machine. `cells` is the worst case for counts: nearly all rows are syscall_stats, and a process has 50 of them in
each of ten snapshots. `calls` repeats a recording with --syscalls. All have 2,000 processes per million rows. The
repeated recording is made first, which needs root, or given with --base and --base-calls. Traces are kept in --dir.

Each report is read to its end in a fresh process. `open` and `report` are wall time, the median of the rounds; `cpu` is
user and system time of both; `MiB` is the peak resident memory of the process, of which Python and Arrow take 60.
`html` is the page of all reports and charts; `moved`, how long it takes to move the window of an open trace to the next
twentieth of the recording and to run the report `cpu` again, the median of twenty.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysmon.bpf.kinds import KINDS, kind_named
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.writer import TraceWriter

if TYPE_CHECKING:
    from sysmon.analyze.api import Trace

MILLION = 1_000_000
PROCESSES = 2_000
"""Processes per million rows."""

PAGE = "html"
"""The page, in the list of reports."""

MOVED_WINDOW = "moved"
MOVES = 20

TICK_NS = 10_000_000
CELLS = 50
SNAPSHOTS = 10
CHUNK = 1_000  # processes whose rows are made at a time

BORN = {"fork", "exec", "rename"}
MOVED = {"pid": 1, "ppid": 1, "tid": 1, "start": TICK_NS, "parent_start": TICK_NS}
"""Columns that identify a process, and how much the next process differs."""

WORK = """
folder=$(mktemp -d) && cd "$folder" && for i in 1 2 3 4 5 6; do echo "int p$i(int n) { return n * $i; }" >p$i.c; done
python3 -m http.server 18765 --bind 127.0.0.1 >server.log 2>&1 & server=$!
sleep 0.5
for round in 1 2 3 4 5 6; do
    for i in 1 2 3 4 5 6; do gcc -O2 -c p$i.c; sh -c 'ls /usr/lib >list; cat /nonexistent 2>errors; exit 3'; done
    python3 -c "import urllib.request as u; [u.urlopen('http://127.0.0.1:18765/p1.c').read() for _ in range(60)]"
done
kill $server
rm -r "$folder"
"""


def recorded(path: Path, options: list[str]) -> Path:
    """Records this machine while it compiles, serves and starts processes, unless there is such a recording."""
    if not path.exists():
        sysmon = [sys.executable, "-m", "sysmon", "record", "--with", "kernel_memory", "-o", str(path)]
        subprocess.run([*sysmon, *options, "--", "bash", "-c", WORK], check=True, stderr=subprocess.DEVNULL)
    return path


class Multiplied:
    """A repeated recording. A generation of processes lives for some repetitions; the next one follows."""

    def __init__(self, base: Path) -> None:
        file = pq.ParquetFile(base)
        table = file.read()
        self.recording: dict[str, Any] = json.loads(file.metadata.metadata[schema.METADATA_KEY])
        length = self.recording["ended_ns"] - self.recording["started_ns"]
        self.length_ns = -(-length // TICK_NS) * TICK_NS
        self.rows = table.num_rows
        known = table.filter(pc.is_valid(table["pid"]))
        self.processes = known.group_by(["pid", "start"]).aggregate([]).num_rows
        self.kinds = {}
        for kind in KINDS:
            mine = table.filter(pc.equal(table["kind"], kind.name)).select(
                [c.name for c in kind.cols if c.name in table.column_names]
            )
            if mine.num_rows:
                self.kinds[kind.name] = mine.combine_chunks().to_batches()[0]

    def write(self, path: Path, rows: int) -> None:
        """Writes a trace of about this many rows."""
        steps = max(1, round(rows / self.rows))
        generations = max(1, min(steps, round(PROCESSES * rows / MILLION / self.processes)))
        first = [i * steps // generations for i in range(generations)] + [steps]
        writer = TraceWriter(path, force=True)
        for generation, (begin, end) in enumerate(pairwise(first)):
            for step in range(begin, end):
                for name, batch in self.kinds.items():
                    if (name in BORN and step > begin) or (name == "exit" and step < end - 1):
                        continue
                    if name == "process":
                        batch = self._edge(batch, step == begin, step == end - 1)
                    writer.add(kind_named(name), self._moved(batch, step, generation, begin))
        _finish(writer, self.recording, steps * self.length_ns)

    def _edge(self, batch: pa.RecordBatch, first: bool, last: bool) -> pa.RecordBatch:
        edge = batch["edge"]
        wanted = pc.is_in(
            edge, pa.array([e for e, on in (("start", first), ("end", last), ("both", first)) if on], pa.string())
        )
        return batch.filter(wanted)

    def _moved(self, batch: pa.RecordBatch, step: int, generation: int, begin: int) -> pa.RecordBatch:
        names = batch.schema.names
        columns = list(batch.columns)
        ts = names.index("ts")
        columns[ts] = _plus(columns[ts], step * self.length_ns)
        for name, unit in MOVED.items():
            if name in names:
                i = names.index(name)
                by = generation * 7919 if unit == 1 else begin * self.length_ns
                columns[i] = _plus(columns[i], by)
        return pa.RecordBatch.from_arrays(columns, names=names)


def _plus(column: pa.Array, number: int) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.add(column.cast(pa.int64()), number).cast(column.type)
    return pc.add(column, pa.scalar(number, column.type))


def write_cells(base: Multiplied, path: Path, rows: int) -> None:
    """Writes the worst case: 50 cells per process in each of ten snapshots, and its fork, exec and exit."""
    stats = base.kinds["syscall_stats"]
    step = max(1, stats.num_rows // CELLS)
    cells = stats.take(pa.array(range(0, step * CELLS, step)))
    processes = rows // (CELLS * SNAPSHOTS)
    ids = np.arange(processes)
    began = base.recording["started_ns"]
    writer = TraceWriter(path, force=True)
    for name in ("fork", "exec"):
        _one_each(writer, base, name, ids, began)
    for snapshot in range(SNAPSHOTS):
        for some in np.array_split(ids, max(1, processes // CHUNK)):
            batch = cells.take(pa.array(np.tile(np.arange(CELLS), len(some))))
            writer.add(kind_named("syscall_stats"), _of(batch, np.repeat(some, CELLS), began + (snapshot + 1) * 10**9))
    _one_each(writer, base, "exit", ids, began + SNAPSHOTS * 10**9)
    _finish(writer, base.recording, (SNAPSHOTS + 1) * 10**9)


def _one_each(writer: TraceWriter, base: Multiplied, name: str, ids: np.ndarray[Any, Any], ts: int) -> None:
    rows = base.kinds[name].take(pa.array(ids % base.kinds[name].num_rows))
    writer.add(kind_named(name), _of(rows, ids, ts))


def _of(batch: pa.RecordBatch, ids: np.ndarray[Any, Any], ts: int) -> pa.RecordBatch:
    """The rows with other processes and another time."""
    given = {"pid": 1000 + ids, "start": ids * TICK_NS, "ts": np.full(len(ids), ts)}
    columns = [pa.array(given[f.name]).cast(f.type) if f.name in given else batch[f.name] for f in batch.schema]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _finish(writer: TraceWriter, recording: dict[str, Any], length_ns: int) -> None:
    ended_ns = recording["started_ns"] + length_ns
    writer.finish({**recording, "ended_ns": ended_ns, "rows": dict(writer.rows)})  # type: ignore[typeddict-item]


def moves(trace: Trace) -> Iterator[float]:
    """How long each took [s], after a first look at the whole."""
    trace.report("cpu").fetchall()
    began, ended = trace.metadata["started_ns"], trace.metadata["ended_ns"]
    edges = np.linspace(began, ended, MOVES + 1).astype(int).tolist()
    for since_ns, until_ns in pairwise(edges):
        begin = time.perf_counter()
        trace.move(since_ns, until_ns)
        trace.report("cpu").fetchall()
        yield time.perf_counter() - begin


def measure(path: str, name: str) -> None:
    """Prints the cost of one report in this process."""
    import sysmon

    begin = time.perf_counter()
    with sysmon.open(path) as trace:
        opened = time.perf_counter()
        rows, took = 0, 0.0
        if name == PAGE:
            from sysmon.analyze.html.report import write_html

            write_html(trace, io.BytesIO())
        elif name == MOVED_WINDOW:
            took = statistics.median(moves(trace))
        else:
            rows = sum(batch.num_rows for batch in trace.report(name).to_arrow_reader(10_000))
        took = took or time.perf_counter() - opened
    cpu = sum(os.times()[:2])
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps({"rows": rows, "open": opened - begin, "report": took, "cpu": cpu, "mib": peak_kib / 1024}))


def measure_apart(path: Path, name: str) -> dict[str, float]:
    """The cost of one report in a process of its own. Raises CalledProcessError."""
    command = [sys.executable, __file__, "--measure", str(path), name]
    figures: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return figures


def measured(path: Path, names: list[str], rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Each report and its figures, medians of the rounds."""
    for name in names:
        try:
            runs = [measure_apart(path, name) for _ in range(rounds)]
        except subprocess.CalledProcessError as error:
            print(f"{name:22}{error.stderr.splitlines()[-1]}", flush=True)
            continue
        yield name, {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    from sysmon.analyze.trace.reports import reports

    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", nargs=2)
    parser.add_argument("--rows", default="1,10", help="millions")
    parser.add_argument("--shapes", default="mixed,cells,calls")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--base", type=Path)
    parser.add_argument("--base-calls", type=Path)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    base = options.base or recorded(options.dir / "reading-base.parquet", [])
    for shape in options.shapes.split(","):
        source = (
            (options.base_calls or recorded(options.dir / "reading-calls.parquet", ["--syscalls"]))
            if shape == "calls"
            else base
        )
        for millions in map(int, options.rows.split(",")):
            path = options.dir / f"reading-{shape}-{millions}.parquet"
            if not path.exists():
                multiplied = Multiplied(source)
                if shape == "cells":
                    write_cells(multiplied, path, millions * MILLION)
                else:
                    multiplied.write(path, millions * MILLION)
            metadata = pq.read_metadata(path)
            print(f"\n{shape}: {metadata.num_rows:,} rows, {path.stat().st_size / 2**20:.0f} MiB, ", end="")
            print(f"{metadata.num_row_groups} row groups, footer {metadata.serialized_size / 2**20:.1f} MiB")
            del metadata
            print(f"{'report':22}{'rows':>10}{'open':>8}{'report':>8}{'cpu':>8}{'MiB':>7}")
            names = options.only or [*(r.name for r in reports()), PAGE, MOVED_WINDOW]
            for name, figures in measured(path, names, options.rounds):
                print(
                    f"{name:22}{figures['rows']:10,.0f}{figures['open']:8.2f}{figures['report']:8.3f}"
                    f"{figures['cpu']:8.2f}{figures['mib']:7.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
