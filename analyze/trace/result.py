"""Rows of a query as plain Python values, a batch at a time: the input of every output format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.analyze.trace.presentable import presentable
from sysmon.analyze.trace.values import Bytes, Instant, Value

BATCH_ROWS = 2_048
"""Rows that DuckDB computes at a time: smaller batches mean fewer rows in memory."""

PYTHON_ROWS, PYTHON_BYTES = 1_000, 8 << 20
"""Rows and bytes converted to Python at a time: many readers want only the first rows."""

INTERRUPTED = "INTERRUPT Error"
"""Begins what DuckDB says then."""

NS_PER = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Rows:
    """The rows of a query, readable once."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = _slices(batches)
        self._row: Iterator[tuple[Value, ...]] = iter(())

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        return self

    def __next__(self) -> tuple[Value, ...]:
        while True:
            for row in self._row:
                return row
            self._row = zip(*map(_values, next(self._batches).columns), strict=True)

    def count_rest(self) -> int:
        """Number of rows not read yet. Converts none to Python, which takes longer than most queries."""
        begun = sum(1 for _ in self._row)
        return begun + sum(int(batch.num_rows) for batch in self._batches)


@dataclass
class Result:
    """Column names, whether each column is numeric, and the rows, which can be read once.

    `legend` is shown below a table. `beyond` is the number of rows that exist and cannot be read here. `whole` names
    non-numeric columns that a table must not cut; empty: none.
    """

    names: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: Iterator[tuple[Value, ...]]
    legend: str = ""
    beyond: int = 0
    whole: tuple[bool, ...] = ()

    @staticmethod
    def of(relation: duckdb.DuckDBPyRelation, beyond: int = 0) -> Result:
        """Starts the query. Its errors are raised here or while rows are read."""
        reader = presentable(relation).to_arrow_reader(BATCH_ROWS)
        types = [f.type for f in reader.schema]
        numeric = tuple(pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t) for t in types)
        whole = tuple(pa.types.is_temporal(t) or pa.types.is_boolean(t) for t in types)
        return Result(tuple(relation.columns), numeric, Rows(reader), beyond=beyond, whole=whole)

    def count_rest(self) -> int:
        """Number of rows not read yet; none can be read afterwards."""
        return self.beyond + (self.rows.count_rest() if isinstance(self.rows, Rows) else sum(1 for _ in self.rows))

    def records(self) -> Iterator[dict[str, Value]]:
        """The rows as mappings from column name to value."""
        return (dict(zip(self.names, row, strict=True)) for row in self.rows)


def _slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in _told(batches):
        step = min(PYTHON_ROWS, 1 + batch.num_rows * PYTHON_BYTES // (batch.get_total_buffer_size() + 1))
        for at in range(0, batch.num_rows, step):
            yield batch.slice(at, step)


def _told(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same. That the query was interrupted is said as DuckDB says it before there are rows: Arrow has OSError."""
    try:
        yield from batches
    except OSError as error:
        if str(error).startswith(INTERRUPTED):
            raise duckdb.InterruptException(str(error)) from None
        raise


def _values(column: pa.Array) -> list[Value]:
    if pa.types.is_timestamp(column.type):
        scale = NS_PER[column.type.unit]
        return [None if v is None else Instant(v * scale) for v in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_nested(column.type):
        return [_nested(scalar) for scalar in column]
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    values: list[Value] = column.to_pylist()
    return values if _is_plain(column.type) else [_plain(v) for v in values]


def _is_plain(of: pa.DataType) -> bool:
    """Whether this type's Python values are JSON values. Finite floating-point numbers are."""
    if pa.types.is_dictionary(of):
        return _is_plain(of.value_type)
    types = pa.types
    return bool(types.is_integer(of) or types.is_floating(of) or types.is_string(of) or types.is_boolean(of))


def _nested(scalar: pa.Scalar) -> Value:
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.MapScalar):
        return [[_nested(entry["key"]), _nested(entry["value"])] for entry in scalar.values]
    if isinstance(scalar, pa.StructScalar):
        return {name: _nested(value) for name, value in scalar.items()}
    if isinstance(scalar, pa.ListScalar | pa.FixedSizeListScalar | pa.LargeListScalar):
        return [_nested(value) for value in scalar.values]
    if isinstance(scalar, pa.TimestampScalar):
        return Instant(scalar.value * NS_PER[scalar.type.unit])
    return _plain(scalar.as_py())


def _plain(value: object) -> Value:
    """The value as JSON has it. Numbers that are not finite become None."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return Bytes.of(value)
    return str(value)
