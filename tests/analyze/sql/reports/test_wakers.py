"""Who ended waits, and for what they were; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from tests import traces
from tests.traces import Row, at, born, row

MS = 10**6


def process(pid: int, comm: str) -> Row:
    return row("process", at(0), pid=pid, start=born(-5), comm=comm, edge="both")


def wait(
    pid: int, waited_for: str, by: str | None, ms: int, *, second: float = 1, waker: int = 0, **columns: Any
) -> Row:
    """Waits of a process that ended in the interval, of its only thread unless `tid` is given."""
    given: Row = {"tid": pid, "thread": f"t{columns.get('tid', pid)}", "waits": 1, "waited_ns": ms * MS, "nr": 1}
    given |= {"max_waited_ns": ms * MS, "waited_before_ns": 0, "held_ns": 0, "woken_by": by}
    if waker:
        given |= {"waker_pid": waker, "waker_start": born(-5)}
    return row("waits", at(second), pid=pid, start=born(-5), waited_for=waited_for, **(given | columns))


def running(pid: int, ms: int) -> Row:
    return row("cpu", at(1), pid=pid, start=born(-5), tid=pid, thread=f"t{pid}", oncpu_ns=ms * MS, occupied_ns=ms * MS,
               waits=0, waited_ns=0, waited_before_ns=0, ready_ns=0, ready_before_ns=0)  # fmt: skip


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    clocks = [row("clock", at(second), event="snapshot", boottime_ns=0) for second in (0, 1, 2)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*clocks, *rows]), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


NAMES = [process(7, "client"), process(8, "server"), process(9, "disk-man")]


def test_threads_and_interrupts_as_wakers(tmp_path: Path) -> None:
    rows = [
        *NAMES,
        wait(7, "pipe", "thread", 60, waker=8, waits=3, max_waited_ns=40 * MS),
        wait(7, "pipe", "thread", 20, waker=8, second=2),
        wait(7, "pipe", None, 20),
        wait(7, "sleep", "timer", 300),
    ]
    sleep, pipe, unknown = report(tmp_path, "wakers", rows)
    assert (sleep["waker"], sleep["total_s"], sleep["share_pct"], sleep["held_s"]) == (
        "interrupt: timer",
        0.3,
        100,
        None,
    )
    assert (pipe["pid"], pipe["comm"], pipe["waker"], pipe["waits"]) == (7, "client", "server (8)", 4)
    assert (pipe["total_s"], pipe["share_pct"], pipe["mean_ms"], pipe["max_ms"]) == (0.08, 80, 20, 40)
    assert (unknown["waker"], unknown["share_pct"]) == ("unknown", 20)
    (first,) = [r for r in report(tmp_path, "wakers", rows, until="+1") if r["waker"] == "server (8)"]
    assert (first["waits"], first["total_s"]) == (3, 0.06)


def test_threads_of_one_process(tmp_path: Path) -> None:
    rows = [
        *NAMES,
        running(7, 5),
        wait(7, "lock", "thread", 50, waker=7, waker_tid=70, object=0x1000, syscall="futex", held_ns=40 * MS),
        wait(7, "lock", "thread", 30, waker=7, waker_tid=7, object=0x1000, syscall="futex", tid=70, held_ns=10 * MS),
    ]
    one, other = report(tmp_path, "wakers_by_thread", rows)
    assert (one["tid"], one["thread"], one["waker"], one["held_s"]) == (7, "t7", "thread ? (70)", 0.04)
    assert (other["tid"], other["thread"], other["waker"], other["held_s"]) == (70, "t70", "thread t7 (7)", 0.01)
    (both,) = report(tmp_path, "wait_objects", rows)
    assert (both["object"], both["total_s"], both["waits"]) == ("futex 0x1000", 0.08, 2)
    assert (both["mostly_woken_by"], both["waker_pct"]) == ("thread ? (70)", 62.5)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"object": 5, "object_device": 1, "object_name": "a.log", "waited_for": "disk", "syscall": "fsync"}, "a.log"),
        ({"object": 5, "waited_for": "pipe", "syscall": "read"}, "pipe:[5]"),
        ({"object": 5, "waited_for": "pipe", "family": "AF_UNIX", "syscall": "recvmsg"}, "socket:[5]"),
        (
            {"object": 5, "waited_for": "network", "family": "AF_INET", "local_port": 80, "syscall": "accept4"},
            "port 80",
        ),
        (
            {"object": 5, "waited_for": "network", "family": "AF_INET6", "remote_address": "::1", "remote_port": 80},
            "[::1]:80",
        ),
        ({"object": 5, "waited_for": "lock", "syscall": "semop"}, "semaphore set 5"),
        ({"object": 5, "waited_for": "pipe", "syscall": "msgrcv"}, "message queue 5"),
        ({"object": 255, "waited_for": "lock", "syscall": "futex_wait"}, "futex 0xff"),
        ({"waited_for": "poll", "syscall": "epoll_wait"}, None),
        ({"object_name": "[eventfd]", "waited_for": "event", "syscall": "read"}, "[eventfd]"),
    ],
)
def test_objects_in_words(tmp_path: Path, columns: dict[str, Any], shown: str | None) -> None:
    (only,) = report(
        tmp_path, "wait_objects", [*NAMES, wait(7, columns.pop("waited_for"), "thread", 5, waker=8, **columns)]
    )
    assert only["object"] == shown


def test_a_file_has_its_path_if_its_opening_was_recorded(tmp_path: Path) -> None:
    opened = row("open", at(0.5), pid=9, start=born(-5), tid=9, syscall="openat", result=3, origin="absolute",
                 path="/var/lib/a.log", device=1, inode=5, mount_namespace=1)  # fmt: skip
    rows = [*NAMES, opened, wait(7, "disk", "disk", 5, object=5, object_device=1, object_name="a.log", syscall="fsync")]
    (only,) = report(tmp_path, "wait_objects", rows)
    assert only["object"].endswith("/var/lib/a.log")


def test_the_other_end_of_a_connection(tmp_path: Path) -> None:
    """By its ports, if only one process has them, and both addresses are of this host."""
    client = {"family": "AF_INET", "local_port": 4000, "remote_port": 80, "remote_address": "10.0.0.1"}
    server = {"family": "AF_INET", "local_port": 80, "remote_port": 4000, "remote_address": "10.0.0.2"}
    rows = [*NAMES, wait(7, "network", "network", 50, **client), wait(8, "network", "network", 5, **server)]
    first, *_ = report(tmp_path, "wakers", rows)
    assert (first["waker"], first["other_end"]) == ("interrupt: network", None), "it may be two connections of others"
    bound = [
        row(
            "socket",
            at(0.1),
            pid=8,
            start=born(-5),
            tid=8,
            syscall="bind",
            result=0,
            local_port=80,
            local_address=address,
        )
        for address in ("10.0.0.1", "10.0.0.2")
    ]
    first, *_ = report(tmp_path, "wakers", [*rows, *bound])
    assert first["other_end"] == "server (8)"
    first, *_ = report(tmp_path, "wakers", [*rows, *bound, wait(9, "network", "network", 6, **server)])
    assert first["other_end"] is None
    same = [wait(8, "network", "network", 5, **(server | {"remote_address": "10.0.0.1"}))]
    first, *_ = report(tmp_path, "wakers", [*NAMES, wait(7, "network", "network", 50, **client), *same])
    assert first["other_end"] == "server (8)"


def test_a_chain(tmp_path: Path) -> None:
    """The server's waits for its client are longest, but they delay nobody."""
    rows = [
        *NAMES,
        wait(7, "pipe", "thread", 90, waker=8, object=5, syscall="read"),
        wait(8, "pipe", "thread", 500, waker=7, object=6, syscall="read"),
        wait(8, "event", "thread", 70, waker=9),
        wait(9, "disk", "disk", 60, object=5, object_device=1, object_name="a.log", syscall="fsync"),
        running(9, 40),
    ]
    of_client = [r for r in report(tmp_path, "wait_chains", rows) if r["pid"] == 7]
    (only,) = of_client
    assert only["chain"] == (
        "for server (8) in pipe [pipe:[5]], which waits for disk-man (9) in event, which spends 60 % in disk [a.log]"
    )
    assert (only["total_s"], only["share_pct"], only["hops"], only["ends_in"], only["last_pid"]) == (
        0.09,
        100,
        2,
        "disk",
        9,
    )
    assert report(tmp_path, "wait_chains", rows, pids=(7,)) == [only], "it goes on to processes that are not chosen"


def test_a_critical_path(tmp_path: Path) -> None:
    """Nine tenths of the client's time is the server's; of that seven eighths are the disk man's."""
    rows = [
        *NAMES,
        running(7, 10),
        wait(7, "pipe", "thread", 90, waker=8, object=5, syscall="read"),
        wait(8, "pipe", "thread", 500, waker=7, object=6, syscall="read"),
        running(8, 10),
        wait(8, "event", "thread", 70, waker=9),
        wait(9, "disk", "disk", 60, object=5, object_device=1, object_name="a.log", syscall="fsync"),
        running(9, 40),
    ]
    found = report(tmp_path, "critical_path", rows, pids=(7,))
    assert [(r["share_pct"], r["who"], r["state"], r["object"], r["hops"]) for r in found] == [
        (pytest.approx(47.25), "disk-man (9)", "disk", "a.log", 2),
        (pytest.approx(31.5), "disk-man (9)", "running", None, 2),
        (pytest.approx(11.25), "server (8)", "running", None, 1),
        (pytest.approx(10), "itself", "running", None, 0),
    ]
    assert sum(r["total_s"] for r in found) == pytest.approx(0.1)


def test_a_critical_path_through_those_who_wait_for_each_other(tmp_path: Path) -> None:
    """Two hand a lock to each other, and wait for a disk in between: all of their time is the disk's."""
    rows = [*NAMES, wait(7, "pipe", "thread", 100, waker=8, object=5, syscall="read")]
    for pid, other in ((8, 9), (9, 8)):
        rows += [
            wait(pid, "lock", "thread", 90, waker=other, object=16, syscall="futex"),
            wait(pid, "disk", "disk", 10),
        ]
    found = report(tmp_path, "critical_path", rows, pids=(7,))
    assert [(r["who"], r["state"], r["hops"]) for r in found if r["who"]] == [
        ("server (8)", "disk", 1), ("disk-man (9)", "disk", 2)
    ]  # fmt: skip
    assert sum(r["share_pct"] for r in found if r["who"]) > 99.5
    assert sum(r["share_pct"] for r in found) == pytest.approx(100)


def test_a_chain_at_a_lock_leads_to_who_held_it(tmp_path: Path) -> None:
    """Each wait was ended by whoever came before; one thread held the lock for most of the time."""
    lock = {"object": 16, "syscall": "futex", "waker": 7}
    rows = [
        *NAMES,
        running(7, 5),
        wait(7, "lock", "thread", 50, tid=71, waker_tid=72, held_ns=1 * MS, **lock),
        wait(7, "lock", "thread", 10, tid=71, waker_tid=73, held_ns=9 * MS, **lock),
        wait(7, "lock", "thread", 1, tid=72, waker_tid=71, held_ns=1 * MS, **lock),
        wait(7, "sleep", "timer", 80, tid=73),
        wait(7, "pipe", "thread", 5, tid=72, waker=8),
    ]
    first, *_ = [r for r in report(tmp_path, "wait_chains", rows) if r["pid"] == 7]
    assert first["chain"] == "for thread t73 (73) in lock [futex 0x10], which spends 100 % in sleep"
    assert first["total_s"] == 0.054


def test_a_chain_has_the_object_with_most_time_of_all_threads(tmp_path: Path) -> None:
    """And each lock has a chain of its own: that with the end of a thread, which another waits for, is another."""
    rows = [*NAMES, wait(7, "lock", "thread", 50, tid=70, object=32, syscall="futex", waker=7, waker_tid=73)]
    for tid in (71, 72, 74):
        rows.append(wait(7, "lock", "thread", 30, tid=tid, object=16, syscall="futex", waker=7, waker_tid=73))
        rows.append(wait(8, "pipe", "thread", 15, tid=tid, object=5, syscall="read", waker=9))
    rows.append(wait(8, "pipe", "thread", 40, object=6, syscall="read", waker=9))
    of_locks = "for thread ? (73) in lock [futex 0x10]", "for thread ? (73) in lock [futex 0x20]"
    found = [(r["chain"], r["total_s"]) for r in report(tmp_path, "wait_chains", rows)]
    assert found == [(of_locks[0], 0.09), ("for disk-man (9) in pipe [pipe:[5]]", 0.085), (of_locks[1], 0.05)]


def test_a_critical_path_through_threads_of_one_process(tmp_path: Path) -> None:
    """Two wait for a lock whose holder sleeps; the first thread for the end of another, which waits for a server."""
    rows = [
        *NAMES,
        wait(7, "lock", "thread", 100, object=32, syscall="futex", waker=7, waker_tid=71),
        wait(7, "lock", "thread", 60, tid=71, object=16, syscall="futex", waker=7, waker_tid=73),
        wait(7, "lock", "thread", 100, tid=72, object=16, syscall="futex", waker=7, waker_tid=73),
        wait(7, "pipe", "thread", 40, tid=71, waker=8),
        wait(7, "sleep", "timer", 99, tid=73),
        wait(7, "lock", "thread", 1, tid=73, object=16, syscall="futex", waker=7, waker_tid=74),
        wait(7, "sleep", "timer", 100, tid=74),
        wait(8, "disk", "disk", 10),
    ]
    lock = "lock [futex 0x10]"
    found = report(tmp_path, "critical_path", rows)
    # Of 500: 199 asleep; for 73, by itself and through 71, 220, a hundredth of which is for 74; for the server 40 + 40.
    assert [(r["who"], r["state"], r["through"], r["hops"], round(r["total_s"], 4)) for r in found] == [
        ("thread t73 (73)", "sleep", lock, 1, pytest.approx(0.2178, abs=1e-4)),
        ("itself", "sleep", None, 0, 0.199),
        ("server (8)", "disk", "pipe", 1, 0.08),
        ("thread t74 (74)", "sleep", lock, 1, pytest.approx(0.0032, abs=1e-4)),
    ]
    found = [r for r in report(tmp_path, "critical_path_by_thread", rows) if r["tid"] in (7, 72)]
    assert [(r["tid"], r["thread"], r["who"], r["hops"], round(r["share_pct"], 1)) for r in found] == [
        (7, "t7", "thread t73 (73)", 2, 59.4),
        (7, "t7", "server (8)", 2, 40),
        (7, "t7", "thread t74 (74)", 3, 0.6),
        (72, "t72", "thread t73 (73)", 1, 99),
        (72, "t72", "thread t74 (74)", 2, 1),
    ]


FUTEX = {"object": 16, "syscall": "futex", "waker": 7, "waker_tid": 70}


@pytest.mark.parametrize(
    ("columns", "held_s"),
    [
        (FUTEX, None),
        (FUTEX | {"has_owner": True}, 0.04),
        ({"object": 5, "object_device": 1, "syscall": "flock", "waker": 7, "waker_tid": 70}, 0.04),
        ({"object": 5, "object_device": 1, "syscall": "fcntl", "waker": 8, "held_ns": 60 * MS}, 0.05),
        ({"object": 5, "syscall": "semop", "waker": 8}, None),
    ],
)
def test_only_a_lock_is_held(tmp_path: Path, columns: dict[str, Any], held_s: float | None) -> None:
    """Whoever ends a wait at a futex without an owner may fill a queue, or end; and nobody held it longer than that."""
    rows = [*NAMES, wait(7, "lock", "thread", 50, **({"held_ns": 40 * MS} | columns))]
    (only,) = report(tmp_path, "wakers_by_thread", rows)
    assert only["held_s"] == held_s


def test_those_who_hand_it_to_each_other_hold_it(tmp_path: Path) -> None:
    """A third thread, too, which always found it free. But not who is known to wake any number: a barrier."""
    rows = [*NAMES]
    for tid, waker_tid in ((71, 70), (70, 71), (71, 72)):
        rows.append(wait(7, "lock", "thread", 50, tid=tid, held_ns=40 * MS, **(FUTEX | {"waker_tid": waker_tid})))
    assert [r["held_s"] for r in report(tmp_path, "wakers_by_thread", rows)] == [0.04] * 3
    rows = [r | {"held_ns": 0} if r["kind"] == "waits" else r for r in rows]
    assert [r["held_s"] for r in report(tmp_path, "wakers_by_thread", rows)] == [None] * 3


def test_a_trace_without_them_says_how_to_record_them(tmp_path: Path) -> None:
    for name in ("wakers", "wakers_by_thread", "wait_objects", "wait_objects_by_thread", "wait_chains"):
        assert report(tmp_path, name, NAMES) == []


def test_a_reused_pid_is_another_waker(tmp_path: Path) -> None:
    older = {"waker_pid": 8, "waker_start": born(-50), "woken_by": "thread"}
    rows = [
        *NAMES,
        row("process", at(0), pid=8, start=born(-50), comm="server", edge="start"),
        wait(7, "pipe", "thread", 20, waker=8),
        {**wait(7, "pipe", "thread", 10), **older},
    ]
    assert [(r["waker"], r["total_s"]) for r in report(tmp_path, "wakers", rows)] == [
        ("server (8)", 0.02),
        ("server (8)", 0.01),
    ]


def test_a_row_without_waits_is_read(tmp_path: Path) -> None:
    for name in ("wakers", "wakers_by_thread", "wait_objects", "wait_objects_by_thread"):
        (only,) = report(tmp_path, name, [*NAMES, wait(7, "pipe", "thread", 20, waker=8, waits=0)])
        assert only["mean_ms"] is None


def test_a_waker_that_is_not_recorded_has_its_threads_name(tmp_path: Path) -> None:
    rows = [*NAMES, wait(7, "disk", "thread", 20, waker=30, waker_thread="kworker/u8:1"), running(7, 80)]
    (only,) = report(tmp_path, "wakers", rows)
    assert only["waker"] == "kworker/u8:1 (30)"
    (only,) = report(tmp_path, "wait_chains", rows)
    assert only["chain"] == "for kworker/u8:1 (30) in disk"
    itself, other = report(tmp_path, "critical_path", rows)
    assert (itself["who"], itself["share_pct"]) == ("itself", 80)
    assert (other["who"], other["state"], other["share_pct"]) == ("kworker/u8:1 (30)", None, 20)


def test_children_are_put_together(tmp_path: Path) -> None:
    """Two of three, which are called the same and do the same."""
    rows = [*NAMES]
    for pid, comm, ms, asleep in ((20, "cc", 30, 30), (21, "cc", 10, 8), (22, "as", 5, 5)):
        rows += [process(pid, comm), wait(7, "child", "thread", ms, waker=pid), wait(pid, "sleep", "timer", asleep)]
        rows += [running(pid, ms - asleep)]
    found = [r for r in report(tmp_path, "wakers", rows) if r["pid"] == 7]
    assert [(r["waker"], r["total_s"], r["share_pct"], r["waits"]) for r in found] == [
        ("2 cc processes", 0.04, pytest.approx(100 * 40 / 45), 2),
        ("as (22)", 0.005, pytest.approx(100 * 5 / 45), 1),
    ]
    found = report(tmp_path, "wait_chains", rows)
    assert [(r["chain"], r["total_s"], r["first_pid"], r["last_pid"], r["ends_in"]) for r in found] == [
        ("for 2 cc processes in child, which spend 95 % in sleep", 0.04, None, None, "sleep"),
        ("for as (22) in child, which spends 100 % in sleep", 0.005, 22, 22, "sleep"),
    ]


def test_a_process_named_like_an_interrupt(tmp_path: Path) -> None:
    rows = [*NAMES, process(10, "interrupt: disk"), wait(7, "pipe", "thread", 20, waker=10)]
    (only,) = report(tmp_path, "wakers", rows)
    assert (only["waker"], only["other_end"]) == ("interrupt: disk (10)", None)
