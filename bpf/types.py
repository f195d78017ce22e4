"""The types of columns, a row each: how C, numpy, Arrow and DuckDB hold a value, and how a type is shown.

Nothing here imports any of them: Arrow starts threads, and the recorder decides when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COMM_LEN = 16
"""TASK_COMM_LEN of linux/sched.h: a command name with its terminating NUL."""

ColType = Literal[
    "u8", "u16", "u32", "u64", "s32", "s64", "bool", "time", "start",
    "comm", "choice", "text", "bytes", "names", "argv", "address", "binary",
]  # fmt: skip


@dataclass(frozen=True)
class Type:
    """A type of column.

    `shown`: what a reader of the file calls it. `c` and `numpy` are empty where C has no fixed width for it. `length`:
    elements of the array in C, 0 for a scalar. `variable`: C takes a length and a buffer for it. `most_bytes`: the most
    that a text may have, 0 if it is none. What recorders write is smaller: at most 4096 bytes of a path or of
    arguments, of which each may stand there as \\xNN, and names of a few dozen. So a row has a bound, and with it
    whatever is read of a trace, also where a file of a megabyte stands for gigabytes.
    """

    shown: str
    arrow: str
    duckdb: str
    c: str = ""
    numpy: str = ""
    length: int = 0
    variable: bool = False
    most_bytes: int = 0


_NAME, _PATH, _BINARY = 2 << 10, 20 << 10, 8 << 10

TYPES: dict[ColType, Type] = {
    "u8": Type("utinyint", "uint8", "UTINYINT", "u8", "<u1"),
    "u16": Type("usmallint", "uint16", "USMALLINT", "u16", "<u2"),
    "u32": Type("uinteger", "uint32", "UINTEGER", "u32", "<u4"),
    "u64": Type("ubigint", "uint64", "UBIGINT", "u64", "<u8"),
    "s32": Type("integer", "int32", "INTEGER", "s32", "<i4"),
    "s64": Type("bigint", "int64", "BIGINT", "s64", "<i8"),
    "bool": Type("boolean", "bool", "BOOLEAN", "u8", "<u1"),
    "time": Type("timestamp, ns, UTC", "timestamp[ns, UTC]", "TIMESTAMPTZ_NS", "u64", "<u8"),
    "start": Type("ubigint", "uint64", "UBIGINT", "u64", "<u8"),
    "comm": Type("string", "string", "VARCHAR", "char", f"S{COMM_LEN}", length=COMM_LEN, most_bytes=_NAME),
    "choice": Type("string", "string", "VARCHAR", "u8", "<u1", most_bytes=_NAME),
    "text": Type("string", "string", "VARCHAR", most_bytes=_NAME),
    "bytes": Type("string", "string", "VARCHAR", variable=True, most_bytes=_PATH),
    "names": Type("string", "string", "VARCHAR", variable=True, most_bytes=_PATH),
    "argv": Type("list of strings", "list<string>", "VARCHAR[]", variable=True, most_bytes=_PATH),
    "address": Type("string", "string", "VARCHAR", variable=True, most_bytes=_NAME),
    "binary": Type("blob", "binary", "BLOB", variable=True, most_bytes=_BINARY),
}
"""`time` is CLOCK_BOOTTIME ns in C and a UTC timestamp in the file. `start` is CLOCK_BOOTTIME ns. `choice` is a number
in C and one of the column's `names` in the file. `names` are those of a directory and of all above it, innermost first,
and become a path. `binary` stays bytes in the file; a derived `binary` column X_bytes holds the bytes of X where its
text is not exactly them. `text` never comes from C.
"""
