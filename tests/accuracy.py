"""Writes docs/accuracy.md: sysmon's figures on this machine, those of oracles, and the differences. `script/accuracy`.

The comparisons are those of the live tests, in tests/live/oracles.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sysmon.bpf.trace_file import schema
from sysmon.version import version
from tests.live.oracles import build, calls, cpu, memory, process_state, shares, storage
from tests.live.oracles.figure import Figure
from tests.live.oracles.tools import find

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"

HEAD = """\
<!-- Written by `script/accuracy` on the machine named below; run it to measure yours. -->

# Accuracy

sysmon's figures compared with those of independent oracles. `script/accuracy` makes the comparisons on the machine
where it runs and writes this page; `script/test` makes them too, and fails if one does not hold.

{machine}

{verdict}
"""

SECTIONS = {
    "System calls": """\
strace and perf watch the same run as sysmon, so the counts must agree exactly. strace's figures are the lines of its
log per call. exit and exit_group never return; they count like other calls, and their sum is listed separately. perf
counts the entries into all calls of the command and of the strace above it; sysmon's figure for that is the sum of the
calls that returned, those that never return, and one in flight at the end. `strace -c` is not used here, as it leaves
out calls that never return.""",
    "Processes of a build": """\
`make -j4` of a C project, with unrelated processes running and with processes that outlive make and their parents.
strace, wrapped around the recorder, sees each process start, and its parent.""",
    "CPU time, waits and switches": """\
CPU time is the kernel's own account, as in getrusage: 0.5 % and 0.1 ms are allowed, idle and under load. The spinner is
compared with the clock; a wait counts when it ends, so one that continues is missing. The split into user and system
time is the kernel's estimate. Stolen time has ticks of 10 ms, and /proc/stat is read during the recording.""",
    "Storage": """What some processes report about themselves at their end (/proc/self/io), for several ways to read
and write. After that they still print the result and close files.""",
    "Threads and descriptors": """What a process counts in /proc/self, and what the snapshots say.""",
    "Filters that change": """A process that starts to match a filter while it is recorded: its calls from then on.""",
    "Memory that is shared": """\
Private memory and PSS of layouts with a known answer: four processes that touch all of one mapping, and a fork after
which the child writes to a quarter. Each also has Python's own memory.""",
    "Memory": """\
The peaks are of processes that no snapshot has seen: they were read as each process ended, from kernel counters that
lag by up to a batch of pages per CPU.""",
}


TAIL = """
## Beyond figures

Paths, addresses, results, names of control groups, 32-bit calls and ends of processes are either right or wrong. The
live tests create each case and know its answer: `tests/live`, which `script/test` runs.

Stacks are what the kernel finds by following frame pointers. A function that has no frame hides its caller: most often
one of the C library hides the function of the program that called it. `main;f;memcmp` is recorded as
`main;[caller skipped];memcmp`, and `f` has none of the samples, or of the time blocked. Report `stack_quality` has the
share of such stacks.
"""


def comparisons(folder: Path) -> Iterator[tuple[str, list[Figure]]]:
    """The figures of each section. Raises FileNotFoundError if strace or perf is missing."""
    tools = {name: find(name) for name in ("strace", "perf")}
    strace, perf = tools["strace"], tools["perf"]
    if not strace or not perf:
        missing = ", ".join(name for name, found in tools.items() if not found)
        raise FileNotFoundError(f"not installed: {missing}")
    for name in ("calls", "build", "rest"):
        (folder / name).mkdir()
    runs = calls.watch(folder / "calls", strace, perf)
    yield (
        "System calls",
        [calls.against_perf(run) for run in runs] + [f for run in runs for f in calls.against_strace(run)],
    )
    yield "Processes of a build", build.of_a_build(folder / "build", strace)
    folder /= "rest"
    trace, pid = cpu.record_spinner(folder)
    of_cpu = cpu.spinner(trace, pid)
    for compare in cpu.COMPARISONS:
        of_cpu += compare(folder)
    yield "CPU time, waits and switches", of_cpu
    yield "Storage", storage.accounted(folder)
    yield "Threads and descriptors", process_state.held(folder)
    yield "Filters that change", process_state.filtered(folder)
    yield "Memory", memory.held(folder) + (memory.peaks(folder) or [])
    of_four = [figure for how in ("anonymous", "tmpfs", "file") for figure in shares.of_four(folder, how)]
    yield "Memory that is shared", of_four + shares.after_a_fork(folder)


def number(value: float) -> str:
    """A count as an integer, any other figure with four decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def difference(value: float) -> str:
    """With its sign, and two more decimals."""
    if not value:
        return "0"
    return f"{value:+,}" if isinstance(value, int) else f"{value:+.6f}"


def cells(figure: Figure) -> list[str]:
    unit = f" {figure.unit}" if figure.unit else ""
    return [
        figure.what,
        figure.oracle,
        number(figure.said) + unit,
        number(figure.sysmon) + unit,
        difference(figure.difference),
        number(figure.allowed) if figure.allowed else "0",
        "yes" if figure.holds else "**no**",
    ]


def table(figures: list[Figure]) -> str:
    head = ["what", "oracle", "it says", "sysmon says", "difference", "allowed", "holds"]
    lines = [head, [":--", ":--", "--:", "--:", "--:", "--:", ":--"], *map(cells, figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def said(*command: str) -> str:
    """The first line of a program's output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def machine() -> str:
    """Date, kernel and versions."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    versions = [f"sysmon {version()}, trace schema {schema.VERSION}", f"Python {platform.python_version()}"]
    for name in ("strace", "perf"):
        versions.append(said(find(name) or name, "--version").replace(" -- version", ""))
    versions += [said(name, "--version") for name in ("gcc", "git", "make")]
    rows = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "system": f"{system}, {os.cpu_count()} CPUs",
        "versions": "; ".join(versions),
    }
    return "\n".join(["| | |", "|:--|:--|", *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> int:
    text, all_figures = "", list[Figure]()
    with tempfile.TemporaryDirectory() as folder:
        for name, figures in comparisons(Path(folder)):
            section = f"\n## {name}\n\n{SECTIONS[name]}\n\n{table(figures)}"
            print(section, end="", flush=True)
            text += section
            all_figures += figures
    wrong = sum(not figure.holds for figure in all_figures)
    same = sum(not figure.difference for figure in all_figures)
    verdict = f"{len(all_figures)} figures were compared: {same} are the same, {wrong} differ by more than is allowed."
    print(f"\n{verdict}")
    PAGE.write_text(HEAD.format(machine=machine(), verdict=verdict) + text + TAIL)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
