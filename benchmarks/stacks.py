"""What stacks cost: samples at the default rate on a busy machine, stacks of waits, and the bytes of both in the file.

`sudo .venv/bin/python -m benchmarks.stacks [--seconds N] [--rounds N]`, N being the length of a recording.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

import sysmon
from benchmarks import conditions
from benchmarks.measure import Aim, Section, spread
from sysmon.bpf.kinds.stacks import DEFAULT_RATE, FRAME, SAMPLES, STACK
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.encoder import parquet_writer

DEPTH = 40
"""Functions on the stack of the workload."""

WORKLOAD = f"""
#include <unistd.h>
static volatile unsigned long sink;
__attribute__((noinline)) unsigned long deeper(int left)
{{
	if (left)
		return deeper(left - 1) + 1;
	for (int i = 0; i < 2000; i++)
		sink = sink * 3 + i;
	getppid();
	return sink;
}}
int main(void)
{{
	for (;;)
		sink += deeper({DEPTH});
}}
"""

TEXT = f"""\
A program that runs on each CPU, with {DEPTH} functions on its stack, a call every few microseconds, and frame pointers.
It is recorded with and without `--with samples`, at {DEFAULT_RATE} samples a second of each CPU, in turn. What the
samples cost is the run time of their program, which walks the stack, and what more CPU time the recorder takes; shares
are of all CPUs. Taking the interrupt is not in it. Bytes are those in the file, of the samples and of everything that
tells what their stacks are."""

HEAD = ("what", "measured", "spread")


@dataclass(frozen=True)
class Cost:
    """Of one recording: shares of the machine [%]."""

    recorder: float
    program: float
    per_sample_ns: float
    bytes_per_sample: float | None


def section(seconds: float, rounds: int) -> Section:
    """Measures. Raises Absent."""
    plain, sampled = list[Cost](), list[Cost]()
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as folder, _workload(Path(folder)):
        for _ in range(rounds):
            plain.append(_recorded(Path(folder), seconds))
            sampled.append(_recorded(Path(folder), seconds, "--with", SAMPLES.name))
    more = [b.recorder - a.recorder for a, b in zip(plain, sampled, strict=True)]
    walking = [cost.program for cost in sampled]
    whole = [a + b for a, b in zip(more, walking, strict=True)]
    each_ns = [cost.per_sample_ns for cost in sampled]
    sizes = [cost.bytes_per_sample for cost in sampled if cost.bytes_per_sample is not None]
    middle = statistics.median(whole)
    size = statistics.median(sizes) if sizes else None
    return Section(
        "Stacks", TEXT, HEAD,
        [
            ("a sample", f"{statistics.median(each_ns) / 1000:.1f} us", spread([ns / 1000 for ns in each_ns], ".1f")),
            ("program, of the machine", f"{statistics.median(walking):.3f} %", spread(walking, ".3f")),
            ("recorder: more, of the machine", f"{statistics.median(more):.3f} %", spread(more, ".3f")),
            ("both", f"{middle:.3f} %", spread(whole, ".3f")),
            ("bytes a sample", "–" if size is None else f"{size:.1f}", spread(sizes, ".1f")),
        ],
        [
            Aim.at_most(f"samples at {DEFAULT_RATE} Hz, of the machine", 0.5, middle, " %"),
            Aim.at_most("bytes a sample", 10, size, "", 1),
        ],
    )  # fmt: skip


@contextlib.contextmanager
def _workload(folder: Path) -> Iterator[None]:
    source, program = folder / "deep.c", folder / "deep"
    source.write_text(WORKLOAD)
    frames = ("-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    subprocess.run([conditions.need("gcc", "gcc"), "-O1", *frames, "-o", program, source], check=True)
    processes = [subprocess.Popen([program]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _recorded(folder: Path, seconds: float, *options: str) -> Cost:
    path = folder / "trace.parquet"
    running = conditions.start(path, *options)
    try:
        time.sleep(seconds)
    finally:
        running.stop()
    with sysmon.open(path) as trace:
        used = {
            part: (100 * run_ns / window_ns / trace.metadata["host"]["cpus"], run_ns / runs if runs else 0)
            for part, run_ns, window_ns, runs in trace.sql(
                "SELECT part, sum(run_ns), sum(window_ns), sum(runs) FROM overhead GROUP BY part"
            ).fetchall()
        }
        ((samples,),) = trace.sql("SELECT CAST(sum(samples) AS BIGINT) FROM samples").fetchall() if options else ((0,),)
    program, each_ns = used.get("on_sample", (0, 0))
    return Cost(used["recorder"][0], program, each_ns, _bytes(path) / samples if samples else None)


def _bytes(path: Path) -> int:
    """Bytes of the columns of the rows of stacks, encoded as in a trace, each kind by itself: in a short recording they
    share row groups with others.
    """
    size = 0
    for kind in (SAMPLES, FRAME, STACK):
        columns = schema.of_kind(kind)
        rows = pq.read_table(path, columns=columns.names, filters=[("kind", "=", kind.name)]).cast(columns)
        buffer = io.BytesIO()
        with parquet_writer(buffer, columns) as writer:
            writer.write_table(rows)
        groups = pq.ParquetFile(buffer).metadata
        size += sum(
            groups.row_group(number).column(place).total_compressed_size
            for number in range(groups.num_row_groups)
            for place in range(groups.num_columns)
        )
    return size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(section(options.seconds, options.rounds).markdown())


if __name__ == "__main__":
    main()
