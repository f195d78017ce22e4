"""The catalogue: the names that SQL over a trace can use, their dependencies, and what is kept while a window moves."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import sysmon
from sysmon.analyze.trace import views
from sysmon.analyze.trace.catalog import Catalog, Entry
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.rules import few, shared_by
from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view
from sysmon.analyze.trace.trace import Trace

SAMPLES = Path(__file__).parents[3] / "sample_traces"

SIDES = [read_view(path) for path in sorted((DIRECTORY / "diff" / "side").glob("*.sql"))]

FILES: list[View] = [*views.derived(), *shared_by(), few("finding.ranked_stats"), *SIDES]


def catalog(*entries: Entry) -> Catalog:
    return Catalog(duckdb.connect(), entries)


@pytest.fixture(scope="module")
def parser() -> Catalog:
    """Knows all names in files, to parse their queries."""
    of_trace = {entry.name for entry in views.all_of_a_trace(lambda kind: "")}
    names = of_trace | {view.full_name for view in FILES} | {"unfiltered.stored"}
    return catalog(*(Entry(name, (), "SELECT 1") for name in sorted(names)))


@pytest.mark.parametrize("view", FILES, ids=lambda view: view.full_name)
def test_a_file_declares_what_its_query_names(view: View, parser: Catalog) -> None:
    """No more and no less, by DuckDB's parser."""
    assert set(view.needs) == parser.named_in(view.query)
    assert list(view.needs) == sorted(set(view.needs))


def test_macros_declare_what_they_call() -> None:
    for macro in views.macros():
        made = Catalog(duckdb.connect(), [Entry.of(macro) for macro in views.macros()])
        made.require([f"unfiltered.{macro.name}"])


def test_needs_are_made_first_and_once() -> None:
    c = duckdb.connect()
    made = Catalog(
        c,
        [
            Entry("report.a", ("main.b", "main.c"), "SELECT b.x + c.x FROM main.b, main.c", ("x",)),
            Entry("main.b", ("main.c",), "SELECT x + 1 FROM main.c", ("x",), kept="window"),
            Entry("main.c", (), "SELECT getvariable('v') AS x"),
        ],
    )
    c.execute("SET VARIABLE v = 1")
    assert made.require(["report.a"]) == set()
    assert c.execute("FROM report.a").fetchall() == [(3,)]
    c.execute("SET VARIABLE v = 10")
    assert c.execute("FROM report.a").fetchall() == [(12,)]  # b is kept
    made.forget("window")
    made.require(["report.a"])
    assert c.execute("FROM report.a").fetchall() == [(21,)]


def test_a_view_becomes_a_table_when_it_is_read() -> None:
    c = duckdb.connect()
    made = Catalog(c, [Entry("main.b", (), "SELECT getvariable('v') AS x", kept="window")])
    made.require(["main.b"], keep=False)
    c.execute("SET VARIABLE v = 1")
    assert made.require(["main.b"]) == {"main.b"}
    c.execute("SET VARIABLE v = 2")
    assert c.execute("FROM main.b").fetchall() == [(1,)]


def test_a_failed_statement_does_not_count_as_made() -> None:
    c = duckdb.connect()
    made = Catalog(c, [Entry("main.b", (), "SELECT error('no') AS x", kept="window")])
    for _ in range(2):
        with pytest.raises(duckdb.Error, match="no"):
            made.require(["main.b"])
    made.exchange([Entry("main.b", (), "SELECT 5 AS x", kept="window")])
    made.require(["main.b"])
    assert c.execute("FROM main.b").fetchall() == [(5,)]


def test_a_replaced_entry_is_made_again() -> None:
    c = duckdb.connect()
    made = Catalog(
        c, [Entry("main.a", ("main.b",), "FROM main.b"), Entry("main.b", (), "SELECT 1 AS x", kept="window")]
    )
    made.require(["main.a"])
    made.exchange([Entry("main.b", (), "SELECT 2 AS x")])
    made.require(["main.a"])
    assert c.execute("FROM main.a").fetchall() == [(2,)]


def rows(trace: Trace, name: str) -> list[object]:
    return [*map(repr, Result.of(trace.report(name)).rows)]


@pytest.fixture(scope="module")
def moved() -> Iterator[Trace]:
    """A trace of which every report was read, in windows that have moved since."""
    with sysmon.open(SAMPLES / "database.parquet") as trace:
        start = trace.metadata["started_ns"]
        for since, until in ((None, None), (start + 10**9, start + 2 * 10**9)):
            trace.move(since, until)
            for report in reports():
                trace.report(report.name).fetchall()
        trace.move(start + 2_000_000_000, start + 6_000_000_000)
        yield trace


@pytest.fixture(scope="module")
def fresh() -> Iterator[Trace]:
    with sysmon.open(SAMPLES / "database.parquet", since="2", until="6") as trace:
        yield trace


@pytest.mark.parametrize("name", [report.name for report in reports()])
def test_a_moved_window_has_the_rows_of_a_newly_opened_one(moved: Trace, fresh: Trace, name: str) -> None:
    assert rows(moved, name) == rows(fresh, name)


def test_the_window_can_be_moved_back_to_all_and_is_never_empty() -> None:
    with sysmon.open(SAMPLES / "database.parquet") as trace:
        every = rows(trace, "cpu")
        trace.move(trace.metadata["started_ns"], trace.metadata["started_ns"] + 1)
        assert rows(trace, "cpu") == []
        trace.move(None, None)
        assert rows(trace, "cpu") == every
        with pytest.raises(sysmon.BadRequest, match="window is empty"):
            trace.move(5, 5)


def test_chosen_processes_stay_chosen_when_the_window_moves() -> None:
    with sysmon.open(SAMPLES / "database.parquet") as trace:
        ((pid,),) = trace.sql("SELECT pid FROM processes ORDER BY cpu_ns DESC LIMIT 1").fetchall()
    with sysmon.open(SAMPLES / "database.parquet", pids=[pid]) as trace:
        trace.move(trace.metadata["started_ns"] + 10**9, None)
        assert {row[0] for row in trace.report("cpu").fetchall()} == {pid}


def test_parts_and_commands_follow_the_moved_window() -> None:
    """A part with some processes, its command line, and the commands in findings."""
    with sysmon.open(SAMPLES / "database.parquet", since="1") as trace:
        ((pid,),) = trace.sql("SELECT pid FROM processes ORDER BY cpu_ns DESC LIMIT 1").fetchall()
        start = trace.metadata["started_ns"]
        trace.move(start + 2 * 10**9, start + 6 * 10**9)
        with sysmon.open(SAMPLES / "database.parquet", since="2", until="6") as fresh:
            assert trace.report("cpu", pid=pid).fetchall() == fresh.report("cpu", pid=pid).fetchall()
        words = trace.options
        assert words[::2] == ["--since", "--until"]
        with sysmon.open(SAMPLES / "database.parquet", since=words[1], until=words[3]) as again:
            assert (again.since_ns, again.until_ns) == (trace.since_ns, trace.until_ns)
        ((said,),) = trace.own("SELECT getvariable('window_options')").fetchall()
        assert said == f" --since {words[1]} --until {words[3]}"


def test_an_unknown_table_is_reported_quickly() -> None:
    """Without creating all views, which takes seconds."""
    with sysmon.open(SAMPLES / "web.parquet") as trace:
        for query, near in (
            ("FROM cpuu", "cpu"),
            ("FROM report.syscals", "report.syscalls"),
            ('FROM "report"."syscals"', "report.syscalls"),
            ("FROM zzzzzz", "`SHOW ALL TABLES` lists them"),
        ):
            with pytest.raises(sysmon.BadRequest, match="there is no table") as told:
                trace.sql(query)
            assert near in str(told.value)
        assert trace.sql('SELECT COUNT(*) > 0 FROM "report"."cpu"').fetchall() == [(True,)]
        assert trace.sql("SELECT COUNT(*) > 0 FROM Report.CPU").fetchall() == [(True,)]
        assert len(trace._opened.connection.execute("FROM duckdb_views() WHERE NOT internal").fetchall()) < 100
