"""Every benchmark, and docs/performance.md: `script/benchmarks [--quick] [--only PART ...] [--no-page]`.

Takes less than 25 minutes, or less than 3 with --quick, whose figures are for trying only and whose page goes nowhere
unless --page says where.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    every_call,
    footprint,
    growing,
    measure,
    objects,
    perf_script,
    server,
    stacks,
    syscall_cost,
    waits,
    workloads,
)
from benchmarks.measure import Aim, Section
from sysmon.bpf.trace_file import schema
from sysmon.version import version

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

HEAD = """\
<!-- Written by `script/benchmarks` on the machine named below; run it to measure yours. -->

# Performance

What recording and reading cost, compared with other tools in the same run, and with a floor: empty programs on the same
raw tracepoints, which no tool that uses them can undercut. `script/benchmarks` measures on the machine where it runs
and writes this page. The tools take turns. The added cost is the fastest run minus the fastest run without recording,
as other load and neighbours on the same hardware only ever slow a run down. Median and spread (minimum and maximum) are
of each run minus the run without recording in the same round. {rounds}

{machine}

{verdict}

"""

QUICK_NOTE = "**This was a quick trial run: few rounds of little work. Do not use its figures.**"

Parts = dict[str, Callable[[], Section]]


def parts(options: argparse.Namespace) -> Parts:
    """Every part by its name for --only, in the order of the page."""
    quick = options.quick
    rounds = options.rounds or (2 if quick else 5)
    return {
        "syscall": lambda: syscall_cost.section(options.rounds or (2 if quick else 7)),
        "workloads": lambda: workloads.section(rounds, quick),
        "server": lambda: server.section(rounds, 20_000 if quick else 200_000),
        "recorder": lambda: footprint.section(10 if quick else 60, 2 if quick else 7),
        "stacks": lambda: stacks.section(5 if quick else 30, 2 if quick else 5),
        "objects": lambda: objects.section(rounds),
        "waits": lambda: waits.section(2 if quick else 9),
        "events": lambda: every_call.section(options.seconds or (5 if quick else 60)),
        "reading": lambda: perf_script.section(
            options.rows or ([1] if quick else [1, 10, 100]), 2 if quick else 3, 200_000 if quick else 1_000_000,
            options.traces,
        ),
        "growing": lambda: growing.section(32 if quick else 1024, 3 if quick else growing.ROUNDS),
    }  # fmt: skip


def said(name: str, *options: str) -> str | None:
    """The version that a program reports, in a word or two."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not found:
        return None
    done = subprocess.run([found, *(options or ("--version",))], capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0].replace(" -- version", "") or None


def debian(package: str) -> str | None:
    """The version of an installed Debian or Ubuntu package."""
    if not shutil.which("dpkg-query"):
        return None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
    )
    return f"{package} {done.stdout}" if done.returncode == 0 and done.stdout else None


def processor() -> str:
    """The model name of the CPUs."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine(load: str) -> str:
    """The machine, the versions and the time."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    virtual = " of a virtual machine" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    peers = [
        said("strace"),
        said("perf"),
        debian("bpftrace"),
        debian("bpfcc-tools"),
        debian("redis-server"),
        said("gcc"),
    ]
    versions = [f"sysmon {version()}, trace schema {schema.VERSION}", f"Python {platform.python_version()}"]
    rows = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "machine": f"{processor()}, {os.cpu_count()} CPUs{virtual}, {memory:.1f} GiB",
        "system": system,
        "versions": "; ".join([*versions, *(peer for peer in peers if peer)]),
        "load average at the beginning": load,
    }
    return "\n".join(["| | |", "|:--|:--|", *(f"| {name} | {value} |" for name, value in rows.items())])


def verdict(aims: list[Aim]) -> str:
    """How many aims were reached, and which were not."""
    missed = [aim for aim in aims if aim.holds is False]
    unknown = sum(aim.holds is None for aim in aims)
    reached = len(aims) - len(missed) - unknown
    text = f"Of {len(aims)} aims {reached} were reached, {len(missed)} were not, and of {unknown} it cannot be said."
    if missed:
        text += " Not reached:\n\n" + "\n".join(f"- {a.what}: {a.measured}, wanted {a.wanted}" for a in missed)
    return text


def _measured(name: str, part: Callable[[], Section]) -> Section:
    load, begin = measure.load(), time.monotonic()
    measure.progress(f"{name} (load average {load})")
    section = part()
    section.load = load
    print(section.markdown(), flush=True)
    measure.progress(f"{name} took {time.monotonic() - begin:.0f} s")
    return section


def main() -> int:
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # ends what is running, as Ctrl-C does
    parser = argparse.ArgumentParser(prog="script/benchmarks", description="Measures, and writes docs/performance.md.")
    parser.add_argument("--quick", action="store_true", help="little work, for trying; writes no page")
    parser.add_argument("--only", nargs="+", metavar="PART", help="only these parts; writes no page")
    parser.add_argument("--rounds", type=int, help="of everything that is compared")
    parser.add_argument("--seconds", type=float, help="how long every call is recorded, without it 60")
    parser.add_argument("--rows", type=lambda text: [int(n) for n in text.split(",")], help="to read, in millions")
    parser.add_argument("--traces", type=Path, metavar="DIR", help="where traces to read are kept for the next time")
    parser.add_argument("--page", type=Path, help="where the page goes")
    options = parser.parse_args()
    if os.geteuid():
        parser.error("needs root, as it records")
    every = parts(options)
    if unknown := set(options.only or ()) - set(every):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    about = machine(measure.load())
    sections = [_measured(name, part) for name, part in every.items() if not options.only or name in options.only]
    outcome = verdict([aim for section in sections for aim in section.aims])
    print(outcome)
    page = options.page or (None if options.quick or options.only else PAGE)
    if page:
        text = HEAD.format(machine=about, verdict=outcome, rounds=QUICK_NOTE if options.quick else "")
        page.write_text(text + "\n".join(section.markdown() for section in sections))
        measure.progress(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
