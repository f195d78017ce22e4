"""What a Python program passes wrongly gets one line that names the argument and says what to give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import sysmon
from tests import traces
from tests.traces import at, born, row

ROWS = [
    row("exec", at(1), pid=7, start=born(0), comm="true", path="/bin/true", argv=["true"]),
    row("exec", at(1), pid=11, start=born(0), comm="false", path="/bin/false", argv=["false"]),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return traces.write(tmp_path_factory.mktemp("arguments") / "trace.parquet", ROWS)


class Bytes:
    def __fspath__(self) -> bytes:
        return b"trace.parquet"


@pytest.mark.parametrize("given", ["", b"trace.parquet", Bytes(), 5, None, True, ["trace.parquet"], pd.DataFrame()])
def test_what_is_no_trace(given: Any) -> None:
    for opened, name in (
        (lambda: sysmon.open(given), "path"),
        (lambda: sysmon.compare(given, "after.parquet"), "before"),
        (lambda: sysmon.compare("before.parquet", given), "after"),
    ):
        with pytest.raises(sysmon.BadRequest, match=rf"^{name}: .*; give a file name such as 'trace.parquet', a pat"):
            opened()


WRONG = [
    ("pids", 7, "pids: 7 is not right; give a list, such as [1234]"),
    ("pids", "7", "pids: '7' is not right; give a list, such as [1234]"),
    ("pids", None, "pids: None is not right; give a list, such as [1234]"),
    ("pids", ["x"], "pids: 'x' is not right; give the number of a process, such as 1234"),
    ("pids", [1.5], "pids: 1.5 is not right; give the number of a process, such as 1234"),
    ("pids", [True], "pids: True is not right; give the number of a process, such as 1234"),
    ("pids", [-1], "pids: -1 is not right; give the number of a process, such as 1234"),
    ("pids", [1 << 32], "pids: 4294967296 is not right; give the number of a process, such as 1234"),
    ("comms", "bash", "comms: 'bash' is not right; give a list, such as ['bash']"),
    ("comms", [5], "comms: 5 is not right; give text, such as 'bash'"),
    ("comms", [b"bash"], "comms: b'bash' is not right; give text, such as 'bash'"),
    ("comms", ["\udc80"], r"comms: '\udc80' is not right; give text, such as 'bash'"),
    ("cgroups", "/a", "cgroups: '/a' is not right; give a list, such as ['/system.slice']"),
    ("cgroups", [None], "cgroups: None is not right; give text, such as '/system.slice'"),
    ("since", 5, "since: 5 is not right; give text, such as '+1.5' or '2026-01-31T12:00:00'"),
    ("until", 5.5, "until: 5.5 is not right; give text, such as '+1.5' or '2026-01-31T12:00:00'"),
    ("since", "x" * 100, None),
]


@pytest.mark.parametrize(("name", "given", "said"), WRONG)
def test_what_chooses_no_part(path: Path, name: str, given: Any, said: str | None) -> None:
    with pytest.raises(sysmon.BadRequest) as caught:
        sysmon.open(path, **{name: given})
    assert said is None or str(caught.value) == said
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda t: t.move(1.5, None), "since_ns: 1.5 is not right; give whole nanoseconds since 1970"),
        (lambda t: t.move(None, "+1"), r"until_ns: '\+1' is not right; give whole nanoseconds"),
        (lambda t: t.move(1 << 63, None), "since_ns: 9223372036854775808 is not right"),
        (lambda t: t.report(5), "name: 5 is not right; give text, such as 'syscalls'"),
        (lambda t: t.report("syscalls", pid="7"), r"pid: '7' is not right; give a list, such as \[1234\]"),
        (lambda t: t.report("syscalls", pid=[7.0]), "pid: 7.0 is not right; give the number of a process"),
        (lambda t: t.report("syscalls", pid=7.0), "pid: 7.0 is not right; give the number of a process"),
        (lambda t: t.chart(5), "name: 5 is not right; give text, such as 'cpu'"),
        (lambda t: t.chart("latency", syscall=5), "syscall: 5 is not right; give text, such as 'read'"),
        (lambda t: t.chart("cpu", pid="7"), "pid: '7' is not right"),
        (lambda t: t.sql(5), "query: 5 is not right; give text, such as 'SELECT"),
        (lambda t: t.rows("exec"), r"kinds: 'exec' is not right; give a list, such as \['exec'\]"),
        (lambda t: sysmon.compare(t, t, comms="true"), "comms: 'true' is not right; give a list"),
        (lambda t: sysmon.compare(t, t, min_change_pct="25"), "min_change_pct: '25' is not right; give a percentage"),
        (lambda t: sysmon.compare(t, t, min_change_pct=float("nan")), "min_change_pct: nan is not right"),
        (lambda t: sysmon.compare(t, t, min_change_pct=-1), "min_change_pct: -1 is not right"),
    ],
)
def test_what_asks_for_nothing(path: Path, asked: Callable[[Any], Any], said: str) -> None:
    with sysmon.open(path) as trace, pytest.raises(sysmon.BadRequest, match=f"^{said}"):
        asked(trace)


def test_numbers_of_numpy_and_pandas_are_numbers(path: Path) -> None:
    for pids in (np.array([7], dtype=np.uint32), pd.Series([7]), iter([np.int64(7)])):
        with sysmon.open(path, pids=pids) as trace:
            assert trace.sql("SELECT pid FROM execs").fetchall() == [(7,)]
    with sysmon.open(path) as trace:
        assert trace.report("execs", pid=np.int64(7)).fetchall() == trace.report("execs", pid=[7]).fetchall() != []


def test_a_table_of_a_file_is_a_trace(path: Path) -> None:
    with sysmon.open(pq.read_table(path)) as trace:
        assert trace.sql("SELECT pid FROM execs ORDER BY pid").fetchall() == [(7,), (11,)]
    with sysmon.compare(pq.read_table(path), path) as compared:
        assert compared.changes("files") == 0


@pytest.mark.parametrize(
    "asked",
    [
        lambda t: t.report("execs"),
        lambda t: t.report("execs", pid=7),
        lambda t: t.sql("SELECT * FROM execs"),
        lambda t: t.rows(),
        lambda t: t.chart("lifetimes"),
        lambda t: t.chart("lifetimes", pid=7),
        lambda t: t.move(None, None),
        lambda t: t.refresh(),
        lambda t: t.part((7,)),
        lambda t: next(t.by_cgroup()),
        lambda t: sysmon.compare(t, t),
        lambda t: t.__enter__(),
    ],
)
def test_a_closed_trace_says_so(path: Path, asked: Callable[[Any], Any]) -> None:
    trace = sysmon.open(path)
    trace.report("execs").fetchall()
    trace.close()
    trace.close()
    with pytest.raises(sysmon.BadRequest, match=r"^the trace is closed: open it again, and read its rows before it"):
        asked(trace)


def test_a_closed_comparison_says_so(path: Path) -> None:
    compared = sysmon.compare(path, path)
    compared.close()
    for asked in (lambda: compared.rows("files"), lambda: compared.changes("cpu"), lambda: compared.length_s):
        with pytest.raises(sysmon.BadRequest, match=r"^the comparison is closed"):
            asked()


def test_rows_that_were_read_stay(path: Path) -> None:
    with sysmon.open(path) as trace:
        kept = trace.report("execs").df()
        late = trace.report("execs")
    assert len(kept) == 2
    with pytest.raises(duckdb.Error):
        late.fetchall()
