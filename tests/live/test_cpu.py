"""CPU time, waits and switches compared with /proc and getrusage."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.oracles import cpu
from tests.live.oracles.cpu import measured, tolerance_s, window_ns
from tests.live.oracles.figure import Figure, assert_all_hold
from tests.live.recording import Trace, python, recording, thread_state, wait_for

pytestmark = [pytest.mark.live, pytest.mark.alone]


def snapshot_shares(r: Trace, pid: int, what: str = "c.occupied_ns") -> list[float]:
    """The share of a CPU that a process had in each snapshot."""
    found = r.rows(
        f"SELECT coalesce({what}, 0) / s.ns FROM (SELECT ts, epoch_ns(ts) - epoch_ns(lag(ts) OVER (ORDER BY ts)) "
        f"AS ns FROM clocks) s LEFT JOIN (SELECT ts, sum(occupied_ns) AS occupied_ns, "
        f"sum(wait_ns) AS wait_ns FROM cpu WHERE pid = {pid} GROUP BY ts) c USING (ts) "
        "WHERE s.ns IS NOT NULL ORDER BY ts"
    )
    return [share for (share,) in found]


def test_a_spinner_with_its_own_cpu_shows_100_percent_in_every_snapshot(tmp_path: Path) -> None:
    r, pid = cpu.record_spinner(tmp_path)
    shares = snapshot_shares(r, pid)
    assert len(shares) >= 6
    # The last snapshot is at the end, and may be short. The fair server takes 50 ms of some.
    assert all(0.74 <= share <= 1.001 for share in shares[:-1]), shares
    # What others got is waits, of which only one in progress at a snapshot counts in the next.
    whole = snapshot_shares(r, pid, "c.occupied_ns + c.wait_ns")
    assert sum(0.99 <= share <= 1.01 for share in whole[:-1]) >= len(whole) // 2, whole
    assert measured(r, pid, "occupied_ns") == pytest.approx(window_ns(r), rel=0.055)
    figures = cpu.spinner(r, pid)
    assert_all_hold(figures)
    # All that is missing is a wait in progress, which the next snapshot has.
    assert sum(abs(f.difference) <= 0.01 * f.said for f in figures) >= len(figures) - 2, figures


@pytest.mark.parametrize("compare", cpu.COMPARISONS)
def test_figures_equal_the_kernels(tmp_path: Path, compare: Callable[[Path], list[Figure]]) -> None:
    assert_all_hold(compare(tmp_path))


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
        used.ru_utime + used.ru_stime, abs=tolerance_s(used)
    )
    assert measured(r, process.pid, "minor_faults") == pytest.approx(used.ru_minflt, abs=10)
    # The kernel has summed up a thread before its final switch.
    assert used.ru_nvcsw + 7 <= measured(r, process.pid, "voluntary_switches") <= used.ru_nvcsw + 8


def computing(seconds: float) -> int:
    """A child that uses this much CPU time; returns its pid."""
    if pid := os.fork():
        return pid
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    os._exit(0)


def test_a_new_process_does_not_inherit_a_zombies_usage(tmp_path: Path) -> None:
    """The kernel reuses the task_struct of a process that has ended."""
    zombies = [computing(0.004) for _ in range(101)]
    for pid in zombies:
        wait_for(lambda pid=pid: thread_state(pid) == "Z")
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r:
        time.sleep(0.5)  # until a snapshot has seen them
        for pid in zombies:
            os.waitpid(pid, 0)
        time.sleep(0.5)  # until nothing in the kernel can still be reading them
        used = {}
        for _ in range(11):
            for pid in [computing(0.006) for _ in range(11)]:
                used[pid] = os.wait4(pid, 0)[2]
    figures = [
        Figure(f"new process {i}", "getrusage", u.ru_utime + u.ru_stime, measured(r, p, "oncpu_ns") / 1e9, "s", 0.0002)
        for i, (p, u) in enumerate(used.items())
    ]
    assert_all_hold(figures)
