"""A condition that a user types, such as `comm = 'nginx' AND state <> 'idle'`: checked, and given back as SQL.

DuckDB parses it. Only what is listed here may be in it: constants, the columns of one view, comparisons, and functions
that compute a value of their arguments and nothing else. So it has no subquery, names no table, file or setting, and
cannot end or comment out the query around it. What goes into that query is DuckDB's own text of the checked tree, never
what was typed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import duckdb

from sysmon.errors import BadRequest, did_you_mean
from sysmon.safe_text import one_line

LONGEST, DEEPEST = 2_000, 50
"""Characters of a condition, and how deep it may be nested."""

OPERATORS = {
    "COMPARISON": None,
    "CONJUNCTION": None,
    "BETWEEN": None,
    "CASE": None,
    "OPERATOR": {
        "COMPARE_IN",
        "COMPARE_NOT_IN",
        "OPERATOR_COALESCE",
        "OPERATOR_IS_NOT_NULL",
        "OPERATOR_IS_NULL",
        "OPERATOR_NOT",
    },
}
"""Class of a node → its allowed types; None: all."""

FUNCTIONS = frozenset(
    "+ - * / // % || ~~ !~~ ~~* !~~* abs ceil concat contains ends_with floor greatest least length lower prefix "
    "regexp_full_match regexp_matches round starts_with strlen substr substring suffix trim upper".split()
)
"""Functions that may be called, with the operators that DuckDB parses as functions: `~~` is LIKE."""

TYPES = frozenset("bigint boolean double int integer text varchar".split())
"""Types that a value may be cast to, without parameters."""

PLAIN = ("STRING", "INTEGER", "NUMERIC", "BOOLEAN", "NULL_LITERAL")
"""Kinds of constants."""

ONE = "give one condition on columns, such as \"comm = 'nginx' AND pid > 1\""


def checked(connection: duckdb.DuckDBPyConnection, typed: str, columns: Collection[str], option: str) -> str:
    """The condition as SQL, with each column of the view by its bare name. Raises BadRequest.

    `option`: what it was given as, for messages.
    """
    if len(typed) > LONGEST:
        raise BadRequest(f"{option}: has {len(typed):,} characters; at most {LONGEST:,} are allowed")
    try:
        tree = _only(connection, typed, option)
        for node in _nodes(tree, 0, option):
            _check(node, columns, option)
        return _text(connection, tree)
    except RecursionError:
        raise _deep(option) from None


def _only(connection: duckdb.DuckDBPyConnection, typed: str, option: str) -> Any:
    """The tree of the one expression that was typed: the query around it has nothing else."""
    parsed = _parsed(connection, f"SELECT {typed}")
    if parsed.get("error"):
        raise BadRequest(f"{option}: is not SQL: {one_line(str(parsed['error_message'])).split(' LINE ')[0]}; {ONE}")
    items, rest = _taken_apart(parsed)
    if len(items) != 1 or rest != _taken_apart(_parsed(connection, "SELECT 1"))[1] or items[0].get("alias"):
        raise BadRequest(f"{option}: is more than a condition; {ONE}")
    return items[0]


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    ((text,),) = connection.execute("SELECT json_serialize_sql(CAST($1 AS VARCHAR))", [query]).fetchall()
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def _taken_apart(parsed: dict[str, Any]) -> tuple[list[Any], str]:
    """The expressions of a query, and all else that it consists of, without places in the text."""
    items = [item for one in parsed["statements"] for item in one["node"].pop("select_list", [])]
    return items, json.dumps(_without_places(parsed), sort_keys=True)


def _without_places(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_places(item) for item in node]
    if isinstance(node, Mapping):
        return {k: _without_places(v) for k, v in node.items() if not str(k).startswith("query_location")}
    return node


def _nodes(found: Any, depth: int, option: str) -> Iterator[Mapping[str, Any]]:
    """Every expression in a tree."""
    if isinstance(found, list):
        for item in found:
            yield from _nodes(item, depth, option)
    elif isinstance(found, Mapping):
        if depth > DEEPEST:
            raise _deep(option)
        if "class" in found:
            yield found
        for item in found.values():
            yield from _nodes(item, depth + ("class" in found), option)


def _deep(option: str) -> BadRequest:
    return BadRequest(f"{option}: is nested too deep; at most {DEEPEST} levels are allowed")


def _check(node: Mapping[str, Any], columns: Collection[str], option: str) -> None:
    """Raises BadRequest for an expression that is not listed."""
    what = node["class"]
    if what == "COLUMN_REF":
        _check_column(node["column_names"], columns, option)
    elif what == "FUNCTION":
        _check_function(node, option)
    elif what == "CAST":
        _check_cast(node, option)
    elif what == "CONSTANT":
        if node["literal"].get("kind") not in PLAIN:
            raise BadRequest(f"{option}: has a constant that is no text, number or truth value; {ONE}")
    elif what != "TYPE" and (what not in OPERATORS or node["type"] not in (OPERATORS[what] or {node["type"]})):
        said = str(node["type"]).removeprefix("OPERATOR_").lower().replace("_", " ")
        raise BadRequest(f"{option}: cannot have {'an' if said[0] in 'aeiou' else 'a'} {said}; {ONE}")


def _check_cast(node: Mapping[str, Any], option: str) -> None:
    to = node["type_expr"]
    name = str(to["type_name"])
    if name.lower() not in TYPES or to["schema"] or to["catalog"] or to["children"]:
        raise BadRequest(f"{option}: cannot cast to {one_line(name)}; it may cast to {', '.join(sorted(TYPES))}")


def _check_column(names: list[str], columns: Collection[str], option: str) -> None:
    name = ".".join(names)
    if len(names) != 1 or name.lower() not in columns:
        hint = did_you_mean(name, columns, f"there are {', '.join(columns)}")
        raise BadRequest(f"{option}: there is no column {one_line(name)}; {hint}")


def _check_function(node: Mapping[str, Any], option: str) -> None:
    name = node["function_name"]
    plain = not (node["schema"] or node["catalog"] or node["filter"] or node["distinct"] or node["export_state"])
    named = any(argument["name"] for argument in node["arguments"])
    if name not in FUNCTIONS or not plain or named or node["order_bys"]["orders"]:
        names = ", ".join(sorted(f for f in FUNCTIONS if f.isidentifier()))
        raise BadRequest(f"{option}: cannot call {one_line(name)}; it may call {names}")


def _text(connection: duckdb.DuckDBPyConnection, tree: Any) -> str:
    """DuckDB's text of an expression."""
    whole = _parsed(connection, "SELECT 1")
    whole["statements"][0]["node"]["select_list"] = [tree]
    ((text,),) = connection.execute("SELECT json_deserialize_sql(CAST($1 AS JSON))", [json.dumps(whole)]).fetchall()
    head = "SELECT "
    assert text.startswith(head)
    return str(text.removeprefix(head))
