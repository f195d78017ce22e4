"""Every DuckDB value can be shown, whether or not Python has its type."""

import duckdb
import pytest

from sysmon.analyze.html import cells
from sysmon.analyze.text.formats import json_text
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Instant

SHOWN = {
    "'infinity'::DATE": "infinity",
    "'-infinity'::DATE": "-infinity",
    "'290000-01-01'::DATE": "290000-01-01",
    "'2026-01-31'::DATE": "2026-01-31",
    "'24:00:00'::TIME": "24:00:00",
    "'10:00:00+15:59'::TIMETZ": "10:00:00+15:59",
    "INTERVAL '2 months 3 days'": "2 months 3 days",
    "'101'::BIT": "101",
    "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
    "'12345678901234567890123456789012345678901'::BIGNUM": "12345678901234567890123456789012345678901",
    "'POINT(1 2)'::GEOMETRY": "POINT (1 2)",
    "union_value(a := 'infinity'::DATE)": "infinity",
    "'x'::ENUM('x', 'y')": "x",
    "2::HUGEINT": 2,
    "{'a \"b': 'infinity'::DATE, 'c': 1}": {'a "b': "infinity", "c": 1},
    "['infinity'::DATE, NULL]": ["infinity", None],
    "array_value('infinity'::DATE, NULL)": ["infinity", None],
    "map{'infinity'::DATE: [TIME '24:00:00']}": [["infinity", ["24:00:00"]]],
}


def value(expression: str) -> object:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        ((found,),) = Result.of(connection.sql(f"SELECT {expression} AS x")).rows
        return found


@pytest.mark.parametrize(("expression", "shown"), SHOWN.items())
def test_a_value_that_python_lacks_becomes_text(expression: str, shown: object) -> None:
    assert value(expression) == shown


@pytest.mark.parametrize(
    ("expression", "shown"),
    {
        "'290000-01-01'::TIMESTAMPTZ": "+290000-01-01T00:00:00.000000000Z",
        "'0044-03-15 (BC)'::TIMESTAMP": "-0043-03-15T00:00:00.000000000Z",
        "'9999-12-31 23:59:59'::TIMESTAMP_S": "9999-12-31T23:59:59.000000000Z",
        "'infinity'::TIMESTAMP": "infinity",
        "'-infinity'::TIMESTAMP_S": "-infinity",
        "'infinity'::TIMESTAMP_MS": "infinity",
        "'infinity'::TIMESTAMPTZ": "infinity",
        "'infinity'::TIMESTAMP_NS": "infinity",
    }.items(),
)
def test_times_beyond_pythons_years_keep_their_year(expression: str, shown: str) -> None:
    found = value(expression)
    assert isinstance(found, Instant)
    assert str(found) == shown
    assert cells.cell("ts", found, "", 0).text.startswith(shown.split("T")[0])


def test_every_duckdb_type_is_read() -> None:
    with duckdb.connect() as connection:
        result = Result.of(connection.sql("FROM test_all_types()"))
        rows = list(result.rows)
        assert len(rows) == 3
        assert len(result.names) == len(rows[0]) > 50
        for row in rows:
            json_text(list(row))


def test_duplicate_column_names_are_kept() -> None:
    with duckdb.connect() as connection:
        result = Result.of(connection.sql("SELECT 1 AS a, 'infinity'::DATE AS a"))
        assert result.names == ("a", "a")
        assert list(result.rows) == [(1, "infinity")]
