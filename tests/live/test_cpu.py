"""CPU time, waiting and switches against /proc and getrusage."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.recording import Recording, busy, python, recording, wait_for

pytestmark = pytest.mark.live

SPIN = "while True: pass"

SWITCH_NS = 25_000
"""By how much the kernel's CPU time may differ for each switch. When a thread that wakes up takes the CPU from another,
the kernel takes the moment of the wakeup for that of the switch (rq_clock_skip_update() in kernel/sched/core.c): what
runs in between, here up to 15 us, it charges to the one that comes, and sysmon to the one that goes."""


@dataclass(frozen=True)
class Usage:
    """What the kernel says of a thread at a moment, between two readings of the clock."""

    before_ns: int
    after_ns: int
    oncpu_ns: int
    wait_ns: int
    voluntary: int
    involuntary: int
    minor: int
    major: int


def usage(pid: int) -> Usage:
    """Of a process of one thread."""
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
def running(*codes: str, cpu: int | None = None) -> Iterator[list["subprocess.Popen[str]"]]:
    """Python processes, on one CPU if one is given."""
    pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
    processes = [python(code, preexec_fn=pin) for code in codes]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measured(r: Recording, pid: int, column: str) -> int:
    return int(r.one(f"SELECT coalesce(sum({column}), 0) FROM cpu WHERE pid = {pid}"))


def window_ns(r: Recording) -> int:
    return int(r.one("SELECT epoch_ns(max(ts)) - epoch_ns(min(ts)) FROM clocks"))


def snapshot_shares(r: Recording, pid: int) -> list[float]:
    """The share of a CPU that a process had in each snapshot."""
    found = r.rows(
        "SELECT coalesce(c.oncpu_ns, 0) / s.ns FROM (SELECT ts, epoch_ns(ts) - epoch_ns(lag(ts) OVER (ORDER BY ts)) "
        f"AS ns FROM clocks) s LEFT JOIN (FROM cpu WHERE pid = {pid}) c USING (ts) WHERE s.ns IS NOT NULL ORDER BY ts"
    )
    return [share for (share,) in found]


def test_a_spinner_that_has_a_cpu_for_itself_shows_100_percent_in_every_snapshot(tmp_path: Path) -> None:
    # With a real-time priority nothing takes the CPU away but what the kernel keeps for others: sched_rt_runtime_us,
    # and since 6.12 the fair server, which may run once a second for 50 ms and cannot be switched off everywhere.
    limit = Path("/proc/sys/kernel/sched_rt_runtime_us")
    before = limit.read_text()
    limit.write_text("-1")
    try:
        with running(SPIN, cpu=1) as (spinner,):
            os.sched_setscheduler(spinner.pid, os.SCHED_FIFO, os.sched_param(1))
            with recording(tmp_path / "t.parquet", "--interval", "0.25", preexec_fn=_on_cpu_0) as r:
                time.sleep(2)
    finally:
        limit.write_text(before)
    shares = snapshot_shares(r, spinner.pid)
    assert len(shares) >= 6
    # The last snapshot is at the end, and may be short.
    assert all(0.74 <= share <= 1.001 for share in shares[:-1]), shares
    assert sum(share >= 0.99 for share in shares[:-1]) >= len(shares) // 2, shares
    assert measured(r, spinner.pid, "oncpu_ns") == pytest.approx(window_ns(r), rel=0.055)


def _on_cpu_0() -> None:
    os.sched_setaffinity(0, {0})


def test_against_what_the_kernel_counts(tmp_path: Path) -> None:
    # Load beside it, so that it is switched out, waits, and is moved from CPU to CPU.
    code = "import time\nwhile True:\n for _ in range(200000): pass\n x = bytearray(1 << 20); time.sleep(0.001)"
    with busy(2), running(code) as (process,), recording(tmp_path / "t.parquet", "--interval", "0.3") as r:
        wait_for(lambda: usage(process.pid).voluntary > 5)
        os.kill(process.pid, 19)  # SIGSTOP: while it stands, nothing that is read of it changes
        time.sleep(0.5)
        first = usage(process.pid)
        os.kill(process.pid, 18)
        time.sleep(4)
        os.kill(process.pid, 19)
        time.sleep(0.5)
        last = usage(process.pid)
    (row,) = r.rows(
        "SELECT sum(oncpu_ns), sum(wait_ns), sum(voluntary_switches), sum(involuntary_switches), sum(minor_faults), "
        f"sum(major_faults), sum(migrations) FROM cpu WHERE pid = {process.pid} "
        f"AND epoch_ns(ts) > {first.after_ns} AND epoch_ns(ts) <= {last.before_ns} + 450_000_000"
    )
    oncpu, wait, voluntary, involuntary, minor, major, migrations = map(int, row)
    switches = voluntary + involuntary
    exact = last.oncpu_ns - first.oncpu_ns
    assert oncpu == pytest.approx(exact, abs=0.005 * exact + switches * SWITCH_NS)
    assert wait == pytest.approx(last.wait_ns - first.wait_ns, rel=0.01)
    assert (voluntary, involuntary) == (last.voluntary - first.voluntary, last.involuntary - first.involuntary)
    assert (minor, major) == (last.minor - first.minor, last.major - first.major)
    assert migrations > 0


def test_a_second_of_cpu_time(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r:
        process = python("import time\nwhile time.process_time() < 1: pass")
        _pid, _status, used = os.wait4(process.pid, 0)
        process.returncode = 0
    exact = used.ru_utime + used.ru_stime
    assert measured(r, process.pid, "oncpu_ns") / 1e9 == pytest.approx(exact, abs=tolerance_s(used))


def test_two_spinners_on_one_cpu_wait_half_the_time(tmp_path: Path) -> None:
    with running(SPIN, SPIN, cpu=1) as spinners, contextlib.ExitStack() as undo:
        # Above whatever else wants this CPU, and between the two in turns.
        for spinner in spinners:
            os.sched_setscheduler(spinner.pid, os.SCHED_RR, os.sched_param(1))
        limit = Path("/proc/sys/kernel/sched_rt_runtime_us")
        undo.callback(limit.write_text, limit.read_text())
        limit.write_text("-1")
        slice_ms = Path("/proc/sys/kernel/sched_rr_timeslice_ms")
        undo.callback(slice_ms.write_text, slice_ms.read_text())
        slice_ms.write_text("10")
        with recording(tmp_path / "t.parquet", preexec_fn=_on_cpu_0) as r:
            first = [usage(s.pid) for s in spinners]
            time.sleep(5)
            last = [usage(s.pid) for s in spinners]
    for spinner, a, b in zip(spinners, first, last, strict=True):
        waited = measured(r, spinner.pid, "wait_ns")
        assert waited == pytest.approx(window_ns(r) / 2, rel=0.02)
        # The readings of /proc lie a little inside of the recording: compare rates.
        rate = (b.wait_ns - a.wait_ns) / (b.before_ns - a.before_ns)
        assert waited / window_ns(r) == pytest.approx(rate, rel=0.01)


def test_processes_and_idle_time_are_all_there_is(tmp_path: Path) -> None:
    with busy(1), recording(tmp_path / "t.parquet", "--interval", "0.5") as r:
        time.sleep(3)
    cpus = len(os.sched_getaffinity(0))
    wall = cpus * window_ns(r)
    idle, running_ns = (int(v) for v in r.rows("SELECT sum(idle_ns), sum(busy_ns) FROM host")[0])
    assert idle + running_ns == pytest.approx(wall, rel=0.005)
    assert idle + int(r.one("SELECT sum(oncpu_ns) FROM cpu")) == pytest.approx(wall, rel=0.005)
    # In each snapshot too, but the last, which is short.
    for wall_ns, all_ns in r.rows(
        f"SELECT {cpus} * (epoch_ns(ts) - epoch_ns(lag(ts) OVER (ORDER BY ts))) AS wall, a.ns FROM clocks JOIN "
        "(SELECT ts, sum(idle_ns + busy_ns) AS ns FROM host GROUP BY ts) a USING (ts) ORDER BY ts"
    )[1:-1]:
        assert all_ns == pytest.approx(wall_ns, rel=0.01)


def tolerance_s(used: resource.struct_rusage) -> float:
    """For CPU time [s]. What a hypervisor stole is in sysmon's figure and not in the kernel's."""
    return 0.005 * (used.ru_utime + used.ru_stime) + (used.ru_nvcsw + used.ru_nivcsw + 2) * SWITCH_NS / 1e9


def test_a_short_life_is_not_lost(tmp_path: Path) -> None:
    code = "import time; end = time.process_time() + 0.005\nwhile time.process_time() < end: pass"
    with recording(tmp_path / "t.parquet") as r:
        processes = [python(code) for _ in range(23)]
        resources = [os.wait4(p.pid, 0)[2] for p in processes]
        for process in processes:
            process.returncode = 0
    for process, used in zip(processes, resources, strict=True):
        exact = used.ru_utime + used.ru_stime
        assert measured(r, process.pid, "oncpu_ns") / 1e9 == pytest.approx(exact, abs=tolerance_s(used) + 0.003)
        assert measured(r, process.pid, "minor_faults") == pytest.approx(used.ru_minflt, abs=3)
        assert measured(r, process.pid, "voluntary_switches") == pytest.approx(used.ru_nvcsw, abs=1)


def test_threads_of_one_process_add_up(tmp_path: Path) -> None:
    code = (
        "import threading, hashlib\n"
        "def work():\n for _ in range(40): hashlib.sha256(bytes(1 << 20)).digest()\n"
        "threads = [threading.Thread(target=work) for _ in range(7)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    with recording(tmp_path / "t.parquet", "--interval", "0.1") as r:
        process = python(code)
        _pid, _status, used = os.wait4(process.pid, 0)
        process.returncode = 0
    assert measured(r, process.pid, "oncpu_ns") / 1e9 == pytest.approx(
        used.ru_utime + used.ru_stime, abs=2 * tolerance_s(used)
    )
    assert measured(r, process.pid, "minor_faults") == pytest.approx(used.ru_minflt, abs=10)
    # The kernel has summed up a thread before its last switch, with which it goes.
    assert used.ru_nvcsw + 7 <= measured(r, process.pid, "voluntary_switches") <= used.ru_nvcsw + 8
