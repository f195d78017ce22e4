"""How much recording slows down a redis server under load on loopback.

`sudo .venv/bin/python benchmarks/server.py [--rounds N] [--requests N]`. Server and load are those of the
distribution, on the same machine, so they, the recorder and everything else share its CPUs.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator

from benchmarks import conditions, measure
from benchmarks.measure import DEFAULT, EVERY_CALL, FLOOR, NOTHING, Absent, Aim, Samples, Section, shown, spread

TESTS = "get", "set"
CLIENTS = 50
BPFTRACE = "bpftrace, count and hist"

TEXT = f"""\
redis-server without persistence, and redis-benchmark with {CLIENTS} connections over loopback, {{requests:,}} requests
a run: the change of the best rate. `× floor` is of the loss under empty programs on the same tracepoints."""

PUBLISHED = """\
For comparison, falcosecurity publishes for redis (libs proposal 20240901, another machine): −13 % with programs that
return at once, −35 % with nearly all system calls sent to user space."""

HEAD = ("test", "under", "requests/s", "change", "median", "spread", "× floor")


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A server on a port of its own. Raises Absent."""
    found = conditions.need("redis-server", "redis-server")
    conditions.need("redis-benchmark", "redis-tools")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-") as folder:
        command = [found, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _await(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise Absent("redis-server does not answer")


def section(rounds: int, requests: int) -> Section:
    """Measures."""
    text = TEXT.format(requests=requests)
    try:
        with server() as port:
            _rates(port, requests // 4)
            samples = measure.interleaved(
                {
                    NOTHING: measure.nothing,
                    FLOOR: conditions.empty,
                    DEFAULT: conditions.recording,
                    EVERY_CALL: lambda: conditions.recording("--syscalls"),
                    BPFTRACE: conditions.bpftrace,
                },
                lambda _name, _prefix: _rates(port, requests),
                rounds,
            )
    except Absent as why:
        return Section("A server", text, HEAD, [("all", f"not measured: {why}", *[""] * 5)], _aims(Samples()))
    rows = [_row(samples, test, name) for test in TESTS for name in samples.runs]
    rows += [("all", name, f"does not run here: {why}", *[""] * 4) for name, why in samples.absent.items()]
    return Section("A server", text, HEAD, rows, _aims(samples), [PUBLISHED])


def _rates(port: int, requests: int) -> dict[str, float]:
    """Mean time per request in each test [s]."""
    found = shutil.which("redis-benchmark") or ""
    options = ["-h", "127.0.0.1", "-p", str(port), "-c", str(CLIENTS), "-n", str(requests), "-t", ",".join(TESTS)]
    output = measure.run([found, *options, "--csv"]).output
    return {row["test"].lower(): 1 / float(row["rps"]) for row in csv.DictReader(io.StringIO(output))}


def _loss(samples: Samples, name: str, test: str) -> float | None:
    """How much lower the best rate is than without any recording, as a share of the latter."""
    mine, base = samples.fastest(name, test), samples.fastest(NOTHING, test)
    return None if mine is None or base is None else 1 - base / mine


def _of_floor(samples: Samples, name: str, test: str) -> float | None:
    """None if the cost of the empty programs is lost in the noise."""
    mine, floor = _loss(samples, name, test), _loss(samples, FLOOR, test)
    return mine / floor if samples.ratio(name, FLOOR, test) is not None and mine and floor else None


def _row(samples: Samples, test: str, name: str) -> tuple[str, ...]:
    fastest = samples.fastest(name, test)
    rate = shown(None if fastest is None else 1 / fastest, ",.0f")
    if name == NOTHING:
        return (test, name, rate, "", "", spread([1 / s for s in samples.values(name, test)], ",.0f"), "")
    loss = _loss(samples, name, test)
    losses = [1 - 1 / (1 + more) for more in samples.added(name, test, relative=True)]
    return (
        test,
        name,
        rate,
        shown(None if loss is None else -loss, "+.1%"),
        shown(-statistics.median(losses) if losses else None, "+.1%"),
        spread([-one for one in losses], "+.0%"),
        shown(_of_floor(samples, name, test), ".2f"),
    )


def _aims(samples: Samples) -> list[Aim]:
    aims = []
    for test in TESTS:
        loss = _loss(samples, DEFAULT, test)
        aims += [
            Aim.at_most(f"redis {test}: default recording, of the floor", 2.0, _of_floor(samples, DEFAULT, test), " ×"),
            Aim.at_most(f"redis {test}: loss", 10, None if loss is None else 100 * loss, " %", 1),
        ]
    return aims


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    options = parser.parse_args()
    print(section(options.rounds, options.requests).markdown())


if __name__ == "__main__":
    main()
