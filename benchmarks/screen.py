"""How long the screen of a trace takes: to its first frame, to its first rows, and for a step.

`.venv/bin/python -m benchmarks.screen TRACE [--rounds 10] [--steps 20]`; `benchmarks.reading` makes large traces.

A frame and rows are seen in a terminal of 120 × 40 by a fresh process: until its first line is there, and until a table
has rows. A step is from a question to the answer of the thread that reads, over neighbouring snapshots of the middle of
the trace, without the time to draw, which is a few ms. Each figure is a median, with the least and the most.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import queue
import select
import signal
import statistics
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sysmon.analyze.trace.cursor import Position
from sysmon.analyze.trace.trace import Trace
from sysmon.analyze.tui.answers import Answer, Failed, Grown, Question, Shown
from sysmon.analyze.tui.places import Place
from sysmon.analyze.tui.reader import Reader

ROWS, COLUMNS = 40, 120

FRAME, TABLE = b"opening", b"cpu_pct"
"""What is on the screen when it opens, and when a table of processes has rows."""

PAGES = ("overview", "processes", "syscalls", "files", "events", "time")

WIDTHS_S = (0, 10)

PATIENCE_S = 60.0


def first_times(trace: Path) -> tuple[float, float]:
    """Until the first frame, and until the first rows [s]."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if not pid:
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
        os.execv(sys.executable, [sys.executable, "-m", "sysmon", "replay", str(trace)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        frame = _until(terminal, FRAME) - began
        return frame, _until(terminal, TABLE) - began
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def _until(terminal: int, wanted: bytes) -> float:
    """When this was written. Raises TimeoutError."""
    seen, until = b"", time.perf_counter() + PATIENCE_S
    while wanted not in seen:
        if not select.select([terminal], [], [], max(0.0, until - time.perf_counter()))[0]:
            raise TimeoutError(f"no {wanted!r} within {PATIENCE_S:g} s")
        seen = seen[-100:] + os.read(terminal, 1 << 16)
    return time.perf_counter()


def steps(trace: Path, page: str, width_s: int, count: int) -> list[float]:
    """How long each of so many steps takes [s]."""
    answers: queue.Queue[Answer] = queue.Queue()
    reader = Reader(lambda: Trace(trace), answers.put, lambda: (COLUMNS, True))
    reader.start()
    try:
        grown = _next(answers, Grown)
        assert isinstance(grown, Grown)
        while reader.has_more:  # not while the timeline is read
            time.sleep(0.05)
        position = Position(grown.edges, grown.last_ns, width_ns=width_s * 10**9)
        middle = len(grown.edges) // 2
        found = []
        for number in range(count + 1):  # the first plans
            position.to(int(grown.edges[min(middle + number, len(grown.edges) - 1)]))
            began = time.perf_counter()
            reader.ask(Question(Place(page), replace(position), number))
            _next(answers, Shown)
            found.append(time.perf_counter() - began)
        return found[1:]
    finally:
        reader.stop()
        reader.join()


def _next(answers: queue.Queue[Answer], of: type[Answer]) -> Answer:
    while True:
        answer = answers.get(timeout=PATIENCE_S)
        if isinstance(answer, Failed):
            raise SystemExit(answer.text)
        if isinstance(answer, of):
            return answer


def told(name: str, times: Sequence[float], aim_s: float) -> str:
    """A line of the result."""
    middle, least, most = statistics.median(times), min(times), max(times)
    return (
        f"{name:<32} {middle * 1e3:7.0f} ms  ({least * 1e3:.0f} to {most * 1e3:.0f}, {len(times)} times)"
        f"  aim {aim_s * 1e3:.0f}: {'reached' if middle <= aim_s else 'missed'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    firsts = [first_times(arguments.trace) for _ in range(arguments.rounds)]
    print(told("first frame", [frame for frame, _ in firsts], 0.45))
    print(told("first rows", [rows for _, rows in firsts], 1.0))
    for page in PAGES:
        for width_s in WIDTHS_S:
            name = f"step, {page}, {f'{width_s} s' if width_s else 'one interval'}"
            print(told(name, steps(arguments.trace, page, width_s, arguments.steps), 0.15), flush=True)


if __name__ == "__main__":
    main()
