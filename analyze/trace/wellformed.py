"""Whether a value read from JSON has the shape that a TypedDict declares."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

LIMIT = 1 << 63
"""Integers must fit DuckDB's BIGINT."""


def misfit(value: object, declared: Any, where: str = "") -> str:
    """The first place where the value differs from the declared type, and how; empty if it matches.

    Supports TypedDict, list, dict with str keys, unions, str, int, float, bool and None. Undeclared keys are accepted:
    a later version may have added them.
    """
    if is_typeddict(declared):
        return _misfit_object(value, declared, where)
    origin, args = get_origin(declared), get_args(declared)
    if origin is UnionType:
        found = [misfit(value, a, where) for a in args]
        return "" if "" in found else found[0]
    if origin is list and isinstance(value, list):
        return next(filter(None, (misfit(v, args[0], f"{where}[{i}]") for i, v in enumerate(value))), "")
    if origin is dict and isinstance(value, dict):
        return next(filter(None, (misfit(v, args[1], f"{where}.{k}") for k, v in value.items())), "")
    return "" if _is_plain(value, declared) else f"{where or 'it'} is not {_name(declared)}"


def misfit_of_some(values: dict[str, Any], declared: Any) -> str:
    """The same of some of the keys of a TypedDict."""
    hints = _hints(declared)
    return next(filter(None, (misfit(v, hints[key], key) for key, v in values.items() if key in hints)), "")


def _misfit_object(value: object, declared: Any, where: str) -> str:
    if not isinstance(value, dict):
        return f"{where or 'it'} is not an object"
    for key, hint in _hints(declared).items():
        path = f"{where}.{key}" if where else key
        if key not in value and key in declared.__optional_keys__:
            continue
        if key not in value:
            return f"{path} is missing"
        problem = misfit(value[key], hint, path)
        if problem:
            return problem
    return ""


@cache
def _hints(declared: Any) -> dict[str, Any]:
    return get_type_hints(declared)


def _is_plain(value: object, declared: Any) -> bool:
    if isinstance(value, bool):
        return declared is bool
    if isinstance(value, int):
        return declared in (int, float) and -LIMIT <= value < LIMIT
    return declared in (str, float, NoneType) and isinstance(value, declared)


def _name(declared: Any) -> str:
    return str(getattr(declared, "__name__", declared))
