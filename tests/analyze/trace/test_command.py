"""The processes of a recorded command, among all others."""

from pathlib import Path

import pytest

import sysmon
from sysmon.errors import BadRequest
from tests.traces import Row, at, born, row, write

RECORDER = 900


def forked(second: float, pid: int, parent: int, parent_born: float) -> Row:
    return row(
        "fork", at(second), pid=pid, start=born(second), ppid=parent, parent_start=born(parent_born), comm=f"p{pid}"
    )


def pids(path: Path, **asked: object) -> list[int]:
    with sysmon.open(path, **asked) as trace:  # type: ignore[arg-type]
        return [pid for (pid,) in trace.sql("SELECT pid FROM processes ORDER BY pid").fetchall()]


def test_the_command_and_all_that_descend_from_it(tmp_path: Path) -> None:
    """A pid that is used again, later, is another process."""
    rows = [forked(1, 10, RECORDER, -1), forked(2, 11, 10, 1), forked(3, 12, 11, 2), forked(4, 20, 1, -900),
            forked(5, 10, 20, 4), forked(6, 21, 10, 5)]  # fmt: skip
    asked = {"command": ["make"], "children": False, "command_pid": 10, "recorder_pid": RECORDER}
    path = write(tmp_path / "t.parquet", rows, **asked)
    assert set(pids(path)) >= {10, 11, 12, 20, 21}
    assert pids(path, command=True) == [10, 11, 12]


def test_a_cycle_of_parents_ends(tmp_path: Path) -> None:
    """As only a damaged trace has it: each is the other's parent, and so is the recorder its own command."""
    rows = [forked(1, 10, RECORDER, 1), forked(1, RECORDER, 10, 1), forked(2, 11, 10, 1)]
    asked = {"command": ["make"], "children": False, "command_pid": 10, "recorder_pid": RECORDER}
    assert 11 in pids(write(tmp_path / "t.parquet", rows, **asked), command=True)


def test_of_a_trace_without_a_command(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [forked(1, 10, 1, -900)])
    with pytest.raises(BadRequest, match="no process of a command"):
        sysmon.open(path, command=True)


def test_an_older_trace_of_a_command_alone_is_all_its(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [forked(1, 10, RECORDER, -1)], command=["make"], children=True)
    assert 10 in pids(path, command=True)
