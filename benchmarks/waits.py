"""What `--with waits` adds to a context switch: two processes that wake each other through pipes on one CPU.

`sudo .venv/bin/python -m benchmarks.waits [--rounds N]`.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks import conditions, measure
from benchmarks.measure import DEFAULT, NOTHING, Aim, Section, shown, spread

PING_PONG = """
import os, sys, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
trips = int(sys.argv[1])
(ping, to_ping), (pong, to_pong) = os.pipe(), os.pipe()
if not os.fork():
    os.close(to_ping)
    while os.read(ping, 1): os.write(to_pong, b"x")
    os._exit(0)
fastest = []
for _ in range(31):
    began = time.perf_counter_ns()
    for _ in range(trips):
        os.write(to_ping, b"x")
        os.read(pong, 1)
    fastest.append((time.perf_counter_ns() - began) / trips / 2)
print(min(fastest))
"""
"""Short chunks, of which the fastest counts. A round trip is two switches, each with a wakeup, a read and a write."""

WITH_WAITS = "sysmon record --with waits"
TRIPS = 5_000
MOST_NS = 150

TEXT = """\
Two processes on one CPU write a byte to each other in turn, so each read ends with a switch. `added` is the time per
switch, with its wakeup, its read and its write, compared with no recording; `waits` is what `--with waits` adds to the
default recording, in the same round."""

HEAD = ("a switch", "time", "added", "waits: least", "median", "spread")


def section(rounds: int) -> Section:
    """Measures."""
    samples = measure.interleaved(
        {
            NOTHING: measure.nothing,
            DEFAULT: conditions.recording,
            WITH_WAITS: lambda: conditions.recording("--with", "waits"),
        },
        lambda _name, prefix: _ping_pong(prefix),
        rounds,
    )
    waits = [w - d for d, w in zip(samples.values(DEFAULT, "ns"), samples.values(WITH_WAITS, "ns"), strict=True)]
    plain, more = samples.least(DEFAULT, "ns"), samples.least(WITH_WAITS, "ns")
    least = None if plain is None or more is None else more - plain
    middle = statistics.median(waits) if waits else None
    return Section(
        "Waits", TEXT, HEAD,
        [
            ("alone", shown(samples.fastest(NOTHING, "ns"), ",.0f", " ns"), "", "", "", ""),
            (DEFAULT, "", shown(plain, ",.0f", " ns"), "", "", ""),
            (WITH_WAITS, "", *(shown(ns, ",.0f", " ns") for ns in (more, least, middle)), spread(waits, ",.0f")),
        ],
        [Aim.at_most("--with waits, of a switch", MOST_NS, middle, " ns", 0)],
    )  # fmt: skip


def _ping_pong(prefix: list[str]) -> dict[str, float]:
    command = [*prefix, sys.executable, "-I", "-S", "-c", PING_PONG, str(TRIPS)]
    return {"ns": float(measure.run(command).output)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    print(section(parser.parse_args().rounds).markdown())


if __name__ == "__main__":
    main()
