"""The report `signals`."""

from pathlib import Path

import sysmon
from tests.traces import Row, at, born, row, write


def sent(second: float, signo: int, sender: int | None, delivery: str = "queued") -> Row:
    start = None if sender is None else born(sender / 100)
    names = {"sender_pid": sender, "sender_start": start, "to_thread": False, "delivery": delivery}
    return row("signal", at(second), pid=7, start=born(0), tid=7, signo=signo, **names)


def test_a_row_for_each_sender_and_signal(tmp_path: Path) -> None:
    rows = [
        row("fork", at(0), pid=7, start=born(0), ppid=1, comm="server"),
        row("fork", at(1), pid=100, start=born(1), ppid=1, comm="supervisor"),
        sent(2, 15, 100),
        sent(3, 15, 100, "pending"),
        sent(4, 15, 100, "ignored"),
        sent(5, 34, 100, "overflow"),
        sent(6, 11, None),
        sent(7, 99, None, "stripped"),
    ]
    with sysmon.open(write(tmp_path / "t.parquet", rows)) as trace:
        found = trace.report("signals")
        names = ("signal", "sent", "dropped", "sender_pid", "sender", "pid", "comm")
        assert found.select(*names).fetchall() == [
            ("SIGTERM", 3, 2, 100, "supervisor", 7, "server"),
            ("SIGSEGV", 1, 0, None, None, 7, "server"),
            ("SIGRT_2", 1, 1, 100, "supervisor", 7, "server"),
            ("99", 1, 0, None, None, 7, "server"),
        ]
        assert found.select("epoch_ns(last_at) - epoch_ns(first_at)").fetchall()[0] == (2 * 10**9,)
