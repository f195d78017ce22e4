"""What programs write where a value is missing, by its name in C. Each is NULL in the file.

A column has it as its `null`; `csource` makes a #define of it.
"""

from __future__ import annotations

_U32, _U64 = (1 << 32) - 1, (1 << 64) - 1

NO_LENGTH = _U32
"""Length of a string or address that is missing or unreadable."""

UNKNOWN_NS = _U64

UNKNOWN_BYTES = _U64

NO_RESULT = -(1 << 63)
"""Of a call that never returns."""

NO_WORD = _U64
"""Of an argument that the call does not have."""

NO_MODE = _U32

NO_OWNER = _U32
"""As passed, to leave the owner as it is."""

AT_FDCWD = -100
"""As passed, for the current directory (include/uapi/linux/fcntl.h)."""

NO_ARG = 0xFFFF_5CA1_AB1E_0000
"""Of an argument that is unknown: no value that a program is likely to pass."""

NO_EXIT_CODE = -1
"""Of a process that a signal ended."""

NO_FD = -1

NO_BACKLOG = -(1 << 31)

NO_CHOICE = 255
"""In place of the number of a name; so is any other number without a name."""

NO_PROCESS_PID, NO_PROCESS_START = _U32, _U64
"""What an interrupt does is counted for no process. 0 stands for all that did not fit into a map."""

NOT_COUNTED = _U32

NULLS = {name: value for name, value in globals().items() if name.isupper() and not name.startswith("_")}


def in_c(value: int) -> str:
    """A C constant of the value's bits: negative ones are signed only as far as int goes."""
    if -(1 << 31) <= value < 1 << 31:
        return f"({value})" if value < 0 else str(value)
    return f"{value}U" if 0 <= value < 1 << 32 else f"{value & _U64}ULL"
