"""The SQL function `call_arguments`: what a recorded system call was passed, as strace has it."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from sysmon.analyze.strace import calltext

TYPES: list[Any] = ["VARCHAR", "VARCHAR", *["UBIGINT"] * 6, "VARCHAR", "VARCHAR", "BLOB"]
"""Of what it takes: columns of `syscall_events`, in their order."""


def add_to(connection: duckdb.DuckDBPyConnection, held: object) -> None:
    """Makes the function. `held` lives as long as it does: a relation may outlive its trace."""
    connection.create_function(
        "call_arguments", _keeping(held), TYPES, "VARCHAR", null_handling=FunctionNullHandling.SPECIAL
    )


def _call_arguments(
    syscall: str | None, abi: str | None,
    arg1: int | None, arg2: int | None, arg3: int | None, arg4: int | None, arg5: int | None, arg6: int | None,
    string1: str | None, string2: str | None, sockaddr: bytes | None,
) -> str:  # fmt: skip
    args = (arg1, arg2, arg3, arg4, arg5, arg6)
    return calltext.arguments(calltext.Call(syscall, abi, args, string1, string2, sockaddr))


def _keeping(held: object) -> Callable[..., str]:
    """The function, which has what must live as long as the database: a relation may outlive its trace."""
    function = FunctionType(_call_arguments.__code__, _call_arguments.__globals__, _call_arguments.__name__)
    function.__dict__["held"] = held
    return function
