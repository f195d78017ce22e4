"""The report `remarks`."""

from pathlib import Path

import sysmon
from tests.traces import at, row, write


def test_marks_and_notes_in_order_of_time(tmp_path: Path) -> None:
    rows = [
        row("note", at(2), text="slow from here", until=at(4), pid=7, noted=at(100)),
        row("mark", at(3), text="deploy 42", pid=50, uid=1000),
        row("note", at(1), text="all is well", noted=at(101)),
    ]
    path = write(tmp_path / "t.parquet", rows)
    with sysmon.open(path) as trace:
        found = trace.report("remarks").select("epoch_ns(ts), epoch_ns(until), remark, text, pid, uid")
        assert found.fetchall() == [
            (at(1), None, "note", "all is well", None, None),
            (at(2), at(4), "note", "slow from here", 7, None),
            (at(3), None, "mark", "deploy 42", 50, 1000),
        ]
    with sysmon.open(path, since="+2", until="+3") as trace:
        assert [text for (text,) in trace.report("remarks").select("text").fetchall()] == ["slow from here"]
