"""Row groups put together from pages: other readers see what Arrow would have written."""

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import KINDS, lifecycle
from sysmon.bpf.trace_file import encoder, footer, nulls, pages, schema, sink, tables, thrift

EMPTY = encoder.empty_file(schema.wide())
CUT_AT = 5000


def file_of(*tables: pa.Table) -> bytes:
    """A file with one row group per table."""
    encoding, out, groups = encoder.Encoder(EMPTY), io.BytesIO(), []
    out.write(footer.MAGIC)
    for table in tables:
        group = encoding.row_group(table, out.tell())
        out.write(group.data)
        groups.append(group.said)
    out.write(footer.with_row_groups(footer.read(EMPTY), sum(t.num_rows for t in tables), groups, {}))
    return out.getvalue()


def table_of(kind: Kind, rows: int) -> pa.Table:
    """Rows of the kind in which every third value of each column is NULL."""
    values: dict[str, object] = {}
    for field in schema.of_kind(kind):
        if pa.types.is_list(field.type):
            some = [[], ["a", "b"], None, [""], ["c", None]]
        elif pa.types.is_string(field.type) or pa.types.is_binary(field.type):
            some = ["", "x", None, "long " * 50]
        elif pa.types.is_boolean(field.type):
            some = [True, False, None]
        else:
            some = [0, 1, None, 100]
        column = [None if i % 3 == 2 else some[i % len(some)] for i in range(rows)]
        values[field.name] = pa.array(column, field.type)
    return tables.of_kind(kind.name, pa.table(values, schema=schema.of_kind(kind)))


def widened(table: pa.Table) -> pa.Table:
    """The same with all columns of a trace."""
    wide = schema.wide()
    columns = [
        table.column(f.name).cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type)
        for f in wide
    ]
    return pa.table(columns, schema=wide)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
@pytest.mark.parametrize("rows", [1, 2, 127, 128, CUT_AT])
def test_every_kind_is_read_back_unchanged(kind: Kind, rows: int) -> None:
    table = table_of(kind, rows)
    read = pq.read_table(io.BytesIO(file_of(table)), page_checksum_verification=True)
    assert read.cast(schema.wide()).equals(widened(table))


def test_kinds_that_share_a_row_group(tmp_path: Path) -> None:
    both = tables.joined([table_of(lifecycle.EXEC, 20), table_of(lifecycle.EXIT, 30)])
    data = file_of(table_of(lifecycle.FORK, 10), both)
    assert pq.read_table(io.BytesIO(data)).cast(schema.wide()).slice(10).equals(widened(both))
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    rows = duckdb.sql(f"SELECT kind, count(*), count(path), count(argv) FROM '{path}' GROUP BY kind ORDER BY kind")
    paths = table_of(lifecycle.EXEC, 20).column("path")
    lists = table_of(lifecycle.EXEC, 20).column("argv")
    assert rows.fetchall() == [
        ("exec", 20, 20 - paths.null_count, 20 - lists.null_count),
        ("exit", 30, 0, 0),
        ("fork", 10, 0, 0),
    ]


@given(st.integers(1, 1 << 20), st.booleans())
def test_null_pages_of_any_length(rows: int, repeated: bool) -> None:
    null = nulls.page(rows, repeated)
    (page,) = pages._pages(null.data)
    assert page.values == rows and page.bytes == len(null.data)
    levels = pa.decompress(
        null.data[page.header_bytes :], page.uncompressed - page.header_bytes, codec="zstd", asbytes=True
    )
    assert len(levels) + page.header_bytes == null.uncompressed
    part = levels[: len(levels) // 2] if repeated else levels
    assert int.from_bytes(part[:4], "little") == len(part) - 4 and part[-1] == 0  # each level is 0
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(part[4:-1])) == rows << 1  # in one run


def test_the_footer_follows_from_the_pages() -> None:
    table = table_of(lifecycle.EXEC, 300)
    group = encoder.Encoder(EMPTY).row_group(table, 4)
    rebuilt = pages.row_group(group.data, 4, 300, footer.leaves(footer.read(EMPTY)))
    out = footer.MAGIC + group.data + footer.with_row_groups(footer.read(EMPTY), 300, [thrift.dump(rebuilt)], {})
    assert pq.read_table(io.BytesIO(out)).equals(pq.read_table(io.BytesIO(file_of(table))))


def test_missing_columns_cost_next_to_nothing() -> None:
    ts = tables.of_kind("fork", pa.table({"ts": pa.array(range(CUT_AT), pa.timestamp("ns", tz="UTC"))}))
    group = encoder.Encoder(EMPTY).row_group(ts, 4)
    columns = len(footer.leaves(footer.read(EMPTY)))
    assert len(group.data) < 50 * columns


def test_texts_and_dictionaries_of_texts_come_together() -> None:
    plain = pa.RecordBatch.from_pylist([{"pid": 1, "comm": "a"}, {"pid": 2, "comm": None}])
    index = pa.array([1, None, 0], pa.int32())
    chosen = pa.RecordBatch.from_arrays(
        [pa.array([3, 4, 5]), pa.DictionaryArray.from_arrays(index, ["a", "b"])], ["pid", "comm"]
    )
    bare = pa.RecordBatch.from_pylist([{"pid": 6}])
    for batches in ([plain, chosen, bare], [chosen, bare, plain], [bare, chosen, chosen]):
        table = tables.together(batches)
        assert table.to_pylist() == [{"comm": None, **row} for batch in batches for row in batch.to_pylist()]
        both = tables.joined([tables.of_kind("fork", table), tables.of_kind("exit", table)])
        data = pq.read_table(io.BytesIO(file_of(both)), columns=["kind", "pid", "comm"])
        assert data.column("comm").to_pylist() == 2 * table.column("comm").to_pylist()
        assert data.column("kind").to_pylist() == ["fork"] * table.num_rows + ["exit"] * table.num_rows


def test_very_many_rows_are_several_row_groups_but_kinds_that_share_one_stay_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink, "MOST_ROWS", 20)
    out = io.BytesIO()
    writing = sink.Sink(out, EMPTY)
    groups = [
        *writing.write({"fork": table_of(lifecycle.FORK, 50)}),
        *writing.write({"exec": table_of(lifecycle.EXEC, 20), "exit": table_of(lifecycle.EXIT, 30)}),
    ]
    writing.finish({})
    assert [group.rows for group in groups] == [{"fork": 20}, {"fork": 20}, {"fork": 10}, {"exec": 20, "exit": 30}]
    found = pq.ParquetFile(io.BytesIO(out.getvalue())).metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [20, 20, 10, 50]
    assert found.num_rows == 100
