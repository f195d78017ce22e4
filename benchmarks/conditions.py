"""What runs while something is measured: empty programs, a sysmon recording, and its peers.

Peers come from the distribution. Each is used as its users do, to answer the question of `sysmon report syscalls` if it
can. One that is not installed, or cannot run on this kernel, raises Absent.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Absent, children_cpu_s, progress
from sysmon.bpf.programs.probes import SNAPSHOT_PROGRAM
from sysmon.recorder.load import bpf_maps, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames

SYSMON = Path(sys.executable).with_name("sysmon")

PATIENCE_S = 30
SETTLE_S = 0.5
"""Wait for peers that do not say when they have started."""

AGGREGATION = r"""
BEGIN { printf("begun\n"); }
tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
    @calls[pid, comm, args->id] = count();
    @latency[pid, comm, args->id] = hist(nsecs - @start[tid]);
    delete(@start[tid]);
}
"""
"""A bpftrace script that counts what sysmon counts: calls and their latencies by process, command and call."""


READ_CLOCK = "bpf_ktime_get_boot_ns();"
"""A body for `empty`: the least that a program needs to measure time."""


@functools.cache
def _loaded(tracepoints: tuple[str, ...] | None, body: str) -> loader.Loaded:
    bpf_maps.raise_memlock_limit()
    plan = program.plan(Btf.of_kernel(), SyscallNames())
    probes = tuple(p for p in plan.probes if tracepoints is None or p.tracepoint in tracepoints)
    names = (*(p.program for p in probes), SNAPSHOT_PROGRAM)
    text = "".join(f"int {name}(struct bpf_raw_tracepoint_args *ctx) {{ {body} return 0; }}\n" for name in names)
    return loader.Loading(replace(plan, text=text, maps=(), probes=probes, hooks={})).result()


def default_tracepoints() -> tuple[str, ...]:
    """The tracepoints of a default recording; one with two programs is named twice."""
    return tuple(p.tracepoint for p in program.plan(Btf.of_kernel(), SyscallNames()).probes)


@contextlib.contextmanager
def empty(tracepoints: tuple[str, ...] | None = None, body: str = "") -> Iterator[list[str]]:
    """Attaches programs with this body to some raw tracepoints, or to all those of a default recording."""
    loaded = _loaded(tracepoints, body)
    loaded.attach()
    try:
        yield []
    finally:
        loaded.detach()


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell ignores SIGINT for background jobs; sysmon and its peers would then not end on Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Running:
    """A running recording. Once it has ended: how long ending took, and all its CPU time, including loading."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        self.path, self.process = path, process
        self.stop_s = 0.0
        self.cpu_s = 0.0
        self.said = ""

    def stop(self) -> None:
        """Ends the recording and waits until the file is finished."""
        begin = time.perf_counter()
        before = children_cpu_s()
        self.said += ended(self.process)
        self.cpu_s = children_cpu_s() - before
        self.stop_s = time.perf_counter() - begin


def start(path: Path, *options: str) -> Running:
    """Starts a sysmon recording. Raises Absent if it does not start."""
    command = [str(SYSMON), "record", "--force", "-o", str(path), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    running = Running(path, process)
    assert process.stderr
    for line in process.stderr:
        running.said += line
        if line.startswith("recording to"):
            return running
    process.wait()
    raise Absent(running.said.strip() or "sysmon ended at once")


@contextlib.contextmanager
def recording(*options: str) -> Iterator[list[str]]:
    """sysmon records, including its reader and its file."""
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as folder:
        running = start(Path(folder) / "trace.parquet", *options)
        try:
            yield []
        finally:
            running.stop()


def ended(process: subprocess.Popen[str]) -> str:
    """Ends a process that was started here, as Ctrl-C does, or else by force. Returns its remaining output."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        output, error = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, error = process.communicate()
    return (output or "") + (error or "")


def need(name: str, package: str) -> str:
    """The path of a program. Raises Absent."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        raise Absent(f"not installed (package {package})")
    return found


def need_tracefs() -> None:
    """Mounts tracefs if needed, as perf does. Raises Absent if perf and bpftrace would find no tracepoints."""
    events = Path("/sys/kernel/tracing/events/raw_syscalls")
    if not events.is_dir():
        progress("mounting tracefs, for the peers")
        mounted = subprocess.run(["mount", "-t", "tracefs", "nodev", "/sys/kernel/tracing"], check=False)
        if mounted.returncode or not events.is_dir():
            raise Absent("tracefs cannot be mounted, or the kernel has no raw_syscalls tracepoints")


@contextlib.contextmanager
def _beside(command: list[str], begun: str | None, folder: Path | None = None) -> Iterator[list[str]]:
    """A peer traces the whole machine. `begun` is in the line that it prints when it starts."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "BPFTRACE_MAP_KEYS_MAX": "65536"}
    if folder:
        environment["BCC_KERNEL_SOURCE"] = str(folder)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, env=environment
        )
        try:
            _await(process, log.fileno(), begun)
            yield []
            if process.poll() is not None:
                raise Absent(f"it ended with status {process.returncode} while it traced: {_last(log.fileno())}")
        finally:
            ended(process)


def _await(process: subprocess.Popen[str], log: int, begun: str | None) -> None:
    until = time.monotonic() + (PATIENCE_S if begun else SETTLE_S)
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Absent(f"it ended with status {process.returncode}: {_last(log)}")
        if begun and begun.encode() in os.pread(log, 1 << 16, 0):
            return
        select.select([], [], [], 0.05)
    if begun:
        raise Absent(f"it did not begin within {PATIENCE_S} s")


def _last(log: int) -> str:
    lines = os.pread(log, 1 << 16, 0).decode(errors="replace").strip().splitlines()
    # The reason is before the traceback, if there is one.
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[0].strip()


@contextlib.contextmanager
def bpftrace() -> Iterator[list[str]]:
    """bpftrace with the same aggregation."""
    found = need("bpftrace", "bpftrace")
    need_tracefs()
    with _beside([found, "-B", "line", "-e", AGGREGATION], "begun"):
        yield []


@contextlib.contextmanager
def syscount() -> Iterator[list[str]]:
    """bcc's syscount with latencies. Without kernel headers, it uses sysmon's stubs of the few that it includes."""
    found = need("syscount-bpfcc", "bpfcc-tools")
    need_tracefs()
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-") as folder:
        headers = None
        if not Path(f"/lib/modules/{os.uname().release}/build").exists():
            headers = Path(folder) / "headers"
            shutil.copytree(program.STUB_DIR, headers)
            (headers / "include/linux/sched.h").touch()  # included, but not used
        with _beside([found, "-L"], "Tracing syscalls", headers):
            yield []


@contextlib.contextmanager
def perf_trace_all() -> Iterator[list[str]]:
    """`perf trace -a -s`."""
    found = need("perf", "linux-perf")
    need_tracefs()
    with _beside([found, "trace", "-a", "-s", "-o", "/dev/null"], None):
        yield []


@contextlib.contextmanager
def perf_record() -> Iterator[list[str]]:
    """`perf record` of both raw_syscalls tracepoints on the whole machine."""
    found = need("perf", "linux-perf")
    need_tracefs()
    with tempfile.TemporaryDirectory(prefix="sysmon-benchmark-", dir="/var/tmp") as folder:
        events = "raw_syscalls:sys_enter,raw_syscalls:sys_exit"
        with _beside([found, "record", "-q", "-a", "-e", events, "-o", f"{folder}/perf.data"], None):
            yield []


@contextlib.contextmanager
def perf_trace() -> Iterator[list[str]]:
    """`perf trace -s` of the command alone."""
    found = need("perf", "linux-perf")
    need_tracefs()
    yield [found, "trace", "-s", "-o", "/dev/null", "--"]


@contextlib.contextmanager
def strace() -> Iterator[list[str]]:
    """`strace -c -f` of the command."""
    yield [need("strace", "strace"), "-c", "-f", "-o", "/dev/null"]
