"""What clients that are attached to a recorder cost it: `sudo .venv/bin/python -m benchmarks.attached [--pairs N]`.

A recording goes on beside a process that opens files at a steady rate, and clients come and go: in turns nobody is
attached, one that wants snapshots, nobody, and one that wants events. Each pair compares the CPU time of the recorder's
process in a turn with somebody to that in the turns before and after it, so what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Aim, Section
from sysmon.bpf.control import places
from sysmon.bpf.control.messages import Wanted

RATES = (200, 10_000)
"""Opens a second."""

TURN_S, SETTLE_S = 4.0, 0.3
"""How long a turn is measured, and how long before that somebody came or went."""

MOST = 1.05
"""Times its own CPU time that a recorder may use beside somebody who looks at snapshots."""

OPENS = """
import os, sys, time
rate, done, began = int(sys.argv[1]), 0, time.monotonic()
while os.getppid() != 1:
    while done < (time.monotonic() - began) * rate:
        os.close(os.open("/etc/hostname", os.O_RDONLY))
        done += 1
    time.sleep(0.005)
"""

HEAD = (
    *("opens a second", "attached for", "CPU without", "times, median"),
    *("spread", "middle half", "more CPU, median", "pairs"),
)

TEXT = """\
The CPU time of the recorder's process with a client attached, as a multiple of what it is in the turns of 4 s before
and after, with none. Children of the recorder are left out: no client changes what they do."""


@dataclass(frozen=True)
class Pair:
    """CPU time of a turn with somebody attached, and of those beside it without [s of CPU time a second]."""

    without: float
    beside: float


@contextlib.contextmanager
def opening(rate: int) -> Iterator[None]:
    """A process opens files meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", OPENS, str(rate)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def recording(path: Path) -> Iterator[int]:
    """Records meanwhile; the process."""
    sysmon = Path(sys.executable).with_name("sysmon")
    process = subprocess.Popen([sysmon, "record", "-o", path], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        while not (line := process.stderr.readline()).startswith("recording to"):
            if not line:
                raise SystemExit("sysmon record has ended")
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def attached(name: str, wanted: Wanted | None) -> Iterator[None]:
    """A client of the recording of this name meanwhile; None: there is none."""
    if wanted is None:
        yield
        return
    with places.sockets(0) as found:
        (place,) = [place for place in found if place.name == name]
        with place.connect() as client:
            client.attach(wanted)
            yield


def turn(pid: int, name: str, wanted: Wanted | None) -> float:
    """CPU time of the process in it [s of CPU time a second]."""
    clock = (~pid << 3) | 2  # its CPU time, from clock_getcpuclockid(3): to the nanosecond, of all threads
    with attached(name, wanted):
        time.sleep(SETTLE_S)
        began, cpu = time.monotonic(), time.clock_gettime(clock)
        time.sleep(TURN_S)
        return (time.clock_gettime(clock) - cpu) / (time.monotonic() - began)


def pairs(rate: int, count: int) -> dict[Wanted, list[Pair]]:
    """So many of each."""
    found: dict[Wanted, list[Pair]] = {wanted: [] for wanted in Wanted}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, opening(rate):
        path = Path(folder, f"attached-{os.getpid()}.parquet")
        with recording(path) as pid:
            turn(pid, path.name, None)
            before = turn(pid, path.name, None)
            for number in range(count):
                for wanted in (Wanted.SNAPSHOTS, Wanted.EVENTS)[:: -1 if number % 2 else 1]:
                    beside, after = turn(pid, path.name, wanted), turn(pid, path.name, None)
                    found[wanted].append(Pair((before + after) / 2, beside))
                    before = after
    return found


def section(count: int) -> Section:
    """Measures."""
    rows, aims = [], []
    for rate in RATES:
        for wanted, of in pairs(rate, count).items():
            times = [pair.beside / pair.without for pair in of]
            middle = statistics.median(times)
            more = statistics.median(pair.beside - pair.without for pair in of) * 100
            without = statistics.median(pair.without for pair in of) * 100
            spread, (low, _, high) = measure.spread(times, ".2f"), statistics.quantiles(times, n=4)
            half = f"{low:.2f} to {high:.2f}"
            name = wanted.name.lower()
            figures = (f"{without:.1f} %", f"{middle:.2f}", spread, half, f"{more:+.2f} %", f"{count}")
            rows.append((f"{rate:,}", name, *figures))
            if wanted is Wanted.SNAPSHOTS:
                aims.append(Aim.at_most(f"beside a screen of tables, {rate:,} opens a second", MOST, middle, " times"))
    return Section("A recorder beside a viewer", TEXT, HEAD, rows, aims)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10, help="at least 2")
    options = parser.parse_args()
    load = measure.load()
    found = section(options.pairs)
    found.load = load
    print(found.markdown())


if __name__ == "__main__":
    main()
