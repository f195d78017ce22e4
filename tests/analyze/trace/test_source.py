"""Files from strangers: what is not a trace is refused in one line that says why."""

import gc
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.bpf.trace_file import schema
from sysmon.errors import BadRequest, BrokenTrace, NewerTrace, NotATrace, SysmonError
from tests import traces
from tests.traces import T0, at, born, row

EXEC = row("exec", at(1), pid=7, start=born(0), comm="true", path="/bin/true", argv=["true"])


def read_all(path: Path) -> None:
    with sysmon.open(path) as trace, trace.reading():
        for report in ("syscalls", "processes", "execs"):
            trace.report(report).fetchall()
        trace.rows().fetchall()


def refusal(path: Path) -> SysmonError:
    with pytest.raises(SysmonError) as caught:
        read_all(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_file(tmp_path: Path) -> None:
    error = refusal(tmp_path / "absent.parquet")
    assert isinstance(error, NotATrace)
    assert "No such file" in str(error)


def test_directory_device_and_pipe_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "pipe"):
        assert isinstance(refusal(path), NotATrace)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello world, this is text", b"\x00" * 100])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    assert isinstance(refusal(path), NotATrace | BrokenTrace)


def test_other_parquet_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    error = refusal(tmp_path / "x.parquet")
    assert isinstance(error, NotATrace)
    assert "not a sysmon trace" in str(error)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = traces.write(tmp_path / "whole.parquet", [EXEC]).read_bytes()
    cut = tmp_path / "cut.parquet"
    for length in [*range(64), *range(64, len(whole), 97), *range(len(whole) - 32, len(whole))]:
        cut.write_bytes(whole[:length])
        assert isinstance(refusal(cut), NotATrace | BrokenTrace), length


def test_an_impossible_footer(tmp_path: Path) -> None:
    whole = bytearray(traces.write(tmp_path / "t.parquet", [EXEC]).read_bytes())
    for length in (0xFFFFFFFF, len(whole), 0, 1):
        whole[-8:-4] = length.to_bytes(4, "little")
        (tmp_path / "t.parquet").write_bytes(whole)
        assert isinstance(refusal(tmp_path / "t.parquet"), BrokenTrace)


def test_a_newer_trace_says_so(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", [EXEC], schema_version=schema.VERSION + 1)
    error = refusal(path)
    assert isinstance(error, NewerTrace)
    assert "install a newer sysmon" in str(error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": "1"}, "schema_version"),
        ({"started_ns": 1.5}, "started_ns"),
        ({"started_ns": 2**63}, "started_ns"),
        ({"host": []}, "host"),
        ({"host": {"name": "x"}}, "host.kernel"),
        ({"probes": [{"name": "x"}]}, "probes[0].tracepoint"),
        ({"pids": ["1"]}, "pids"),
        ({"rows": {"exec": True}}, "rows.exec"),
        ({"interval_s": None}, "interval_s"),
        ({"ended_ns": T0 - 1}, "ended_ns"),
    ],
)
def test_metadata_of_the_wrong_shape(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    error = refusal(traces.write(tmp_path / "t.parquet", [EXEC], **changes))
    assert isinstance(error, BrokenTrace)
    assert said in str(error)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"schema_version": ' + b"9" * 9999]
)
def test_metadata_that_is_not_an_object(tmp_path: Path, text: bytes) -> None:
    pq.write_table(
        pa.Table.from_pylist([EXEC], schema=schema.wide().with_metadata({schema.METADATA_KEY: text})),
        tmp_path / "t.parquet",
    )
    assert isinstance(refusal(tmp_path / "t.parquet"), BrokenTrace)


def with_column(path: Path, name: str, values: pa.Array | None) -> Path:
    """A trace in which one column is replaced or missing."""
    metadata = {schema.METADATA_KEY: json.dumps(traces.recording([EXEC])).encode()}
    table = pa.Table.from_pylist([EXEC], schema=schema.wide())
    at_index = table.schema.get_field_index(name)
    table = table.remove_column(at_index) if values is None else table.set_column(at_index, name, values)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pid", pa.array(["7"])),
        ("ts", pa.array([T0])),
        ("ts", pa.array([T0], pa.timestamp("ns"))),
        ("argv", pa.array(["true"])),
        ("start", pa.array([-1])),
        ("kind", None),
        ("ts", None),
    ],
)
def test_columns_of_the_wrong_type(tmp_path: Path, name: str, values: pa.Array | None) -> None:
    error = refusal(with_column(tmp_path / "t.parquet", name, values))
    assert isinstance(error, BrokenTrace)
    assert f"column {name}" in str(error)


def test_a_column_that_an_older_trace_lacks_is_unknown(tmp_path: Path) -> None:
    with sysmon.open(with_column(tmp_path / "t.parquet", "path_truncated", None)) as trace:
        assert trace.sql("SELECT pid, path_truncated FROM execs").fetchall() == [(7, None)]


@pytest.mark.parametrize(
    "name",
    ["plain.parquet", "a[1]*.parquet", "b?{x,y}.parquet", "[[]].parquet", 'sp ace\'s "quote";--.parquet', "é.parquet"],
)
def test_any_file_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "d[0-9]*"
    directory.mkdir()
    (tmp_path / "d5").mkdir()
    traces.write(tmp_path / "d5" / name, [])  # what the pattern would match instead
    with sysmon.open(traces.write(directory / name, [EXEC])) as trace:
        assert trace.sql("SELECT count(*) FROM execs").fetchall() == [(1,)]


def test_a_file_name_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.parquet")
    traces.write(tmp_path / "t.parquet", [EXEC]).rename(path)
    with pytest.raises(SysmonError, match="rename"):
        sysmon.open(path)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{other}')",
        "SELECT * FROM '{other}'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM parquet_kv_metadata('{other}')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/x''')",
        "COPY (SELECT 1) TO '{new}'",
        "ATTACH '{new}'",
        "EXPORT DATABASE '{new}'",
        "INSTALL httpfs",
        "LOAD '{new}'",
        "SET threads = 1",
        "SET VARIABLE trace = '{other}'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "CREATE TABLE t (a INTEGER)",
        "DROP VIEW execs",
        "DROP SCHEMA report CASCADE",
        "SELECT * FROM EXEC",
        "SELECT 1; SELECT 2",
        "SELECT $1",
        "",
        "-- nothing",
        "SELEC 1",
    ],
)
def test_a_query_reads_the_trace_and_nothing_else(tmp_path: Path, query: str) -> None:
    import duckdb

    other = traces.write(tmp_path / "other.parquet", [EXEC])
    new = tmp_path / "new"
    with sysmon.open(traces.write(tmp_path / "t.parquet", [EXEC])) as trace:
        with pytest.raises((BadRequest, duckdb.Error)):
            trace.sql(query.format(other=other, new=new)).fetchall()
        assert not new.exists()
        assert trace.sql("SELECT count(*) FROM execs").fetchall() == [(1,)]


def test_a_relation_goes_to_pandas_and_arrow(tmp_path: Path) -> None:
    with sysmon.open(traces.write(tmp_path / "t.parquet", [EXEC])) as trace:
        assert trace.sql("SELECT pid FROM execs").df()["pid"].tolist() == [7]
        assert trace.report("execs").arrow().read_all()["ts"].cast(pa.int64()).to_pylist() == [at(1)]
        assert trace.metadata["host"]["name"] == "testhost"


def test_a_relation_may_outlive_its_trace_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", [traces.row("exec", traces.at(1), pid=7, start=traces.born(0))])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        relation = sysmon.open(path).sql("SELECT pid FROM execs")
        gc.collect()
        assert relation.fetchall() == [(7,)]
        del relation
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_takes_over_the_name_is_not_read(tmp_path: Path) -> None:
    one, other = (
        traces.write(tmp_path / f"{pid}.parquet", [traces.row("exec", traces.at(1), pid=pid, start=traces.born(0))])
        for pid in (7, 8)
    )
    with sysmon.open(one) as trace:
        other.replace(one)
        with pytest.raises(BrokenTrace, match="replaced or removed during reading"), trace.reading():
            trace.sql("SELECT pid FROM execs").fetchall()
