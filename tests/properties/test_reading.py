"""What holds for every trace: views return what was written, windows add up, order is total, damage is refused."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sysmon
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Bytes, Instant, Value
from sysmon.bpf.kind import Col
from sysmon.bpf.kinds import KINDS
from sysmon.errors import SysmonError
from tests import traces
from tests.lengths import examples
from tests.traces import Row, at

pytestmark = pytest.mark.slow

RARELY = settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])

SOME_REPORTS = st.lists(st.sampled_from([r.name for r in reports()]), min_size=6, max_size=6, unique=True)
"""All reports together take a second and a half of CPU time per trace."""

# Few pids and few instants, so that rows meet.
PIDS = st.integers(1, 4)
STARTS = st.sampled_from([10 * 10**9, 20 * 10**9])
TIMES = st.integers(0, 20).map(lambda half: at(half / 2))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)

STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 2**8 - 1),
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "start": st.integers(0, 2**64 - 1),
    "s32": st.integers(-(2**31), 2**31 - 1),
    "s64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "comm": TEXT,
    "text": TEXT,
    "choice": TEXT,
    "bytes": TEXT,
    "names": TEXT,
    "address": TEXT,
    "binary": st.binary(max_size=30),
    "argv": st.lists(TEXT, max_size=3),
    "time": st.integers(-(2**62), 2**62),
}

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "ts": TIMES,
    "pid": PIDS,
    "ppid": PIDS,
    "start": STARTS,
    "parent_start": STARTS,
    "edge": st.sampled_from(["start", "end", "both"]),
    "syscall": st.sampled_from(["read", "write", "connect", "openat", "fcntl", "futex", "mremap"]),
}


def test_each_type_has_values() -> None:
    assert {col.type for kind in KINDS for col in kind.cols} <= STRATEGIES.keys()


def values(col: Col) -> st.SearchStrategy[Any]:
    known = BY_NAME[col.name] if col.name in BY_NAME else STRATEGIES[col.type]
    return known if col.name in ("ts", "pid", "start") else st.none() | known


ROWS = st.lists(
    st.sampled_from(KINDS).flatmap(
        lambda kind: st.fixed_dictionaries({"kind": st.just(kind.name), **{c.name: values(c) for c in kind.cols}})
    ),
    max_size=30,
)


@contextlib.contextmanager
def opened(rows: list[Row], **part: Any) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        path = traces.write(Path(directory) / "t.parquet", rows)
        with sysmon.open(path, **part) as trace:
            yield trace


def apart(rows: list[Row]) -> list[Row]:
    """The rows, no two at the same instant: of two contradicting rows either may win."""
    return [{**r, "ts": r["ts"] + i} for i, r in enumerate(rows)]


def exact(value: Value) -> object:
    """The value as it was written."""
    return int(value) if isinstance(value, Instant) else value.raw if isinstance(value, Bytes) else value


def key(row: tuple[Any, ...]) -> str:
    return repr(row)


@RARELY
@given(ROWS)
def test_views_give_what_was_written(rows: list[Row]) -> None:
    with opened(rows) as trace:
        for kind in KINDS:
            names = [c.name for c in kind.cols]
            written = [tuple(r[n] for n in names) for r in rows if r["kind"] == kind.name]
            columns = ", ".join(f'"{n}"' for n in names)
            found = Result.of(trace.own(f'SELECT {columns} FROM unfiltered."{kind.view}"'))
            read = [tuple(map(exact, r)) for r in found.rows]
            assert sorted(read, key=key) == sorted(written, key=key)


@RARELY
@given(ROWS)
def test_every_report_answers_every_trace(rows: list[Row]) -> None:
    with opened(rows) as trace, trace.reading():
        for report in reports():
            trace.report(report.name).fetchall()
        assert len(trace.rows().fetchall()) == len(rows)


@RARELY
@given(ROWS, TIMES)
def test_cutting_a_trace_in_two_changes_no_total(rows: list[Row], cut: int) -> None:
    when = f"+{(cut - traces.T0) / 10**9}"
    with opened(rows) as whole, opened(rows, until=when) as before, opened(rows, since=when) as after:
        for kind in KINDS:
            query = f'SELECT * FROM main."{kind.view}"'
            if kind.view == "exits":
                query = "SELECT * EXCLUDE (cpu_ns, syscalls) FROM main.exits"
            both = before.own(query).fetchall() + after.own(query).fetchall()
            assert sorted(map(repr, both)) == sorted(map(repr, whole.own(query).fetchall())), kind.of_interval


@settings(RARELY, max_examples=examples(30))
@given(ROWS, SOME_REPORTS, st.randoms(use_true_random=False))
def test_reports_do_not_depend_on_the_order_of_rows(rows: list[Row], names: list[str], random: Any) -> None:
    mixed = random.sample(apart(rows), len(rows))
    with opened(apart(rows)) as one, opened(mixed) as other:
        for name in names:
            assert one.report(name).fetchall() == other.report(name).fetchall(), name


@RARELY
@given(ROWS)
def test_a_histogram_holds_the_calls_that_returned(rows: list[Row]) -> None:
    few = [{**r, "calls": r["calls"] and r["calls"] % 1000} if r["kind"] == "syscall_stats" else r for r in rows]
    returned = sum(
        r["calls"] or 0 for r in few if r["kind"] == "syscall_stats" and r["bucket"] is not None and r["bucket"] < 487
    )
    with opened(few) as trace:
        found = trace.own("SELECT COALESCE(SUM(calls), 0) FROM report.syscall_histogram").fetchall()
    assert found == [(returned,)]


@settings(max_examples=examples(60), deadline=None)
@given(st.data(), SOME_REPORTS)
def test_a_damaged_file_is_refused_or_read(data: st.DataObject, names: list[str]) -> None:
    """Whatever bytes change, the outcome is an answer or one line: never a traceback or a crash."""
    rows = [traces.row("exec", at(1), pid=7, start=10**10, comm="true", argv=["true", "x" * 50])]
    with tempfile.TemporaryDirectory() as directory:
        path = traces.write(Path(directory) / "t.parquet", rows)
        whole = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(4, len(whole) - 9))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole)
        with contextlib.suppress(SysmonError), sysmon.open(path) as trace, trace.reading():
            trace.rows().fetchall()
            for name in names:
                trace.report(name).fetchall()
