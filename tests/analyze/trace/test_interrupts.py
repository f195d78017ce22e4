"""A query that another thread interrupts leaves a trace as it was."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import duckdb

from sysmon.analyze.trace.trace import Trace

SAMPLES = Path(__file__).parents[3] / "sample_traces"


REPORTS = ("activity", "syscalls", "files", "tcp_connections", "disks", "wall_time", "wait_chains", "memory_growth")

MOST_TRIES = 2_000


def test_whatever_is_interrupted_can_be_asked_again() -> None:
    with Trace(SAMPLES / "convoy.parquet") as trace, Trace(SAMPLES / "convoy.parquet") as calm:
        pauses, stop = random.Random(7), threading.Event()

        def interrupt() -> None:
            while not stop.wait(pauses.random() ** 2 * 0.5):
                trace.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        interrupted = 0
        try:
            for name in REPORTS:
                for _ in range(MOST_TRIES):
                    try:
                        trace.move(None, None)
                        found = trace.report(name).fetchall()
                        break
                    except duckdb.InterruptException:
                        interrupted += 1
                assert found == calm.report(name).fetchall()
        finally:
            stop.set()
            thread.join()
        assert interrupted
