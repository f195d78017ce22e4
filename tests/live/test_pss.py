"""Private memory and PSS, for layouts with a known answer and compared with /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sysmon.recorder.own import capabilities
from sysmon.recorder.sample import pss, rollup
from sysmon.recorder.sample.pss import Pss
from tests.live.oracles import shares
from tests.live.oracles.figure import assert_all_hold
from tests.live.oracles.memory import status
from tests.live.oracles.shares import FOUR, LAYOUT, WAIT, layout, rollup_of
from tests.live.recording import NOBODY, SYSMON, Trace, python, record_command, recording, start, wait_for
from tests.live.test_privilege import as_nobody, children, comm, has_dropped, readable

pytestmark = pytest.mark.live

MIB = 1 << 20


def last(trace: Trace, pid: int, *columns: str) -> tuple[int, ...]:
    rows = trace.rows(
        f"SELECT {', '.join(columns)} FROM pss WHERE pid = {pid} AND unread IS NULL ORDER BY ts DESC LIMIT 1"
    )
    assert rows, trace.rows(f"FROM pss WHERE pid = {pid}")
    return rows[0]


@pytest.mark.parametrize("how", ["anonymous", "tmpfs", "file"])
def test_what_four_processes_share(tmp_path: Path, how: str) -> None:
    assert_all_hold(shares.of_four(tmp_path, how))


def test_written_copy_on_write_pages_are_private(tmp_path: Path) -> None:
    assert_all_hold(shares.after_a_fork(tmp_path))


HUGE = LAYOUT + (
    """
at = libc.mmap(None, 32 << 20, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000, -1, 0)  # MAP_HUGETLB
assert at not in (None, ctypes.c_void_p(-1).value), ctypes.get_errno()
ctypes.memset(at, 1, 32 << 20)
pids = [os.getpid()]
"""
    + WAIT
)


@pytest.mark.alone
def test_hugetlbfs_pages_are_not_part_of_pss(tmp_path: Path) -> None:
    pages = Path("/proc/sys/vm/nr_hugepages")
    before = pages.read_text()
    pages.write_text("20")
    try:
        with layout(HUGE, "") as (pid,), recording(tmp_path / "t.parquet", "--interval", "0.2", "--with", "pss") as r:
            assert rollup_of(pid)["Private_Hugetlb"] == 32 * MIB
            time.sleep(1)
    finally:
        pages.write_text(before)
    assert sum(last(r, pid, "pss_bytes", "private_dirty_bytes")) < 32 * MIB
    assert r.one(f"SELECT max(hugetlb_bytes) FROM memory WHERE pid = {pid}") == 32 * MIB


def test_default_has_the_largest_at_both_ends(tmp_path: Path) -> None:
    """Without `--with pss`: four processes that share 48 MiB are read at the start and again at the end."""
    with layout(FOUR, "anonymous") as pids:
        chosen = [option for pid in pids for option in ("--pid", str(pid))]
        with recording(tmp_path / "t.parquet", *chosen) as r:
            time.sleep(8)
    reads = r.rows(f"SELECT pid, count(*) FROM pss WHERE unread IS NULL AND pid IN {tuple(pids)} GROUP BY pid")
    assert {pid for pid, _n in reads} == set(pids) and max(n for _pid, n in reads) >= 2
    read, unread = r.rows("SELECT count(*) FILTER (unread IS NULL), count(*) FILTER (unread IS NOT NULL) FROM pss")[0]
    assert read and read + unread >= r.one("SELECT count(DISTINCT pid) FROM memory")
    longest = r.one("SELECT max(reading_ns) FROM pss")
    assert r.one("SELECT max(longest_reading_ns) FROM overhead WHERE part = 'recorder'") == longest


def test_unrecorded_processes_are_never_read(tmp_path: Path) -> None:
    with layout(FOUR, "anonymous") as pids:
        for chosen in (["--pid", str(pids[1])], ["--uid", "54321"], ["--comm", "no-such-name"]):
            with recording(tmp_path / "t.parquet", "--force", "--interval", "0.2", "--with", "pss", *chosen) as r:
                time.sleep(0.7)
            read = {pid for (pid,) in r.rows("SELECT pid FROM pss")}
            assert read == ({pids[1]} if "--pid" in chosen else set()), chosen


def test_a_command_and_what_it_starts(tmp_path: Path) -> None:
    code = (
        "import os, time\nif os.fork(): time.sleep(0.1)\nend = time.monotonic() + 2.6\nwhile time.monotonic() < end: 0"
    )
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    own = {pid for (pid,) in trace.rows("SELECT pid FROM processes")}
    read = {pid for (pid,) in trace.rows("SELECT pid FROM pss WHERE unread IS NULL")}
    assert len(read) == 2 and read <= own


def test_another_user_cannot_be_read_without_a_capability(tmp_path: Path) -> None:
    folder = tmp_path / "nobodys"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    with layout(FOUR, "anonymous") as pids:
        command = [*as_nobody("bpf", "perfmon", *readable()), SYSMON, "record", "-o", folder / "t.parquet"]
        running = subprocess.Popen([*command, "--with", "pss", "--duration", "1.5"], stderr=subprocess.PIPE, text=True)
        output = running.communicate()[1]
    assert running.returncode == 0, output
    trace = Trace(folder / "t.parquet")
    assert trace.rows(f"SELECT DISTINCT unread FROM pss WHERE pid IN {tuple(pids)}") == [("not permitted",)]
    assert "CAP_SYS_PTRACE" in trace.opened.metadata["unmeasured"]["pss"]


# -- the child process


def test_the_child_has_one_capability_and_ends_with_the_recorder(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet") as r:
        found = children(r.process.pid)
        allowed = {1 << capabilities.CAPABILITIES[name] for name in ("CAP_SYS_PTRACE", "CAP_SYS_ADMIN")}

        def permitted() -> set[int]:
            texts = (Path(f"/proc/{pid}/status").read_text() for pid in found)
            return {int(text.split("CapPrm:")[1].split()[0], 16) for text in texts}

        wait_for(lambda: permitted() == allowed)
        wait_for(lambda: all(len(os.listdir(f"/proc/{pid}/fd")) <= 2 for pid in found))
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)


@pytest.mark.parametrize("hangs", [False, True])
def test_the_child_ends_when_the_recorder_is_killed(tmp_path: Path, hangs: bool) -> None:
    """Also one that cannot notice: as in the kernel, where it waits for a lock."""
    with layout(FOUR, "anonymous"):
        r = start(tmp_path / "t.parquet", "--with", "pss")
        found = children(r.process.pid)
        assert len(found) == 2 and all(comm(pid) == "sysmon" for pid in found)
        wait_for(lambda: all(has_dropped(pid) for pid in found))
        time.sleep(0.3)
        for pid in found if hangs else []:
            os.kill(pid, signal.SIGSTOP)
        r.stop(signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in found), 5)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def memory_row(pid: int, **sizes: int) -> dict[str, int]:
    """A row of the kind `memory`."""
    start = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) * 10_000_000
    shown = status(pid)
    names = {"RssAnon": "rss_anon_bytes", "RssFile": "rss_file_bytes", "RssShmem": "rss_shmem_bytes"}
    return {"ts": 0, "pid": pid, "start": start, **{col: shown.get(line, 0) for line, col in names.items()}, **sizes}


@contextlib.contextmanager
def reader(**limits: object) -> Iterator[Pss]:
    """With its child, as in a recording. In a test the child stays the same user."""
    found = Pss(**limits)  # type: ignore[arg-type]
    found.delegate(None)
    try:
        yield found
    finally:
        found.close()


def rows_of(found: Pss, seconds: float) -> list[dict[str, Any]]:
    """The rows read in this time."""
    rows, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        rows += found.rows()
        time.sleep(0.02)
    return rows


def all_rows(found: Pss, seconds: float) -> list[dict[str, Any]]:
    """Those, and the rows at the end."""
    rows = rows_of(found, seconds)
    found.end()
    return rows + found.last_rows(1)


def readings(rows: list[dict[str, Any]]) -> list[int]:
    """Duration of each reading [ns]."""
    return [row["reading_ns"] for row in rows if row["unread"] is None]


def test_a_process_above_the_limit_is_not_read_unless_requested() -> None:
    with layout(FOUR, "anonymous") as pids:
        for limited, answer in ((True, "too large"), (False, None)):
            with reader(limited=limited, largest_bytes=40 * MIB) as found:
                found.saw([memory_row(pids[0])])
                rows = all_rows(found, 0.3)
            assert {row["unread"] for row in rows} == {answer}, rows
            assert all(("pss_bytes" in row) == (answer is None) for row in rows)


def test_an_ended_process_whose_pid_was_reused() -> None:
    ended = python("")
    row = memory_row(ended.pid)
    ended.wait()
    reused = memory_row(os.getpid()) | {"start": 10_000_000}
    with reader(limited=False) as found:
        found.saw([row, reused])
        rows = all_rows(found, 0.3)
    assert {(r["pid"], r["unread"]) for r in rows} == {(ended.pid, "ended"), (os.getpid(), "ended")}


def test_a_zombie_and_a_thread_of_the_kernel_have_nothing() -> None:
    zombie = python("")
    row = memory_row(zombie.pid)
    wait_for(lambda: not alive(zombie.pid))
    with reader(limited=False) as found:
        found.saw([row, memory_row(2)])
        rows = all_rows(found, 0.3)
    zombie.wait()
    assert {(r["pid"], r["unread"]) for r in rows} == {(zombie.pid, "ended"), (2, "ended")}


LEADER_ENDS = """
import ctypes, mmap, os, sys, threading, time
m = mmap.mmap(-1, 16 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(0, 16 << 20, 4096): m[i] = 1
def stay():
    time.sleep(0.1)
    print(os.getpid(), flush=True)
    time.sleep(60)
threading.Thread(target=stay).start()
ctypes.CDLL(None).syscall(60, 0)  # exit(2), of this thread only
"""


def test_a_process_whose_first_thread_has_ended() -> None:
    with layout(LEADER_ENDS) as (pid,), reader(limited=False) as found:
        found.saw([memory_row(pid, rss_anon_bytes=16 * MIB)])
        rows = all_rows(found, 0.3)
    assert rows and all(row["unread"] is None and row["private_dirty_bytes"] >= 16 * MIB for row in rows)


def ready_ns(found: Pss) -> int:
    """CPU time of the child once it is ready and waits."""
    before = -1
    while found.cpu_ns() != before:
        before = found.cpu_ns()
        time.sleep(0.1)
    return before


@pytest.mark.alone
def test_the_budget_holds() -> None:
    """Twelve processes of 48 MiB, more than the time allows."""
    with contextlib.ExitStack() as stack:
        pids = [pid for _ in range(3) for pid in stack.enter_context(layout(FOUR, "anonymous"))]
        found = stack.enter_context(reader())
        ready, began = ready_ns(found), time.monotonic_ns()
        found.saw([memory_row(pid) for pid in pids])
        rows = rows_of(found, 4)
        spent, elapsed = found.cpu_ns() - ready, time.monotonic_ns() - began
        took = readings(rows)
        assert took and spent <= rollup.LAST_BUDGET * elapsed + max(took), (spent, elapsed, took)
        found.end()
        rows += found.last_rows(1)
        elapsed = time.monotonic_ns() - began
    took = readings(rows)
    assert sum(took) <= rollup.LAST_BUDGET * elapsed + max(took), (elapsed, took)
    assert {row["pid"] for row in rows} == set(pids), "of all it is said, read or not"
    assert "no time" in {row["unread"] for row in rows}


@pytest.mark.alone
def test_a_hanging_child_does_not_block_the_recorder() -> None:
    """It is stopped, as if in the kernel: rows are taken, the end comes, and who was being read is reported."""
    with layout(FOUR, "anonymous") as pids, reader(limited=False) as found:
        child = found._child
        assert child
        wait_for(lambda: Path(f"/proc/{child.pid}/wchan").exists())
        os.kill(child.pid, signal.SIGSTOP)
        found._reads.set(pids[0], memory_row(pids[0])["start"])
        found.saw([memory_row(pid) for pid in pids])
        began = time.monotonic()
        for _ in range(1000):
            found.saw([memory_row(pids[0])])
            found.rows()
        found.end()
        rows = found.last_rows(1)
        found.close()
        assert time.monotonic() - began < pss.END_S[False] + 1
    said = {(row["pid"], row["unread"]) for row in rows}
    assert said == {(pids[0], "no answer"), *((pid, "no time") for pid in pids[1:])}
    assert not alive(child.pid)


GROWS = """
import mmap, os, time
kept = []
m = mmap.mmap(-1, 96 << 20, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
leaks = os.fork() == 0
for second in range(28):
    if leaks:
        kept.append(b"x" * (2 << 20))
    else:
        for i in range(second << 21, (second + 1) << 21, 4096): m[i] = 1
    time.sleep(0.5)
if not leaks: os.wait()
"""


@pytest.mark.alone
def test_a_leak_is_distinguished_from_touching_shared_memory(tmp_path: Path) -> None:
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", GROWS)
    parent = trace.one("SELECT pid FROM processes WHERE ppid = (SELECT recorder_pid FROM recording)")
    found = {(rule, pid == parent) for rule, pid in trace.rows("SELECT rule, pid FROM report.findings")}
    growth = {(rule, is_parent) for rule, is_parent in found if rule in ("memory_growth", "shared_memory")}
    assert growth == {("memory_growth", False), ("shared_memory", True)}, found
