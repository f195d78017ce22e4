"""Rows of a query: how it ends is told alike, whenever it ends."""

from __future__ import annotations

import duckdb
import pytest

from sysmon.analyze.trace.result import Result


def test_a_query_that_is_interrupted_between_rows_says_so() -> None:
    with duckdb.connect() as connection:
        result = Result.of(connection.sql("SELECT range FROM range(1_000_000_000)"))
        assert next(result.rows) == (0,)
        connection.interrupt()
        with pytest.raises(duckdb.InterruptException):
            result.count_rest()
