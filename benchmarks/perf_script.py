"""Reading: `report syscalls` on growing traces, next to `perf script` piped to a script that counts.

`sudo .venv/bin/python benchmarks/perf_script.py [--rows 1,10,100] [--rounds N]`. `reading.py`, whose traces are
used here, measures all reports.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import conditions, measure, reading
from benchmarks.measure import Absent, Aim, Section, spread

REPORT = "syscalls"
COUNT = "{ calls[$5]++ } END { for (name in calls) print name, calls[name] }"

TEXT = """\
`report syscalls` on traces with `--syscalls`, made of a recording of this machine repeated many times. The time is that
of the whole process, including its start. perf script turns perf's recording of the same `dd` into text, which awk
counts; its events are the entry and the return of each call, so it has two where sysmon has one row."""

HEAD = ("what", "rows or events", "time", "spread", "ns each", "memory")


def section(millions: list[int], rounds: int, calls: int, traces: Path | None = None) -> Section:
    """Measures. `traces` is the directory in which traces are kept and looked up; None: they are not kept."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as name:
        folder = traces or Path(name)
        base = reading.Multiplied(reading.recorded(folder / "reading-calls.parquet", ["--syscalls"]))
        rows, each, aims = [], {}, []
        for number in millions:
            path = folder / f"reading-calls-{number}.parquet"
            if not path.exists():
                measure.progress(f"  a trace of {number} million rows")
                base.write(path, number * reading.MILLION)
            row, each[number], took, mib = _ours(path, f"report {REPORT}, {number} M rows", rounds)
            rows.append(row)
            if not traces:
                path.unlink()
            if number == 100:
                aims.append(Aim.at_most("report syscalls of 100 M rows", 10, took, " s", 1))
                aims.append(Aim.at_most("its memory", 2048, mib, " MiB", 0))
        try:
            theirs, perf_each = _perf(Path(name), calls, rounds)
        except Absent as why:
            theirs, perf_each = [("perf script", f"does not run here: {why}", "", "", "", "")], None
        same = _same_work(Path(name), calls, rounds)
    factor = perf_each / each[max(each)] if perf_each else None
    aims.append(Aim.at_least(f"faster an event than perf script, {max(each)} M rows, times", 50, factor))
    return Section("Reading", TEXT, HEAD, [*rows, *theirs, same], aims)


def _ours(path: Path, label: str, rounds: int) -> tuple[tuple[str, ...], float, float, float]:
    """The row; ns a row, seconds and MiB of the whole process."""
    import pyarrow.parquet as pq

    count = pq.read_metadata(path).num_rows
    runs, took = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        runs.append(reading.measure_apart(path, REPORT))
        took.append(time.perf_counter() - begin)
    middle, mib = statistics.median(took), statistics.median(run["mib"] for run in runs)
    each = middle / count * 1e9
    row = (label, f"{count:,}", f"{middle:.2f} s", spread(took, ".2f"), f"{each:,.1f}", f"{mib:,.0f} MiB")
    return row, each, middle, mib


def _work(calls: int) -> list[str]:
    return ["dd", "if=/dev/zero", "of=/dev/null", "bs=512", f"count={calls // 2}", "status=none"]


def _perf(folder: Path, calls: int, rounds: int) -> tuple[list[tuple[str, ...]], float]:
    perf = conditions.need("perf", "linux-perf")
    conditions.need_tracefs()
    data = str(folder / "perf.data")
    events = "raw_syscalls:sys_enter,raw_syscalls:sys_exit"
    # A buffer large enough to lose little, as reading is compared.
    record = [perf, "record", "-q", "-m", "16M", "-e", events, "-o", data, *_work(calls)]
    if subprocess.run(record, capture_output=True, check=False).returncode:
        raise Absent("perf record fails")
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        with subprocess.Popen(
            [perf, "script", "-i", data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as script:
            output = subprocess.run(
                ["awk", COUNT], stdin=script.stdout, capture_output=True, text=True, check=True
            ).stdout
        took.append(time.perf_counter() - begin)
    count = sum(int(line.split()[-1]) for line in output.splitlines())
    middle = statistics.median(took)
    each = middle / count * 1e9
    size = Path(data).stat().st_size / count
    label = f"perf script and awk ({size:.0f} bytes an event)"
    return [(label, f"{count:,}", f"{middle:.2f} s", spread(took, ".2f"), f"{each:,.1f}", "")], each


def _same_work(folder: Path, calls: int, rounds: int) -> tuple[str, ...]:
    path = folder / "same.parquet"
    subprocess.run(
        [conditions.SYSMON, "record", "--syscalls", "-o", path, "--", *_work(calls)], capture_output=True, check=True
    )
    return _ours(path, f"report {REPORT}, the same work", rounds)[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="1,10", help="millions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=400_000)
    parser.add_argument("--traces", type=Path)
    options = parser.parse_args()
    millions = [int(number) for number in options.rows.split(",")]
    print(section(millions, options.rounds, options.calls, options.traces).markdown())


if __name__ == "__main__":
    main()
