"""The rows of the table of types agree with what they name."""

from typing import get_args

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from sysmon.bpf.kind import Col
from sysmon.bpf.trace_file import schema
from sysmon.bpf.types import TYPES, ColType

C_BYTES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "s64": 8, "char": 1}


def test_every_type_has_a_row() -> None:
    assert list(TYPES) == list(get_args(ColType))


@pytest.mark.parametrize("name", TYPES)
def test_duckdb_reads_the_arrow_type_as_said(name: ColType) -> None:
    connection = duckdb.connect()
    connection.register("rows_of_it", pa.table({"x": pa.array([], schema.arrow_type(Col("x", name, "")))}))
    ((_, found, *_rest),) = connection.execute("DESCRIBE rows_of_it").fetchall()
    assert found == TYPES[name].duckdb


@pytest.mark.parametrize("name", [name for name, of in TYPES.items() if of.c])
def test_c_and_numpy_have_one_width(name: ColType) -> None:
    of = TYPES[name]
    assert np.dtype(of.numpy).itemsize == C_BYTES[of.c] * max(1, of.length)


@pytest.mark.parametrize("name", TYPES)
def test_a_text_has_a_bound_and_a_number_none(name: ColType) -> None:
    of = TYPES[name]
    assert bool(of.most_bytes) == (of.duckdb in ("VARCHAR", "VARCHAR[]", "BLOB"))
