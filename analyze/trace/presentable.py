"""Rewrites queries so that Python can represent each value.

DuckDB has dates after the year 9999 and infinity, times of 24:00, and numbers that Arrow cuts. What Python cannot
represent becomes the text that DuckDB shows, also inside lists and structs.
"""

from __future__ import annotations

from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

EXACT = frozenset(
    "boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint float double decimal varchar "
    "blob enum uuid timestamp timestamp_s timestamp_ms timestamp_ns timestamptz_ns".split()
) | {"timestamp with time zone"}
"""Types that `result` converts completely. Types of a later DuckDB are not among them, and become text."""

TEXT = DuckDBPyType("VARCHAR")


def presentable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows, with text for what Python cannot represent. Column names may change."""
    wanted = [_shown(of) for of in relation.types]
    if wanted == relation.types:
        return relation
    places = (duckdb.SQLExpression(f"#{i}") for i in range(1, len(wanted) + 1))  # by position: a name may occur twice
    return relation.select(
        *(place if of == to else place.cast(to) for place, of, to in zip(places, relation.types, wanted, strict=True))
    )


def _shown(of: DuckDBPyType) -> DuckDBPyType:
    """The type as which a column of this type is shown."""
    if of.id in EXACT:
        return of
    parts: Any = of.children if of.id in ("list", "array", "struct", "map") else ()
    match of.id, parts:
        case "list", [(_, item)]:
            return duckdb.list_type(_shown(item))
        case "array", [(_, item), (_, size)]:
            return duckdb.array_type(_shown(item), size)
        case "struct", [_, *_]:
            return duckdb.struct_type({name: _shown(part) for name, part in parts})
        case "map", [(_, key), (_, value)]:
            return duckdb.map_type(_shown(key), _shown(value))
    return TEXT
