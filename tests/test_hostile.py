"""Malicious traces: each is shown, or refused with one line, in bounded memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import sysmon
from sysmon.analyze import charts
from sysmon.analyze.charts import data, lifetimes
from sysmon.analyze.html.report import write_html
from sysmon.bpf.trace_file import schema
from sysmon.commands import cli
from sysmon.errors import BrokenTrace, SysmonError
from tests import hostile, traces

pytestmark = pytest.mark.slow

COMMANDS = (
    ["report"],
    ["dump"],
    ["info"],
    ["report", "processes"],
    ["report", "lives"],
    ["report", "latency_timeline"],
)

MIB = 1 << 20


@cache
def base(texts: tuple[str, ...] = hostile.TEXTS) -> pa.Table:
    """A small trace with all kinds, as a table with its file's metadata."""
    with tempfile.TemporaryDirectory() as folder, pq.ParquetFile(hostile.trace(Path(folder, "t"), texts)) as file:
        return file.read().replace_schema_metadata(file.metadata.metadata)


def saved(table: pa.Table, path: Path, **options: Any) -> Path:
    pq.write_table(table, path, compression="zstd", **options)
    return path


def said(path: Path, *arguments: str) -> str:
    """A command's answer about the trace: its output, or the line with which it refuses. Other errors are raised."""
    name, *rest = arguments
    done = CliRunner().invoke(cli, [name, str(path), *rest])
    if isinstance(done.exception, SysmonError):
        assert "\n" not in str(done.exception)
        return str(done.exception)
    if done.exception is not None:
        raise done.exception
    return done.output


def changed(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), values)


@pytest.mark.parametrize("name", ["file_row_number", "FILE_ROW_NUMBER"])
def test_a_column_named_like_the_row_number_is_refused(tmp_path: Path, name: str) -> None:
    table = base()
    path = saved(table.append_column(name, pa.array([1] * len(table))), tmp_path / "t.parquet")
    for command in COMMANDS:
        assert "has a column file_row_number, which no sysmon writes" in said(path, *command)


@pytest.mark.parametrize(
    "name", ['x"; DROP SCHEMA main; --', "row_number", "getvariable", "trace", "k", "COMM", "filename"]
)
def test_a_column_of_any_other_name_changes_nothing(tmp_path: Path, name: str) -> None:
    table = base()
    path = saved(table.append_column(name, pa.array([[1]] * len(table))), tmp_path / "t.parquet")
    plain = saved(table, tmp_path / "plain.parquet")
    for command in (["dump"], ["report", "processes"]):
        assert said(path, *command) == said(plain, *command)


def nested(depth: int) -> pa.DataType:
    made: pa.DataType = pa.int32()
    for _ in range(depth):
        made = pa.struct([("a", made)])
    return made


def extra(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    names = [*table.column_names, *columns]
    return pa.table([*table.columns, *columns.values()], names=names).replace_schema_metadata(table.schema.metadata)


def everywhere(name: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """Puts a value into all rows of a column."""

    def change(table: pa.Table) -> pa.Table:
        of = schema.wide().field(name).type
        whole = pa.int64() if pa.types.is_timestamp(of) else of
        return changed(table, name, pa.array([value] * len(table), whole).cast(of))

    return change


def twice(table: pa.Table) -> pa.Table:
    fields = pa.schema([*table.schema, table.schema.field("comm")], metadata=table.schema.metadata)
    return pa.Table.from_arrays([*table.columns, table["comm"]], schema=fields)


SHAPES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "deep": lambda t: extra(t, {"deep": pa.nulls(len(t), nested(100))}),
    "wide": lambda t: extra(t, {f"c{i}": pa.nulls(len(t), pa.int8()) for i in range(1000)}),
    "a column twice": twice,
    "no row": lambda t: t.slice(0, 0),
    "pids of 0": everywhere("pid", 0),
    "no pid": everywhere("pid", None),
    "no time": everywhere("ts", None),
    "no kind": everywhere("kind", None),
    "kinds unknown": everywhere("kind", "other"),
    "one process": everywhere("pid", 7),
    "before the start": everywhere("ts", 1),
    "a negative time of life": everywhere("ts", -1),
    "all rows again": lambda t: pa.concat_tables([t] * 3),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trace_of_an_unusual_shape_is_read(tmp_path: Path, shape: str) -> None:
    path = saved(SHAPES[shape](base()), tmp_path / "t.parquet")
    for command in COMMANDS:
        said(path, *command)


def test_a_trace_with_one_row_group_per_row_is_read(tmp_path: Path) -> None:
    path = saved(base(hostile.TEXTS[:4]), tmp_path / "t.parquet", row_group_size=1)
    for command in COMMANDS:
        said(path, *command)


def test_a_trace_without_row_groups_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.ParquetWriter(path, base().schema).close()
    for command in COMMANDS:
        said(path, *command)


@pytest.mark.parametrize("text", ["comm", "kind", "path", "argv", "path_bytes"])
def test_an_overlong_text_is_refused_without_taking_memory(tmp_path: Path, text: str) -> None:
    """One text of 10 MB shared by 20,000 rows, which would be 200 GB."""
    table = base()
    execs = table.filter(pa.compute.equal(table["kind"], "exec")).slice(0, 1)
    rows = execs.take(pa.array(np.zeros(20_000, dtype=np.int64)))
    value: Any = "B" * (10 * MIB)
    value = {"argv": [value], "path_bytes": value.encode()}.get(text, value)
    words = pa.DictionaryArray.from_arrays(np.zeros(20_000, dtype=np.int32), pa.array([value]))
    if text == "argv":
        words = pa.array([value] * 3)
        rows = rows.slice(0, 3)
    columns = [words if name == text else rows[name] for name in rows.column_names]
    made = pa.table(columns, names=rows.column_names).replace_schema_metadata(table.schema.metadata)
    path = saved(made, tmp_path / "t.parquet")
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({3 << 30}, {3 << 30}))"
    code = f"{limit}; import sysmon.cli; sysmon.cli.main()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [sys.executable, "-c", code, "dump", str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert done.returncode == 1, done.stderr
    assert f"column {text} has a text of more than" in done.stderr
    assert done.stderr.count("\n") == 1
    assert after <= max(before, MIB)  # KiB


def test_texts_as_long_as_can_be_recorded_are_read(tmp_path: Path) -> None:
    long = "\\xff" * 4096
    row = traces.row(
        "exec", traces.at(1), pid=7, start=traces.born(0), comm="\\xff" * 15, path=long, argv=["\\xff"] * 2048
    )
    path = traces.write(tmp_path / "t.parquet", [row])
    assert json.dumps(long) in said(path, "dump")
    with sysmon.open(path) as trace:
        assert trace.sql("SELECT path, len(argv) FROM execs").fetchall() == [(long, 2048)]


def test_a_long_text_does_not_widen_other_rows(tmp_path: Path) -> None:
    rows = [
        traces.row("exec", traces.at(i), pid=i + 1, start=traces.born(0), comm="a", path=path)
        for i, path in enumerate(["/bin/true", "/" + "x" * 4000])
    ]
    lines = said(traces.write(tmp_path / "t.parquet", rows), "sql", "SELECT path, pid FROM execs ORDER BY pid")
    assert [len(line) for line in lines.splitlines()] == [65, 65, 4006]


def test_a_failed_chart_is_reported_and_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hostile.trace(tmp_path / "t.parquet")
    monkeypatch.setattr(data, "MOST_ROWS", 0)
    monkeypatch.setattr(lifetimes, "MOST_LIVES", 0)
    with sysmon.open(path) as trace:
        with pytest.raises(BrokenTrace, match="more rows than a chart can show"):
            charts.draw(trace, "latency")
        with pytest.raises(BrokenTrace, match="more rows than a chart can show"):
            charts.draw(trace, "lifetimes")
        with (tmp_path / "page.html").open("wb") as stream:
            write_html(trace, stream)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "has more rows than a chart can show" in page
    assert str(tmp_path) not in page


def test_matplotlibs_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sysmon.analyze.charts import latency

    def fail(*_: object) -> None:
        raise OverflowError("too large\nto draw")

    monkeypatch.setattr(latency, "latency_axis", fail)
    path = hostile.trace(tmp_path / "t.parquet")
    with sysmon.open(path) as trace, pytest.raises(BrokenTrace, match=r"impossible values \(too large to"):
        charts.draw(trace, "latency")


@pytest.mark.parametrize("largest", [True, False])
def test_numbers_at_the_end_of_their_type_are_read_and_drawn(tmp_path: Path, largest: bool) -> None:
    table = base()
    for field in schema.wide():
        if pa.types.is_integer(field.type):
            info = np.iinfo(field.type.to_pandas_dtype())
            known = np.array([v is None for v in table[field.name].to_pylist()])
            ends = np.full(len(table), info.max if largest else info.min, dtype=info.dtype)
            table = changed(table, field.name, pa.array(ends, field.type, mask=known))
    path = saved(table, tmp_path / "t.parquet")
    for command in COMMANDS:
        said(path, *command)
    with sysmon.open(path) as trace, (tmp_path / "page.html").open("wb") as stream:
        write_html(trace, stream)


def test_extreme_times_are_read_and_drawn(tmp_path: Path) -> None:
    table = base()
    ends = np.where(np.arange(len(table)) % 2, 2**63 - 1, 1 - 2**63)
    path = saved(changed(table, "ts", pa.array(ends).cast(table.schema.field("ts").type)), tmp_path / "t.parquet")
    assert said(path, "dump").startswith("-infinity ")
    for command in COMMANDS:
        said(path, *command)
    with sysmon.open(path) as trace, (tmp_path / "page.html").open("wb") as stream:
        write_html(trace, stream)
