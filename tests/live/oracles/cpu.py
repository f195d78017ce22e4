"""CPU time, waits, switches and faults, compared with /proc and getrusage(2)."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.recording import Trace, busy, python, recording, thread_state, wait_for

SPIN = "while True: pass"

ONE_WAIT_S = 0.06
"""The longest wait of a thread with the highest priority. Since Linux 6.12 the fair server runs for 50 ms once a second
for the sake of the others, and cannot be disabled everywhere. A wait is counted when it ends.
"""


@dataclass(frozen=True)
class Usage:
    """What the kernel reports about a thread at a moment, between two readings of the clock."""

    before_ns: int
    after_ns: int
    oncpu_ns: int
    wait_ns: int
    voluntary: int
    involuntary: int
    minor: int
    major: int


def usage(pid: int) -> Usage:
    """Of a single-threaded process."""
    before = time.time_ns()
    oncpu, wait, _stints = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(
        before,
        time.time_ns(),
        oncpu,
        wait,
        int(status["voluntary_ctxt_switches"]),
        int(status["nonvoluntary_ctxt_switches"]),
        int(stat[7]),
        int(stat[9]),
    )


@contextlib.contextmanager
def running(*codes: str, cpu: int | None = None) -> Iterator[list[subprocess.Popen[str]]]:
    """Python processes, on one CPU if one is given."""
    pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
    processes = [python(code, preexec_fn=pin) for code in codes]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """Changes a scheduler setting while the body runs."""
    path = Path("/proc/sys/kernel") / name
    before = path.read_text()
    path.write_text(value)
    try:
        yield
    finally:
        path.write_text(before)


def stop(pid: int) -> None:
    """Stops a single-threaded process. When this returns its figures do not change until it continues."""
    os.kill(pid, signal.SIGSTOP)
    # The kernel reports a thread's call only after the thread has left its CPU.
    wait_for(lambda: thread_state(pid) == "T" and Path(f"/proc/{pid}/syscall").read_text() != "running\n")


def measured(r: Trace, pid: int, column: str) -> int:
    return int(r.one(f"SELECT coalesce(sum({column}), 0) FROM cpu WHERE pid = {pid}"))


def window_ns(r: Trace) -> int:
    return int(r.one("SELECT epoch_ns(max(ts)) - epoch_ns(min(ts)) FROM clocks"))


def on_cpu_0() -> None:
    os.sched_setaffinity(0, {0})


def tolerance_s(used: resource.struct_rusage) -> float:
    """For CPU time [s]: half a percent, plus the kernel's rounding."""
    return 0.005 * (used.ru_utime + used.ru_stime) + 0.0001


def record_spinner(folder: Path) -> tuple[Trace, int]:
    """A process with a CPU of its own that it never gives up; and its pid."""
    # With a real-time priority only the kernel's reserve for others takes the CPU away.
    with setting("sched_rt_runtime_us", "-1"), running(SPIN, cpu=1) as (spinner,):
        os.sched_setscheduler(spinner.pid, os.SCHED_FIFO, os.sched_param(1))
        with recording(folder / "spinner.parquet", "--interval", "0.25", preexec_fn=on_cpu_0) as r:
            time.sleep(2)
    return r, spinner.pid


def spinner(r: Trace, pid: int) -> list[Figure]:
    """On-CPU time and waits of a spinner by the end of each snapshot, against the clock."""
    rows = r.rows(
        "SELECT (epoch_ns(ts) - min(epoch_ns(ts)) OVER ()) / 1e9 AS s, "
        "sum(coalesce(occupied_ns, 0)) OVER w / 1e9, sum(coalesce(wait_ns, 0)) OVER w / 1e9 "
        f"FROM (SELECT DISTINCT ts FROM clocks) LEFT JOIN (SELECT ts, sum(occupied_ns) AS occupied_ns, "
        f"sum(wait_ns) AS wait_ns FROM cpu WHERE pid = {pid} GROUP BY ts) USING (ts) "
        "WINDOW w AS (ORDER BY ts) ORDER BY s"
    )
    return [
        Figure(
            f"a spinner after {elapsed:.2f} s: on a CPU or waiting",
            "the clock",
            elapsed,
            oncpu + wait,
            "s",
            0.01 * elapsed + ONE_WAIT_S,
        )
        for elapsed, oncpu, wait in rows
        if elapsed
    ]


def against_proc(folder: Path) -> list[Figure]:
    """A process that works and sleeps under load, so that it is switched out, waits, and is migrated."""
    code = (
        "import mmap, time\nwhile True:\n for _ in range(200000): pass\n"
        " m = mmap.mmap(-1, 8192); m[0] = m[4096] = 1; m.close(); time.sleep(0.001)"
    )
    path = folder / "proc.parquet"
    with busy(2), running(code) as (process,), recording(path, "--interval", "0.1") as r:
        wait_for(lambda: usage(process.pid).voluntary > 5)
        stop(process.pid)
        stood = time.time_ns()
        time.sleep(0.5)  # until a snapshot has everything from before
        first = usage(process.pid)
        os.kill(process.pid, signal.SIGCONT)
        cpus = sorted(os.sched_getaffinity(0))[:2]
        for cpu in cpus:  # the second one moves it, whatever the scheduler would do
            os.sched_setaffinity(process.pid, {cpu})
            time.sleep(4 / len(cpus))
        stop(process.pid)
        last = usage(process.pid)
    between = f"SELECT count(*) FROM clocks WHERE epoch_ns(ts) BETWEEN {stood} AND {first.before_ns}"
    assert r.one(between) > 0, "there was no snapshot while it stood"
    (row,) = r.rows(
        "SELECT sum(oncpu_ns), sum(wait_ns), sum(voluntary_switches), sum(involuntary_switches), sum(minor_faults), "
        f"sum(major_faults), sum(migrations) FROM cpu WHERE pid = {process.pid} AND epoch_ns(ts) > {first.after_ns}"
    )
    oncpu, wait, voluntary, involuntary, minor, major, migrations = map(int, row)
    assert (migrations > 0 or len(cpus) == 1) and minor > 0
    exact, waited = (last.oncpu_ns - first.oncpu_ns) / 1e9, (last.wait_ns - first.wait_ns) / 1e9
    spared = 0.005 * exact + 0.0001
    what, stat, status = "4 s of work beside load: ", "/proc/PID/stat", "/proc/PID/status"
    return [
        Figure(
            f"{what}CPU time, in {voluntary + involuntary} switches",
            "/proc/PID/schedstat",
            exact,
            oncpu / 1e9,
            "s",
            spared,
        ),
        Figure(what + "waits for a CPU", "/proc/PID/schedstat", waited, wait / 1e9, "s", 0.01 * waited),
        Figure(what + "voluntary switches", status, last.voluntary - first.voluntary, voluntary),
        Figure(what + "involuntary switches", status, last.involuntary - first.involuntary, involuntary),
        Figure(what + "minor faults", stat, last.minor - first.minor, minor),
        Figure(what + "major faults", stat, last.major - first.major, major),
    ]


def second_of_cpu_time(folder: Path) -> list[Figure]:
    with recording(folder / "second.parquet", "--interval", "0.2") as r:
        process = python("import time\nwhile time.process_time() < 1: pass")
        _pid, _status, used = os.wait4(process.pid, 0)
        process.returncode = 0
    exact = used.ru_utime + used.ru_stime
    seen = measured(r, process.pid, "oncpu_ns") / 1e9
    what = f"1 s of CPU time, in {used.ru_nvcsw + used.ru_nivcsw} switches"
    return [Figure(what, "getrusage", exact, seen, "s", tolerance_s(used))]


UNDER_LOAD = {
    "1 s of computing": "import time\nwhile time.process_time() < 1: pass",
    "3,000 sleeps of 0.3 ms": "import time\nfor _ in range(3000): time.sleep(0.0003)",
    "500,000 system calls": "import os\nfor _ in range(500000): os.getppid()",
    "200 MiB touched, and freed at the exit": "m = bytearray(200 << 20)",
    "4 threads that pass 2,000 turns": (
        "import threading, queue\nqueues = [queue.SimpleQueue() for _ in range(4)]\n"
        "def turn(i):\n for _ in range(2000): queues[i].get(); queues[(i + 1) % 4].put(1)\n"
        "threads = [threading.Thread(target=turn, args=(i,)) for i in range(4)]\n"
        "[t.start() for t in threads]; queues[0].put(1); [t.join() for t in threads]"
    ),
}
"""What it does, and the program."""


def under_load(folder: Path) -> list[Figure]:
    """Different kinds of work with more runnable threads than CPUs."""
    with busy(3), recording(folder / "load.parquet", "--interval", "0.2") as r:
        processes = [python(code) for code in UNDER_LOAD.values()]
        resources = [os.wait4(p.pid, 0)[2] for p in processes]
        for process in processes:
            process.returncode = 0
    return [
        Figure(
            f"under load, {what}: CPU time",
            "getrusage",
            used.ru_utime + used.ru_stime,
            measured(r, process.pid, "oncpu_ns") / 1e9,
            "s",
            tolerance_s(used),
        )
        for what, process, used in zip(UNDER_LOAD, processes, resources, strict=True)
    ]


def user_and_system(folder: Path) -> list[Figure]:
    """How the kernel splits the CPU time of a process that computes, and of one that has the kernel zero memory."""
    codes = {
        "computing": "import time\nwhile time.process_time() < 2: pass",
        "reading /dev/zero": "import time\nf = open('/dev/zero', 'rb', 0); b = bytearray(1 << 20)\n"
        "while time.process_time() < 2: f.readinto(b)",
    }
    with recording(folder / "split.parquet") as r:
        processes = [python(code) for code in codes.values()]
        resources = [os.wait4(p.pid, 0)[2] for p in processes]
        for process in processes:
            process.returncode = 0
    figures = []
    for what, process, used in zip(codes, processes, resources, strict=True):
        user_s = r.one(f"SELECT user_s FROM report.cpu WHERE pid = {process.pid}")
        figures.append(Figure(f"2 s of {what}: in user mode", "getrusage", used.ru_utime, user_s, "s", 0.02))
    return figures


def stolen(folder: Path) -> list[Figure]:
    """What the hypervisor took of each CPU, by /proc/stat in ticks of 10 ms."""

    def ticks() -> list[int]:
        lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
        return [int(words[8]) for words in lines if words[0].startswith("cpu") and words[0] != "cpu"]

    with busy(2), recording(folder / "stolen.parquet") as r:
        first = ticks()
        time.sleep(4)
        last = ticks()
    rows = r.rows("SELECT sum(stolen_ns) / 1e9 FROM host GROUP BY cpu ORDER BY cpu")
    return [
        Figure(f"4 s of load: stolen from CPU {cpu}", "/proc/stat", (b - a) / 100, float(seen), "s", 0.03)
        for cpu, (a, b, (seen,)) in enumerate(zip(first, last, rows, strict=True))
    ]


def two_spinners(folder: Path) -> list[Figure]:
    """On one CPU, above everything else that wants it, alternating in turns of 10 ms."""
    with (
        running(SPIN, SPIN, cpu=1) as spinners,
        setting("sched_rt_runtime_us", "-1"),
        setting("sched_rr_timeslice_ms", "10"),
    ):
        for process in spinners:
            os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
        with recording(folder / "two.parquet", preexec_fn=on_cpu_0) as r:
            first = [usage(s.pid) for s in spinners]
            time.sleep(5)
            last = [usage(s.pid) for s in spinners]
    figures = []
    for process, a, b in zip(spinners, first, last, strict=True):
        share = measured(r, process.pid, "wait_ns") / window_ns(r)
        # /proc is read slightly inside the recording: compare rates.
        rate = (b.wait_ns - a.wait_ns) / (b.before_ns - a.before_ns)
        what = "one of two spinners on a CPU: share of the time that it waits"
        figures.append(Figure(what, "half", 50, 100 * share, "%", 1))
        figures.append(Figure(what, "/proc/PID/schedstat", 100 * rate, 100 * share, "%", rate))
    return figures


def whole_machine(folder: Path) -> list[Figure]:
    """CPU time of all processes plus idle time is the CPUs' total time, also in each snapshot."""
    with busy(1), recording(folder / "whole.parquet", "--interval", "0.5") as r:
        time.sleep(3)
    cpus = len(os.sched_getaffinity(0))
    wall = cpus * window_ns(r) / 1e9
    idle, running_ns = (int(v) for v in r.rows("SELECT sum(idle_ns), sum(wanted_ns) FROM host")[0])
    oncpu = int(r.one("SELECT sum(occupied_ns) FROM cpu"))
    figures = [
        Figure("all processes and idle time", "CPUs × clock", wall, (idle + oncpu) / 1e9, "s", 0.005 * wall),
        Figure(
            "busy, stolen and idle time of all CPUs", "CPUs × clock", wall, (idle + running_ns) / 1e9, "s", 0.005 * wall
        ),
    ]
    rows = r.rows(
        f"SELECT {cpus} * (epoch_ns(ts) - epoch_ns(lag(ts) OVER (ORDER BY ts))) AS wall, a.ns FROM clocks JOIN "
        "(SELECT ts, sum(online_ns) AS ns FROM host GROUP BY ts) a USING (ts) ORDER BY ts"
    )
    for wall_ns, all_ns in rows[1:-1]:  # the last snapshot is short
        what = "busy, stolen and idle time of all CPUs in a snapshot"
        figures.append(Figure(what, "CPUs × clock", wall_ns / 1e9, int(all_ns) / 1e9, "s", wall_ns / 1e11))
    return figures


def short_lives(folder: Path) -> list[Figure]:
    """Processes that work for 5 ms and end long before the next snapshot."""
    code = "import time; end = time.process_time() + 0.005\nwhile time.process_time() < end: pass"
    with recording(folder / "short.parquet") as r:
        processes = [python(code) for _ in range(23)]
        resources = [os.wait4(p.pid, 0)[2] for p in processes]
        for process in processes:
            process.returncode = 0
    rows = r.rows("SELECT pid, sum(oncpu_ns), sum(minor_faults), sum(voluntary_switches) FROM cpu GROUP BY pid")
    seen = {pid: [int(value) for value in values] for pid, *values in rows}
    figures = []
    for i, (process, used) in enumerate(zip(processes, resources, strict=True), 1):
        what, exact = f"short life {i}: ", used.ru_utime + used.ru_stime
        oncpu, minor, voluntary = seen.get(process.pid, [0, 0, 0])
        figures += [
            Figure(what + "CPU time", "getrusage", exact, oncpu / 1e9, "s", tolerance_s(used)),
            Figure(what + "minor faults", "getrusage", used.ru_minflt, minor, "", 3),
            Figure(what + "voluntary switches", "getrusage", used.ru_nvcsw, voluntary, "", 1),
        ]
    return figures


COMPARISONS = (
    against_proc,
    second_of_cpu_time,
    under_load,
    user_and_system,
    two_spinners,
    whole_machine,
    stolen,
    short_lives,
)
