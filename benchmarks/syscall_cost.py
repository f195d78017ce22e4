"""What recording adds to a system call: a getppid loop alone, under empty programs, and under sysmon's.

"sysmon, filtered" records one quiet process, as `--pid` does, and not the loop: what a filter costs all others.

`sudo .venv/bin/python benchmarks/syscall_cost.py [ROUNDS]`. Runs are interleaved, medians are shown; the ratio to the
empty programs is the figure to quote, as machines differ and are noisy.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from recorder import clock, compiler, kernel, loader, program
from recorder.btf import Btf
from recorder.counters import Control
from recorder.filters import EVERYTHING, Filters
from recorder.names import SyscallNames

CALLS = 1_000_000
LOOP = """
import os, sys, time
getppid, n = os.getppid, range(int(sys.argv[1]))
begin = time.perf_counter_ns()
for _ in n: getppid()
print((time.perf_counter_ns() - begin) / len(n))
"""
EMPTY = """
int on_sys_exit(struct bpf_raw_tracepoint_args *ctx) { return 0; }
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx) { return 0; }
int on_sched_switch(struct bpf_raw_tracepoint_args *ctx) { return 0; }
"""
TRACEPOINTS = ("sys_exit", "sys_enter", "sched_switch")


def ns_per_call() -> float:
    """The better of two runs, on the last CPU."""
    command = [sys.executable, "-I", "-S", "-c", LOOP, str(CALLS)]
    cpu = max(os.sched_getaffinity(0))

    def run() -> float:
        done = subprocess.run(
            command, capture_output=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu})
        )
        return float(done.stdout)

    return min(run(), run())


@contextmanager
def empty(programs: list[int]) -> Iterator[None]:
    """The empty programs attached."""
    links = [kernel.attach_raw_tracepoint(name, fd) for name, fd in zip(TRACEPOINTS, programs, strict=True)]
    yield
    for link in links:
        os.close(link)


@contextmanager
def recording(loaded: loader.Loaded, filters: Filters = EVERYTHING) -> Iterator[None]:
    """sysmon's programs attached and recording, with nobody who reads."""
    filters.install(loaded)
    if filters.pids:
        filters.follow(loaded, filters.pids)
    loaded.attach()
    control = Control(loaded)
    control.start(clock.boottime_ns(), filters.flags)
    yield
    control.stop()
    control.close()
    loaded.detach()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    kernel.raise_memlock_limit()
    loaded = loader.Loading(program.plan(Btf.of_kernel(), SyscallNames())).result()
    names = [f"on_{name}" for name in TRACEPOINTS]
    request = {"stub": str(program.STUB_DIR), "text": EMPTY, "cflags": [], "maps": [], "programs": names}
    _answer, programs = compiler.load(request)
    quiet = Filters(pids=(os.getppid(),))
    times: dict[str, list[float]] = {"nothing": [], "empty programs": [], "sysmon": [], "sysmon, filtered": []}
    for _ in range(rounds):
        times["nothing"].append(ns_per_call())
        with empty(programs):
            times["empty programs"].append(ns_per_call())
        with recording(loaded):
            times["sysmon"].append(ns_per_call())
        with recording(loaded, quiet):
            times["sysmon, filtered"].append(ns_per_call())
    base = statistics.median(times["nothing"])
    floor = statistics.median(times["empty programs"]) - base
    print(f"{'':18}{'ns/call':>9}{'added':>9}{'ratio':>7}   spread of {rounds}")
    for name, values in times.items():
        added = statistics.median(values) - base
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:18}{statistics.median(values):9.1f}{added:9.1f}{added / floor:7.2f}   {spread}")


if __name__ == "__main__":
    main()
