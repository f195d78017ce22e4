"""What it costs to look at a recording that runs: CPU time and memory of a viewer, and how late a line of an event is.

`sudo .venv/bin/python -m benchmarks.viewer [--seconds 30] [--rounds 3] [--only screen|events]`; an hour is
`--seconds 3600 --rounds 1`.

500 processes wake once or twice a second and make a few calls each time. The screen is on a terminal of 120 × 40 that
is read as fast as it is written. For `--events open` another process opens 10,000 paths a second, and each tells when:
a delay is from there to when the line was read. CPU time is that of the viewer's process, after its first seconds;
growth is of its resident memory, from the mean of the first quarter of the run to that of the last.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import random
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROWS, COLUMNS = 40, 120

PROCESSES, OPENS_S = 500, 10_000

NICE = -10
"""Of all this, so that it gets the CPU time that it wants beside whatever else runs."""

BEAT_S = 0.01
"""How often paths are opened, some at a time."""

PATH = "/nowhere/at-"

TIME = re.compile(rb"/nowhere/at-(\d+)")

INSTANT = re.compile(rb"\d\d:\d\d:\d\d\.\d{3} UTC")
"""What the screen shows the snapshot of."""

SKIPPED = re.compile(rb"\((\d+) events skipped")

FIRST = b"cpu_pct", PATH.encode()
"""What is written when there are rows: one of these."""

SETTLES_S = 5.0
"""After that, not measured: everything is planned once."""

PATIENCE_S = 60.0

LOOK_S = 0.5
"""How often memory is read."""

AIM_CPU_PCT, AIM_MIB, AIM_DELAY_S = 15, 300, 0.3


@dataclass(frozen=True)
class Cost:
    """Of a viewer's process: CPU time as a share of one CPU [%], resident memory and its growth [MiB]."""

    cpu_pct: float
    most_mib: float
    growth_mib: float

    def told(self, name: str) -> str:
        """A line of the result."""
        return (
            f"{name:<8} {self.cpu_pct:5.1f} % of a CPU (aim {AIM_CPU_PCT})   {self.most_mib:4.0f} MiB at most "
            f"(aim {AIM_MIB}), {self.growth_mib:+.1f} MiB over the run   load {os.getloadavg()[0]:.1f}"
        )


# -- what there is to see


@contextlib.contextmanager
def busy_machine(count: int) -> Iterator[None]:
    """So many processes that do little."""
    children = [_forked(_wake) for _ in range(count)]
    try:
        yield
    finally:
        _end(children)


def _wake() -> None:
    chance = random.Random(os.getpid())
    while True:
        time.sleep(chance.uniform(0.3, 1.7))
        for _ in range(chance.randrange(4)):
            os.stat("/proc/self")
        with open("/dev/null", "rb") as file:
            file.read(1)


def _open_paths() -> None:
    """At an even pace: what was missed is made up for."""
    began, done = time.monotonic(), 0
    while True:
        time.sleep(BEAT_S)
        due = int((time.monotonic() - began) * OPENS_S)
        for _ in range(due - done):
            with contextlib.suppress(FileNotFoundError):
                os.open(f"{PATH}{time.time_ns()}", os.O_RDONLY)
        done = due


def _forked(work: object) -> int:
    assert callable(work)
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with contextlib.suppress(KeyboardInterrupt):
            work()
        os._exit(0)
    return pid


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


# -- who looks


@contextlib.contextmanager
def live(*options: str, on_terminal: bool) -> Iterator[tuple[int, int]]:
    """`sysmon live` with these options: its pid, and what it writes to."""
    command = [sys.executable, "-m", "sysmon", "live", "--interval", "1", *options]
    if on_terminal:
        pid, out = pty.fork()
        if not pid:
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
            _become(command)
        fcntl.ioctl(out, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    else:
        out, theirs = os.pipe()
        pid = _forked(lambda: _become(command, theirs))
        os.close(theirs)
    try:
        yield pid, out
    finally:
        os.kill(pid, signal.SIGTERM)
        while _read(out, 1.0):
            pass
        os.waitpid(pid, 0)
        os.close(out)


def _become(command: Sequence[str], out: int = 1) -> None:
    os.dup2(out, 1)
    _go_first()
    os.execv(command[0], command)


def _go_first() -> None:
    """Where each session has its share of the CPUs, that of this one is larger."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def _read(fd: int, wait_s: float) -> bytes:
    """What was written within that time; none also at the end."""
    if not select.select([fd], [], [], max(0.0, wait_s))[0]:
        return b""
    try:
        return os.read(fd, 1 << 20)
    except OSError:  # a terminal that nobody has open any more
        return b""


def _viewer_of(launcher: int) -> int:
    """The child that is not root. Raises StopIteration if there is none."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}").stat().st_uid)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


# -- measurements


def watched(launcher: int, out: int, seconds: float) -> tuple[Cost, list[tuple[int, bytes]]]:
    """What the viewer costs within this time, and all that it wrote, with when that was read [ns since 1970]."""
    _settle(out)
    viewer, began = _viewer_of(launcher), time.monotonic()
    cpu, looked, memory, written = _cpu_s(viewer), 0.0, [], []
    while (now := time.monotonic()) < began + seconds:
        if now >= looked + LOOK_S:
            looked = now
            memory.append(_resident_mib(viewer))
        if found := _read(out, LOOK_S / 2):
            written.append((time.time_ns(), found))
    took = time.monotonic() - began
    quarter = max(1, len(memory) // 4)
    growth = statistics.mean(memory[-quarter:]) - statistics.mean(memory[:quarter])
    return Cost(100 * (_cpu_s(viewer) - cpu) / took, max(memory), growth), written


def _settle(out: int) -> None:
    """Raises TimeoutError if there are no rows."""
    seen, until = b"", time.monotonic() + PATIENCE_S
    while not any(first in seen for first in FIRST):
        if time.monotonic() > until:
            raise TimeoutError(f"no rows within {PATIENCE_S:g} s")
        seen = seen[-100:] + _read(out, 1.0)
    until = time.monotonic() + SETTLES_S
    while time.monotonic() < until:
        _read(out, until - time.monotonic())


def screen(seconds: float) -> tuple[Cost, str]:
    """Of the screen, and how often it showed another snapshot."""
    with live(on_terminal=True) as (launcher, out):
        cost, written = watched(launcher, out, seconds)
    instants = set(INSTANT.findall(b"".join(text for _, text in written)))
    return cost, f"         {len(instants)} snapshots were shown in {seconds:g} s"


def events(seconds: float) -> tuple[Cost, str]:
    """Of lines of opens, and how late they were."""
    opens = _forked(_open_paths)
    try:
        with live("--events", "open", on_terminal=False) as (launcher, out):
            cost, written = watched(launcher, out, seconds)
    finally:
        _end([opens])
    return cost, _delays(written)


def _delays(written: Sequence[tuple[int, bytes]]) -> str:
    """A line of the result."""
    ends = [(ns, *_cut(before, text)) for (_, before), (ns, text) in pairwise(written)]
    late = sorted((ns - int(at)) / 1e9 for ns, text in ends for at in TIME.findall(text))
    skipped = sum(int(count) for _, text in ends for count in SKIPPED.findall(text))
    if not late:
        return "         no line was read"
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    return (
        f"         {len(late)} lines, {p50:.3f} s late (p50), {p99:.3f} s (p99), {late[-1]:.3f} s at most "
        f"(aim {AIM_DELAY_S}); {skipped} skipped"
    )


def _cut(before: bytes, text: bytes) -> tuple[bytes]:
    """The text with the line that it begins in the middle of, without the one that it does not end."""
    return (before.rpartition(b"\n")[2] + text.rpartition(b"\n")[0],)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["screen", "events"])
    arguments = parser.parse_args()
    _go_first()
    with busy_machine(PROCESSES):
        for _ in range(arguments.rounds):
            for name, measure in (("screen", screen), ("events", events)):
                if arguments.only in (None, name):
                    cost, said = measure(arguments.seconds)
                    print(cost.told(name), said, sep="\n", flush=True)


if __name__ == "__main__":
    main()
