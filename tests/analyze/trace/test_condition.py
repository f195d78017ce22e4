"""Conditions that users type: what is accepted is one truth value of the columns, and what is not is one line."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.analyze.trace import condition
from sysmon.errors import BadRequest

COLUMNS = ("comm", "pid", "state")

ROWS = [("nginx", 1, "running"), ("bash", 2, None), ("it's", 3, "idle")]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as made:
        made.execute("CREATE TABLE t (comm VARCHAR, pid INTEGER, state VARCHAR, secret INTEGER)")
        made.executemany("INSERT INTO t VALUES (?, ?, ?, 42)", ROWS)
        yield made


def checked(connection: duckdb.DuckDBPyConnection, typed: str) -> str:
    return condition.checked(connection, typed, COLUMNS, "--where")


@pytest.mark.parametrize(
    ("typed", "pids"),
    [
        ("comm = 'nginx'", [1]),
        ("comm = 'it''s'", [3]),
        ("COMM LIKE '%n%' AND pid BETWEEN 1 AND 3", [1]),
        ("state IS NULL OR state IN ('idle', 'x')", [2, 3]),
        ("NOT (pid > 1)", [1]),
        ("pid % 2 = 1 AND upper(state) <> 'IDLE'", [1]),
        ("comm ~ 'b.*' OR coalesce(state, '') = 'idle'", [2, 3]),
        ("CASE WHEN pid = 2 THEN TRUE ELSE FALSE END", [2]),
        ("pid = 1 -- AND TRUE", [1]),
        ("pid = 1 /* or */ OR pid = 3", [1, 3]),
        ("pid / 0 > 1 OR pid = 1", [1, 2, 3]),
        ("comm = '; DROP TABLE t; --'", []),
        ("comm = '\u202e\x1b[31m'", []),
        ("pid::VARCHAR LIKE '2%' OR CAST(pid AS text) = '3'", [2, 3]),
        ("TRY_CAST(comm AS bigint) IS NULL AND pid::double < 2", [1]),
    ],
)
def test_conditions(connection: duckdb.DuckDBPyConnection, typed: str, pids: list[int]) -> None:
    text = checked(connection, typed)
    found = connection.execute(f"SELECT pid FROM t WHERE {text} ORDER BY pid").fetchall()
    assert [pid for (pid,) in found] == pids
    assert checked(connection, text) == text, "its own text is a condition, too"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("(SELECT TRUE)", "cannot have a subquery"),
        ("pid IN (SELECT 1)", "cannot have a subquery"),
        ("EXISTS (FROM t)", "cannot have a subquery"),
        ("1) OR (SELECT 1", "is not SQL"),
        ("TRUE; DROP TABLE t", "is"),
        ("TRUE; SELECT 1", "is more than a condition"),
        ("TRUE FROM t", "is more than a condition"),
        ("TRUE FROM read_csv('/etc/passwd')", "is more than a condition"),
        ("TRUE WHERE TRUE", "is more than a condition"),
        ("TRUE LIMIT 1", "is more than a condition"),
        ("TRUE ORDER BY 1", "is more than a condition"),
        ("TRUE UNION SELECT TRUE", "is more than a condition"),
        ("DISTINCT TRUE", "is more than a condition"),
        ("TRUE, FALSE", "is more than a condition"),
        ("TRUE AS x", "is more than a condition"),
        ("TRUE GROUP BY ALL", "is more than a condition"),
        ("TRUE QUALIFY TRUE", "is more than a condition"),
        ("", "is"),
        ("--", "is"),
        ("*", "cannot have a star"),
        ("COLUMNS('.*') = 1", "cannot have a star"),
        ("count(*) OVER () > 1", "cannot have a window aggregate"),
        ("row_number() OVER () > 1", "cannot have a window"),
        ("count(pid) > 1", "cannot call count"),
        ("getenv('HOME') = ''", "cannot call getenv"),
        ("current_setting('threads') > 1", "cannot call current_setting"),
        ("getvariable('trace') IS NULL", "cannot call getvariable"),
        ("read_text('/etc/passwd') = ''", "cannot call read_text"),
        ("error('x')", "cannot call error"),
        ("repeat('x', 1000000000) = ''", "cannot call repeat"),
        ("main.lower(comm) = ''", "cannot call lower"),
        ("list_filter([1], lambda x: x > 1) = [1]", "cannot"),
        ("$1 = pid", "is"),
        ("? = pid", "is"),
        ("pid::foo = '1'", "cannot cast to foo; it may cast to bigint"),
        ("pid::secret.varchar = '1'", "cannot cast to varchar"),
        ("comm::ENUM('x') = 'x'", "cannot cast to ENUM"),
        ("pid::VARCHAR(3) = '1'", "cannot cast to VARCHAR"),
        ("pid::INTEGER[] = NULL", "cannot cast to"),
        ("DATE '2020-01-01' = NULL", "cannot cast to DATE"),
        ("(SELECT TRUE)::BOOLEAN", "cannot have a subquery"),
        ("[pid][1] = 1", "cannot"),
        ("comm COLLATE nocase = ''", "cannot have a collate"),
        ("secret = 42", "there is no column secret"),
        ("t.pid = 1", "there is no column t.pid"),
        ("t.secret = 42", "there is no column t.secret"),
        ("stat = 'idle'", "did you mean state?"),
        ("current_user = 'x'", "there is no column current_user"),
        ("{'a': pid} = NULL", "cannot call struct_pack"),
        ("NOT " * 60 + "TRUE", "nested too deep"),
        ("NOT " * 490 + "TRUE", "nested too deep"),
        ("comm = '" + "x" * 2000 + "'", "at most 2,000"),
        ("\x00", "is"),
    ],
)
def test_all_else_is_one_line(connection: duckdb.DuckDBPyConnection, typed: str, said: str) -> None:
    with pytest.raises(BadRequest) as told:
        checked(connection, typed)
    assert str(told.value).startswith("--where: ")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_brackets_are_no_levels(connection: duckdb.DuckDBPyConnection) -> None:
    assert checked(connection, "(" * 900 + "TRUE" + ")" * 900) == "true"


PIECES = st.sampled_from(
    (
        "comm pid state secret t.pid TRUE NULL 1 2.5 'x' '' \"pid\" = <> < AND OR NOT IN LIKE IS BETWEEN ( ) , ; -- /* "
        "*/ * + - || :: ::text ::foo . [ ] { } $1 ? SELECT FROM t WHERE CASE WHEN THEN ELSE END lower( getenv( count( "
        "OVER () AS x"
    ).split()
)


@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map(" ".join)))
def test_whatever_is_accepted_is_one_value_of_the_columns(typed: str) -> None:
    """The query around it stays one query of one table, with a row for each of its rows."""
    with duckdb.connect(":memory:") as made:
        made.execute("CREATE TABLE t (comm VARCHAR, pid INTEGER, state VARCHAR)")
        made.executemany("INSERT INTO t VALUES (?, ?, ?)", ROWS)
        try:
            text = checked(made, typed)
        except BadRequest:
            return
        query = f"SELECT pid, {text} FROM t ORDER BY pid"
        (statement,) = made.extract_statements(query)
        assert statement.type == duckdb.StatementType.SELECT
        assert made.get_table_names(query) == {"t"}
        try:
            rows = made.execute(query).fetchall()
        except (duckdb.BinderException, duckdb.ConversionException, duckdb.OutOfRangeException):
            return
        assert [(row[0], len(row)) for row in rows] == [(1, 2), (2, 2), (3, 2)]
