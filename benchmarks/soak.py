"""A long recording of a machine on which processes come and go: do its memory and its intervals stay the same?

`script/soak [SECONDS] [--loaded]`, as root; an hour by default. It records with a snapshot each second while
20 processes are forked per second (72,000 in an hour), half of which start a program and open files. Meanwhile the
recorder's resident memory, descriptors and threads are read from /proc. At the end the trace tells when its snapshots
were, what it lost, and how many of the processes it has.

The warm-up, a minute or a third of the time if that is less, is left out: the first row group of a kind takes memory
that the recorder then keeps using. `script/test` runs it for a minute next to other tests, with `--loaded`. Rows still
collect for the first row groups in that time, so the growth rate of memory is judged, and not how much more there is at
the end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import sysmon

SYSMON = Path(sys.executable).with_name("sysmon")

HOUR_S = 3600
INTERVAL_S = 1.0
PER_SECOND = 20
WARM_UP_S = 60.0

MOST_GROWTH = 0.10
"""Limit for a soak whose warm-up was a whole minute."""

MOST_SLOPE_BYTES = 1 << 30
"""Limit per hour for a shorter one: 300 kB per second. Without a leak it was 75 to 160 kB on a busy machine."""

MOST_JITTER = 0.10

WORKLOAD = """
import os, sys, time
begin, n, ended = time.monotonic(), 0, False
def stop(*_):
    global ended
    ended = True
import signal
signal.signal(signal.SIGTERM, stop)
while not ended:
    if n % 2:
        quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
        pid = os.posix_spawn("/bin/cat", ["cat", "/etc/hostname", f"/no/such/{n}"], {}, file_actions=quiet)
    else:
        pid = os.fork()
        if not pid: os._exit(n % 7)
    os.waitpid(pid, 0)
    n += 1
    time.sleep(max(0, begin + n / float(sys.argv[1]) - time.monotonic()))
print(n)
"""
"""Forks at this rate until it is told to stop, and prints how often it did."""


@dataclass(frozen=True)
class Sample:
    """The recorder as /proc shows it, this many seconds after the first sample."""

    at_s: float
    rss_bytes: int
    descriptors: int
    threads: int


@dataclass
class Soak:
    """The results of a soak."""

    samples: list[Sample] = field(default_factory=list)
    forked: int = 0  # by the workload
    recorded: int = 0  # of these, forks in the trace
    gaps_s: list[float] = field(default_factory=list)  # between snapshots
    losses: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def length_s(self) -> float:
        return self.samples[-1].at_s

    @property
    def warm_up_s(self) -> float:
        return min(WARM_UP_S, self.length_s / 3)

    def level(self, what: str, *, late: bool) -> list[int]:
        """The values in the first or the last third of the time after the warm-up."""
        begin = self.warm_up_s
        part_s = (self.length_s - begin) / 3
        low, high = (self.length_s - part_s, self.length_s) if late else (begin, begin + part_s)
        return [getattr(s, what) for s in self.samples if low <= s.at_s <= high]

    @property
    def growth(self) -> float:
        """Growth of memory from after the warm-up to the end, as a share of the former; of medians."""
        return (
            statistics.median(self.level("rss_bytes", late=True))
            / statistics.median(self.level("rss_bytes", late=False))
            - 1
        )

    @property
    def slope_bytes(self) -> float:
        """Growth of memory per hour, by a linear fit after the warm-up."""
        after = [s for s in self.samples if s.at_s >= self.warm_up_s]
        return statistics.linear_regression([s.at_s for s in after], [s.rss_bytes for s in after]).slope * HOUR_S

    def more(self, what: str) -> int:
        """How many more there are at the end; minima, as some exist for a moment only."""
        return min(self.level(what, late=True)) - min(self.level(what, late=False))

    @property
    def jitter(self) -> float:
        """Jitter of snapshots, 99th percentile: deviation from one interval after the last, as a share of it."""
        off = sorted(abs(gap - INTERVAL_S) / INTERVAL_S for gap in self.gaps_s)
        return off[int(len(off) * 0.99) - (len(off) % 100 == 0)]

    @property
    def faults(self) -> list[str]:
        """The results that miss their limits."""
        if self.warm_up_s < WARM_UP_S:
            grown, by = self.slope_bytes > MOST_SLOPE_BYTES, f"{self.slope_bytes / 2**20:.0f} MiB an hour"
        else:
            grown, by = self.growth > MOST_GROWTH, f"{self.growth:.1%}"
        found = {
            f"memory grew by {by}": grown,
            **{f"{self.more(what)} {what} more": self.more(what) > 0 for what in ("descriptors", "threads")},
            f"jitter of {self.jitter:.1%}": self.jitter > MOST_JITTER,
            f"{self.forked - self.recorded} forks are neither recorded nor counted as lost": (
                self.forked != self.recorded and not any(place == "fork" for _, place, _ in self.losses)
            ),
        }
        return [text for text, bad in found.items() if bad]

    def lines(self) -> list[str]:
        """The results as text."""
        rss = [s.rss_bytes / 2**20 for s in self.samples]
        late = sum(abs(gap - INTERVAL_S) > MOST_JITTER * INTERVAL_S for gap in self.gaps_s)
        lost = ", ".join(f"{lost:,} {cause}: {place}" for cause, place, lost in self.losses)
        ends = self.samples[0], self.samples[-1]
        return [
            f"time         {self.length_s:,.0f} s, load {os.getloadavg()[1]:.1f} on {os.cpu_count()} CPUs",
            f"memory       {rss[0]:.1f} MiB at first, {rss[-1]:.1f} at last, {max(rss):.1f} at most; "
            f"{self.growth:+.1%} after the warm-up, {self.slope_bytes / 2**20:+.2f} MiB an hour",
            f"descriptors  {ends[0].descriptors} at first, {ends[1].descriptors} at last",
            f"threads      {ends[0].threads} at first, {ends[1].threads} at last",
            f"snapshots    {len(self.gaps_s) + 1:,}; 99 of 100 within {self.jitter:.2%} of {INTERVAL_S} s, "
            f"{late} over {MOST_JITTER:.0%}, the longest gap {max(self.gaps_s):.3f} s",
            f"processes    {self.forked:,} forked, {self.recorded:,} of them in the trace",
            f"lost         {lost or 'nothing'}",
        ]


def soak(seconds: float, path: Path) -> Soak:
    """Records into the file for this long. Raises RuntimeError if the recorder ended early or failed."""
    recorder = subprocess.Popen(
        [SYSMON, "record", "--interval", str(INTERVAL_S), "-o", path], stderr=subprocess.PIPE, text=True
    )
    assert recorder.stderr
    said = ""
    while "recording to" not in said:
        line = recorder.stderr.readline()
        if not line:
            raise RuntimeError(said or "sysmon record ended")
        said += line
    workload = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WORKLOAD, str(PER_SECOND)], stdout=subprocess.PIPE, text=True
    )
    found = Soak()
    try:
        begin = time.monotonic()
        while (at := time.monotonic() - begin) < seconds:
            found.samples.append(sample(recorder.pid, at))
            time.sleep(min(1.0, seconds / 30))
    finally:
        workload.terminate()
        found.forked = int(workload.communicate()[0])
        recorder.send_signal(signal.SIGTERM)  # a shell makes background jobs ignore SIGINT
        said += recorder.communicate()[1]
    if recorder.returncode:
        raise RuntimeError(said)
    read(found, path, workload.pid)
    return found


def sample(pid: int, at_s: float) -> Sample:
    """The process now. Raises OSError if it has ended."""
    proc = Path(f"/proc/{pid}")
    words = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    if "VmRSS" not in words:
        raise RuntimeError("the recorder has ended")
    return Sample(at_s, int(words["VmRSS"].split()[0]) * 1024, len(os.listdir(proc / "fd")), int(words["Threads"]))


def read(found: Soak, path: Path, pid: int) -> None:
    """Adds the results from the trace."""
    with sysmon.open(path) as trace:
        query = "SELECT epoch_ns(ts) FROM clocks WHERE event <> 'end' ORDER BY ts"
        moments = [ns for (ns,) in trace.sql(query).fetchall()]
        found.gaps_s = [(b - a) / 1e9 for a, b in itertools.pairwise(moments)]
        ((found.recorded,),) = trace.sql(f"SELECT count(*) FROM forks WHERE ppid = {int(pid)}").fetchall()
        query = "SELECT cause, place, CAST(sum(lost) AS BIGINT) FROM losses GROUP BY ALL ORDER BY ALL"
        found.losses = trace.sql(query).fetchall()


def main() -> int:
    """Runs the soak; returns 1 if a result missed its limit."""
    parser = argparse.ArgumentParser(prog="script/soak")
    parser.add_argument("seconds", type=float, nargs="?", default=HOUR_S)
    parser.add_argument(
        "--loaded", action="store_true", help="other work keeps the CPUs busy: when snapshots come is shown, not judged"
    )
    options = parser.parse_args()
    seconds = options.seconds
    with tempfile.TemporaryDirectory(prefix="sysmon-soak-") as scratch:
        found = soak(seconds, Path(scratch) / "soak.parquet")
        size = (Path(scratch) / "soak.parquet").stat().st_size
    print("\n".join([*found.lines(), f"file         {size / 2**20:.1f} MiB"]))
    faults = [fault for fault in found.faults if not (options.loaded and fault.startswith("jitter"))]
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
