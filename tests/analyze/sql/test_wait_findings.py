"""Rules about who waits for whom, each just above and just below its threshold."""

from pathlib import Path
from typing import Any

import pytest

from tests.analyze.sql.test_findings import alive, finds, one
from tests.traces import Row, at, born, row

pytestmark = pytest.mark.slow

MS = 10**6


def waited(pid: int, waited_for: str, ms: float, **columns: Any) -> Row:
    """Waits of a process that lives throughout: by default of its only thread, and ended by a thread."""
    if "waker_pid" in columns:
        columns["waker_start"] = born(-100)
    given = {"tid": pid, "waits": 10, "nr": 1, "woken_by": "thread", "held_ns": 0, "waited_before_ns": 0}
    ns = {"waited_ns": round(ms * MS), "max_waited_ns": round(ms * MS / 10)}
    return row("waits", at(10), pid=pid, start=born(-100), waited_for=waited_for, **(given | ns | columns))


def snapshots() -> list[Row]:
    return [row("clock", at(second), event="snapshot", boottime_ns=0) for second in range(11)]


def convoy(ms: float, *, threads: int = 3, slow: int = 2, **columns: Any) -> list[Row]:
    """Threads 1 … hand a lock round, each wait ended by the next; one of them holds it nine times as long."""
    rows = [*snapshots(), alive(7, "convoy")]
    for tid in range(1, threads + 1):
        waker = tid % threads + 1
        given = {"held_ns": 9 * MS if waker == slow else MS, "waker_tid": waker, "object": 4096} | columns
        rows.append(waited(7, "lock", ms / threads, tid=tid, thread=f"t{tid}", syscall="futex", waker_pid=7, **given))
        rows.append(row("cpu", at(10), pid=7, start=born(-100), tid=tid, thread=f"t{tid}", oncpu_ns=0, waits=0))
    return rows


def test_lock_convoy(tmp_path: Path) -> None:
    f = one(tmp_path, convoy(5000), "lock_convoy")
    assert (f.severity, f.pid, f.command) == ("medium", 7, "sysmon report TRACE wakers_by_thread --pid 7")
    assert (
        f.summary
        == "convoy (7) has 3 threads that wait for one lock, 5.0 s in all; thread t2 (2) held it 82 % of that time"
    )
    assert f.evidence == (
        "futex 0x1000: 30 waits of 3 threads, 5.000 s in all; thread t2 (2) held it for 0.009 s or more of the 0.011 s "
        "that are known"
    )
    assert one(tmp_path, convoy(20_000), "lock_convoy").severity == "high"


def test_what_is_no_lock_convoy(tmp_path: Path) -> None:
    assert not finds(tmp_path, convoy(4990), "lock_convoy")
    assert not finds(tmp_path, convoy(9000, threads=1), "lock_convoy")
    assert not finds(tmp_path, convoy(9000, object=None), "lock_convoy")
    assert not finds(tmp_path, convoy(9000, waker_tid=9), "lock_convoy"), "a queue that one thread fills"


def served(ms: float, **columns: Any) -> list[Row]:
    """A client that waits for a server, which waits for a disk."""
    ports = {"family": "AF_INET", "local_port": 4000, "remote_port": 80, "remote_address": "127.0.0.1"}
    other = {"family": "AF_INET", "local_port": 80, "remote_port": 4000, "remote_address": "127.0.0.1"}
    connect = row("socket", at(1), pid=7, start=born(-100), tid=7, syscall="connect", fd=3, result=0, local_port=4000,
                  remote_port=80, remote_address="127.0.0.1", family="AF_INET", socket_type="SOCK_STREAM")  # fmt: skip
    return [
        *snapshots(),
        alive(7, "client"),
        alive(8, "server"),
        connect,
        waited(7, "network", ms, woken_by="network", syscall="recvfrom", **(ports | columns)),
        waited(8, "network", 50, woken_by="network", syscall="recvfrom", **other),
        waited(8, "disk", 4000, woken_by="disk", object=5, object_device=1, object_name="journal", syscall="fsync"),
    ]


def test_waits_for_server(tmp_path: Path) -> None:
    f = one(tmp_path, served(5000), "waits_for_server")
    assert (f.severity, f.pid, f.command) == ("medium", 7, "sysmon report TRACE critical_path --pid 7")
    assert f.summary == (
        "client (7) waits 5.0 s for server (8) in network [127.0.0.1:80], which spends 99 % in disk [journal]"
    )
    assert f.evidence == (
        "10 waits for server (8), 5.000 s in all and 500.0 ms at most; "
        "its time depends most on server (8), disk [journal]: 100 %"
    )
    assert one(tmp_path, served(8000), "waits_for_server").severity == "high"


def test_what_is_no_wait_for_a_server(tmp_path: Path) -> None:
    assert not finds(tmp_path, served(4990), "waits_for_server")
    assert not finds(tmp_path, served(9000, remote_port=81), "waits_for_server"), "nobody is known at the other end"
    rows = [r for r in served(9000) if r["kind"] != "socket"]
    assert not finds(tmp_path, rows, "waits_for_server"), "it may be the server, which waits for requests"


def served_by_two(ms: float, connects: int = 7) -> list[Row]:
    """A client that waits in poll, over unix sockets, for two processes, which wait for each other and for a disk."""
    connect = row("socket", at(1), pid=connects, start=born(-100), tid=connects, syscall="connect", fd=3, result=0,
                  family="AF_UNIX", socket_type="SOCK_STREAM", remote_address="/run/s")  # fmt: skip
    return [
        *snapshots(),
        alive(7, "client"),
        alive(8, "server"),
        alive(9, "server"),
        connect,
        waited(7, "poll", ms / 2, syscall="ppoll", waker_pid=8),
        waited(7, "poll", ms / 2, syscall="ppoll", waker_pid=9),
        *(waited(pid, "poll", 2000, syscall="epoll_wait", waker_pid=7) for pid in (8, 9)),
        waited(8, "lock", 3000, syscall="futex", object=4096, waker_pid=9),
        waited(9, "lock", 4000, syscall="futex", object=8192, waker_pid=8),
        waited(9, "disk", 3000, woken_by="disk", object=5, object_device=1, object_name="journal", syscall="fsync"),
    ]


def test_waits_for_the_processes_of_a_server(tmp_path: Path) -> None:
    f = one(tmp_path, served_by_two(5000), "waits_for_server")
    assert (f.severity, f.pid) == ("medium", 7)
    assert f.summary == (
        "client (7) waits 5.0 s for 2 server processes, which, when they do not wait for it, spend 70 % in futex, "
        "until woken by one another, and 30 % in fsync [journal]"
    )
    assert f.evidence == (
        "20 waits for 2 server processes, longest for 9, 5.000 s in all and 250.0 ms at most; "
        "its time depends most on server (9), disk [journal]: 100 %"
    )
    assert not finds(tmp_path, served_by_two(4990), "waits_for_server")
    assert not finds(tmp_path, served_by_two(5000, connects=8), "waits_for_server"), "it may be the server"
