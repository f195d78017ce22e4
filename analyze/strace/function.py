"""The SQL function `call_arguments`: the arguments of a recorded system call as strace writes them."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from sysmon.analyze.strace import calltext

TYPES: list[Any] = ["VARCHAR", "VARCHAR", *["UBIGINT"] * 6, "VARCHAR", "VARCHAR", "BLOB"]
"""Types of its arguments, which are columns of `syscall_events`, in their order."""


def add_to(connection: duckdb.DuckDBPyConnection, held: object) -> None:
    """Adds the function, which keeps `held` alive as long as it exists: a relation may outlive its trace."""
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
    """A copy of the function that holds a reference to `held`."""
    function = FunctionType(_call_arguments.__code__, _call_arguments.__globals__, _call_arguments.__name__)
    function.__dict__["held"] = held
    return function
