"""One value identifies a process, in joins, groups and partitions."""

from pathlib import Path

import sysmon
from tests import traces
from tests.traces import at, born, row


def used(pid: int, start: int | None, oncpu_ns: int) -> traces.Row:
    return row("cpu", at(1), pid=pid, start=start, oncpu_ns=oncpu_ns)


def test_a_reused_pid_is_another_process_and_an_unknown_start_is_equal_to_itself(tmp_path: Path) -> None:
    rows = [used(7, born(0), 1), used(7, born(0), 2), used(7, born(1), 4), used(7, None, 8), used(7, None, 16)]
    rows.append(used(8, None, 32))
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        found = trace.sql(
            "SELECT p.pid, p.start, SUM(c.oncpu_ns), COUNT(*) FROM cpu AS c JOIN processes AS p USING (process_key) "
            "GROUP BY process_key, p.pid, p.start ORDER BY p.pid, p.start"
        ).fetchall()
        grouped = trace.sql("SELECT SUM(oncpu_ns) AS ns FROM cpu GROUP BY process_key ORDER BY ns").fetchall()
    assert found == [(7, born(0), 3, 2), (7, born(1), 4, 1), (7, None, 24, 2), (8, None, 32, 1)]
    assert [ns for (ns,) in grouped] == [3, 4, 24, 32]


def test_a_parent_whose_start_is_unknown_is_nobody(tmp_path: Path) -> None:
    rows = [
        row("exec", at(1), pid=7, start=None, comm="nobody"),
        row("exec", at(1), pid=8, start=born(0), ppid=7, parent_start=None, comm="orphan"),
        row("exec", at(1), pid=9, start=born(1), ppid=8, parent_start=born(0), comm="child"),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        found = trace.sql(
            "SELECT c.pid, c.parent_key, p.comm FROM processes AS c "
            "LEFT JOIN processes AS p ON p.process_key = c.parent_key ORDER BY c.pid"
        ).fetchall()
    assert found == [(7, None, None), (8, None, None), (9, {"pid": 8, "start": born(0)}, "orphan")]
