"""Which processes' shared memory is read, without a kernel: the child is one end of a socket."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sysmon.recorder.sample import pss, rollup
from sysmon.recorder.sample.pss import Pss

GIB = 1 << 30


class Child:
    """Notes its orders, and answers as told."""

    pid = 999_999

    def __init__(self) -> None:
        self.socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self._theirs.setblocking(False)

    def told(self) -> list[int]:
        """The pids of the next message."""
        try:
            message = self._theirs.recv(rollup.MESSAGE_BYTES)
        except BlockingIOError:
            return []
        return [pid for pid, _start in rollup.ORDER.iter_unpack(message[rollup.HEAD.size :])]

    def answer(self, *pids: int, outcome: int = rollup.READ, took: int = 1000) -> None:
        self._theirs.send(b"".join(rollup.ANSWER.pack(p, p * 10, 5, took, outcome, *range(10)) for p in pids))

    def close(self) -> None:
        self.socket.close()
        self._theirs.close()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reader, its child, and which processes were forked."""
    forked: set[int] = set()
    monkeypatch.setattr(pss.procfs, "is_forked", lambda pid: pid in forked)
    found, child = Pss(), Child()
    found._child = child  # type: ignore[assignment]
    yield found, child, forked
    child.close()


def memory(pid: int, anon: int = 0, file: int = 0, shmem: int = 0, swap: int = 0) -> dict[str, int]:
    return {
        "ts": 1, "pid": pid, "start": pid * 10, "rss_anon_bytes": anon, "rss_file_bytes": file,
        "rss_shmem_bytes": shmem, "swap_bytes": swap,
    }  # fmt: skip


def test_processes_are_ranked_by_shared_memory_per_time(reader: Any) -> None:
    found, child, forked = reader
    forked.add(4)
    found.saw([
        memory(1, anon=4 * GIB),  # a heap: most likely its own, and dear
        memory(2, shmem=GIB),  # a heap: most likely private, and expensive
        memory(3, file=4 << 20),  # a database worker
        memory(4, anon=GIB, file=4 << 20),  # small, and quick to read
        memory(5, anon=GIB, file=4 << 20),  # not
        memory(6, shmem=7 * GIB),  # all of a buffer so large that nothing else would be read
        memory(7, shmem=6 * GIB, swap=3 * GIB),  # all of a buffer so large that nothing else would be read
    ])  # fmt: skip
    rows = found.rows()
    assert [(row["pid"], row["unread"]) for row in rows] == [(7, "too large")]
    # By bytes per nanosecond: 90.3, 89.9, 28.7, 22.8, 22.7, 13.0.
    assert child.told() == [2, 4, 3, 5, 1, 6]
    child.answer(2)
    (row,) = found.rows()
    assert (row["pid"], row["pss_bytes"], row["reading_ns"], row["unread"]) == (2, 0, 1000, None)
    assert found.longest_ns() == 1000 and found.longest_ns() is None
    found.saw([memory(2, shmem=GIB)])
    found.rows()
    assert child.told() == [], "not again so soon"
    found.end()
    assert child.told()[-1] == 2, "at the end those first that were never read"


def test_unread_processes_are_reported_once(reader: Any) -> None:
    found, child, _forked = reader
    found.saw([memory(pid, file=1 << 20) for pid in (1, 2, 3, 4)])
    found.rows()
    child.answer(1)
    child.answer(2, outcome=rollup.NOT_PERMITTED)
    child.answer(3, outcome=rollup.ENDED)
    found.end()
    said = {(row["pid"], row.get("unread")) for row in found.last_rows(9)}
    assert said == {(1, None), (2, "not permitted"), (3, "ended"), (4, "no time")}


def test_memory_of_the_reader_is_bounded(reader: Any) -> None:
    """With ever more processes, for none of which the child answers."""
    found, child, _forked = reader
    rows = []
    for first in range(1, 30_000, 1000):
        found.saw([memory(pid, file=(pid << 10)) for pid in range(first, first + 1000)])
        rows += found.rows()
    assert len(found._known) <= pss.KNOWN and len(found._due) <= pss.KNOWN and len(found._chosen) <= pss.CHOSEN
    assert len(child.told()) == pss.ASKED and child.told() == []
    assert {row["unread"] for row in rows} == {"no time"}
    assert len(rows) + len(found.last_rows(9)) == 30_000


def test_a_child_that_ended_is_no_error(reader: Any) -> None:
    found, child, _forked = reader
    child._theirs.close()
    found.saw([memory(1, file=1 << 20)])
    assert found.rows() == []
    found.end()
    assert [row["unread"] for row in found.last_rows(9)] == ["no time"]


def test_a_budget_is_of_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"cpu": 3_000_000, "wall": 0}
    monkeypatch.setattr(rollup.time, "process_time_ns", lambda: now["cpu"])
    monkeypatch.setattr(rollup.time, "monotonic_ns", lambda: now["wall"])
    budget = rollup.Budget()
    assert budget.wait_s(0.002) == 0
    budget.spent()
    now["cpu"] += 2_000_000  # which are 0.2 % of a second
    assert budget.wait_s(0.002) == pytest.approx(1)
    now["wall"] += 600_000_000
    assert budget.wait_s(0.002) == pytest.approx(0.4)
    now["wall"] += 600_000_000
    assert budget.wait_s(0.002) == 0
