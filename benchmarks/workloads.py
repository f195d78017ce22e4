"""What recording adds to whole workloads, next to empty programs on the same tracepoints, bpftrace and perf trace.

`sudo .venv/bin/python benchmarks/workloads.py [--rounds N] [--quick] [--only NAME]`. Each run is the better of two.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import conditions, measure
from benchmarks.measure import CLOCKS, DEFAULT, FLOOR, NOTHING, Aim, Samples, Section, shown, spread

BPFTRACE, PERF_TRACE = "bpftrace, count and hist", "perf trace -a -s"
EVERY_CALL = measure.EVERY_CALL

MESSAGING, COMPILE, FORKS, FIND, DD = "messaging", "compile", "fork storm", "find", "dd"

FULL, QUICK, SMALL = 1.0, 0.25, 0.05
"""Sizes of each workload. SMALL is for perf trace, with which some take a hundred times as long."""

FILES, FUNCTIONS = 2, 250

TEXT = """\
How much longer each workload takes than without recording, in wall time and in CPU time of the workload's own
processes, which other load disturbs less. Median and spread are of wall time. The floor is empty programs on all
{tracepoints} raw tracepoints that the default recording uses; `× floor` is the ratio to it, and `× clock` the ratio to
programs that only read the clock once each. Both are left out if these seemed to cost nothing. perf trace is measured
with a twentieth of each workload.

{workloads}"""


def workloads(folder: Path, scale: float) -> dict[str, tuple[list[str], str]]:
    """Commands by name, and what they do; without those whose program is not installed."""
    sources = [str(folder / f"part{i}.c") for i in range(max(1, round(FILES * scale)))]
    for path in sources:
        Path(path).write_text(_source())
    loops, records = str(round(1_000 * scale)), round(1_000_000 * scale)
    tree = "/usr" if scale == FULL else "/usr/share" if scale == QUICK else "/usr/share/doc"
    storm = f"for i in $(seq {round(400 * scale)}); do /bin/true; done"
    every = {
        MESSAGING: (["perf", "bench", "sched", "messaging", "-g", "2", "-l", loops], "80 processes over sockets"),
        COMPILE: (["gcc", "-O2", "-c", *sources], f"{len(sources)} files of {FUNCTIONS} functions"),
        FORKS: (["bash", "-c", storm], "a shell that starts processes one after the other"),
        FIND: (["find", tree, "-type", "f", "-name", "*.x"], "reads directories"),
        DD: (["dd", "if=/dev/zero", "of=/dev/null", "bs=512", f"count={records}"], "a read and a write for 512 bytes"),
    }
    return {name: (command, what) for name, (command, what) in every.items() if shutil.which(command[0])}


def _source() -> str:
    functions = (
        f'int f{i}(int a) {{ int s = 0; for (int j = 0; j < a; j++) s += j * {i} ^ a; printf("%d", s); return s; }}\n'
        for i in range(FUNCTIONS)
    )
    return "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" + "".join(functions)


def section(rounds: int, quick: bool, only: str | None = None) -> Section:
    """Measures."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as folder:
        chosen = {n: w for n, w in workloads(Path(folder), QUICK if quick else FULL).items() if only in (None, n)}
        samples = measure.interleaved(
            {
                NOTHING: measure.nothing,
                FLOOR: conditions.empty,
                CLOCKS: lambda: conditions.empty(body=conditions.READ_CLOCK),
                DEFAULT: conditions.recording,
                EVERY_CALL: lambda: conditions.recording("--syscalls"),
                BPFTRACE: conditions.bpftrace,
            },
            lambda _name, _prefix: _times(chosen, folder),
            rounds,
        )
        small = {n: w for n, w in workloads(Path(folder), SMALL).items() if only in (None, n)}
        slow = measure.interleaved(
            {NOTHING: measure.nothing, PERF_TRACE: conditions.perf_trace_all},
            lambda _name, _prefix: _times(small, folder, times=1),
            1 if quick else 3,
        )
        text = "\n".join(f"- {name}: `{_typed(command, folder)}`, {what}" for name, (command, what) in chosen.items())
    head = ("workload", "under", "time", "added", "median", "spread", "added, CPU", "× floor, CPU", "× clock, CPU")
    rows = []
    for workload in chosen:
        rows += [_row(samples, workload, name) for name in samples.runs]
        rows += [_row(slow, workload, name) for name in slow.runs if name != NOTHING]
    absent = {**samples.absent, **slow.absent}
    rows += [("all", name, f"does not run here: {why}", *[""] * 6) for name, why in absent.items()]
    aims = [aim for workload in chosen for aim in _aims(samples, slow, workload)]
    tracepoints = len(conditions.default_tracepoints())
    return Section("Whole workloads", TEXT.format(workloads=text, tracepoints=tracepoints), head, rows, aims)


def _typed(command: list[str], folder: str) -> str:
    return " ".join(command).replace(f"{folder}/", "")


def _times(chosen: dict[str, tuple[list[str], str]], folder: str, times: int = 2) -> dict[str, float]:
    """Wall and CPU time of each workload, the best of several runs."""
    figures = {}
    for workload, (command, _what) in chosen.items():
        runs = [measure.run(["env", "-C", folder, *command]) for _ in range(times)]
        figures[workload] = min(run.wall_s for run in runs)
        figures[f"{workload}, CPU"] = min(run.cpu_s for run in runs)
    return figures


def _row(samples: Samples, workload: str, name: str) -> tuple[str, ...]:
    cpu = f"{workload}, CPU"
    time = shown(samples.fastest(name, workload), ".3f", " s")
    if name == NOTHING:
        values = samples.values(name, workload)
        least = min(values)
        return (workload, name, time, "", "", spread([v / least - 1 for v in values], "+,.0%"), "", "", "")
    return (
        workload,
        name,
        time,
        shown(samples.least(name, workload, relative=True), "+,.1%"),
        shown(samples.middle(name, workload, relative=True), "+,.1%"),
        spread(samples.added(name, workload, relative=True), "+,.0%"),
        shown(samples.least(name, cpu, relative=True), "+,.1%"),
        _ratio(samples.ratio(name, FLOOR, cpu)),
        _ratio(samples.ratio(name, CLOCKS, cpu)),
    )


def _ratio(ratio: float | None) -> str:
    return shown(ratio if ratio is None or ratio >= 0 else None, ".2f")


def _aims(samples: Samples, slow: Samples, workload: str) -> list[Aim]:
    of_floor = samples.ratio(DEFAULT, FLOOR, f"{workload}, CPU")
    aims = [Aim.at_most(f"{workload}: default recording, of the floor", 2.0, of_floor, " ×")]
    added = samples.least(DEFAULT, workload, relative=True)
    limit = {COMPILE: 3.0, FORKS: 10.0}.get(workload)
    if limit:
        aims.append(Aim.at_most(f"{workload}: added", limit, None if added is None else 100 * added, " %", 1))
    for peer, of in ((BPFTRACE, samples), (PERF_TRACE, slow)):
        other = of.least(peer, workload, relative=True)
        share = added / other if added is not None and other is not None and other > 0 else None
        aims.append(Aim.at_most(f"{workload}: of what {peer} adds", 0.25, share, digits=3))
    return aims


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    print(section(options.rounds, options.quick, options.only).markdown())


if __name__ == "__main__":
    main()
