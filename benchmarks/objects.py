"""What `--with objects` adds to a call: reads of a file, of a pipe and of a socket, with and without, in turn.

`sudo .venv/bin/python -m benchmarks.objects [--rounds N]`.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import conditions, measure
from benchmarks.measure import DEFAULT, NOTHING, Samples, Section, shown

LOOP = """
import os, socket, sys, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
what, calls = sys.argv[1], range(int(sys.argv[2]))
if what == "file":
    fd = os.open("/etc/passwd", os.O_RDONLY)
elif what == "pipe":
    fd = os.pipe()[0]
    os.set_blocking(fd, False)
else:
    fd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
    os.set_blocking(fd, False)
def read():
    try: os.read(fd, 1)
    except BlockingIOError: pass
fastest = []
for _ in range(31):
    began = time.process_time_ns()
    for _ in calls: read()
    fastest.append((time.process_time_ns() - began) / len(calls))
print(min(fastest))
"""
"""Short chunks, of which the fastest counts. Reads of an empty pipe or socket return EAGAIN."""

WITH_OBJECTS = "sysmon record --with objects"
WHATS = ("file", "pipe", "socket")
CALLS = 10_000

TEXT = """\
A loop of read(2) in Python, on one CPU, of a file and of an empty pipe and datagram socket. `added` is the CPU time per
call compared with no recording; `objects` is what `--with objects` adds to the default recording."""


def section(rounds: int) -> Section:
    """Measures."""
    rows = []
    for what in WHATS:
        samples = _samples(what, rounds)
        plain, more = (samples.least(name, "cpu") for name in (DEFAULT, WITH_OBJECTS))
        objects = None if plain is None or more is None else more - plain
        nothing = samples.fastest(NOTHING, "cpu")
        rows.append((what, *(shown(value, ",.0f", " ns") for value in (nothing, plain, more, objects))))
    return Section("Reads by object", TEXT, ("read of a", "alone", "added", "added with objects", "objects"), rows, [])


def _samples(what: str, rounds: int) -> Samples:
    return measure.interleaved(
        {
            NOTHING: measure.nothing,
            DEFAULT: conditions.recording,
            WITH_OBJECTS: lambda: conditions.recording("--with", "objects"),
        },
        lambda _name, prefix: _loop(what, prefix),
        rounds,
    )


def _loop(what: str, prefix: list[str]) -> dict[str, float]:
    command = [*prefix, sys.executable, "-I", "-S", "-c", LOOP, what, str(CALLS)]
    return {"cpu": float(measure.run(command).output)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    print(section(parser.parse_args().rounds).markdown())


if __name__ == "__main__":
    main()
