"""Names of this machine's system calls, by table and number."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt
from system_calls import syscalls as tables

from sysmon.bpf.kinds import syscalls
from sysmon.errors import CannotRecord

TABLES = {"x86_64": ("x86_64", "i386", "x32"), "aarch64": ("arm64", "arm", ""), "riscv64": ("riscv64", "riscv32", "")}
"""Machine → names of its native, compat and other table in the `system_calls` package.

The package's tables are generated from the kernel's sources.
"""


class SyscallNames:
    """Names and numbers for one machine (`os.uname().machine`). Raises CannotRecord if it is unknown."""

    def __init__(self, machine: str | None = None) -> None:
        self.machine = machine or os.uname().machine
        if self.machine not in TABLES:
            raise CannotRecord(f"sysmon does not know the system calls of {self.machine}; it knows {', '.join(TABLES)}")
        self._tables = tables()

    def number(self, name: str) -> int:
        """The native number of a call. Raises KeyError."""
        return self._table(0)[name]

    def numbers(self, names: Iterable[str]) -> list[int]:
        """The native numbers of those of the calls that this machine has."""
        table = self._table(0)
        return [table[name] for name in names if name in table]

    def tables(self) -> tuple[dict[str, int], ...]:
        """The native, compat and other table: name → number, without the bits that mark the table."""
        return tuple({name: n & syscalls.UNKNOWN_NR for name, n in self._table(i).items()} for i in range(3))

    def _table(self, index: int) -> dict[str, int]:
        arch = TABLES[self.machine][index]
        if not arch:
            return {}
        table: dict[str, int] = self._tables.load_arch_table(arch)
        return table

    @cached_property
    def _names(self) -> npt.NDArray[np.object_]:
        """Name by raw number: `nr` in C, with the table in the two high bits."""
        names = np.array([None] * (1 << 16), dtype=object)
        for index in range(3):
            base = index << syscalls.ABI_SHIFT
            for name, number in self._table(index).items():
                number &= syscalls.UNKNOWN_NR
                names[base + number] = name
        return names

    def name(self, raw: int) -> str | None:
        """The call's name; `syscall_N` for a number that is not in the tables, None if there is no number."""
        number = raw & syscalls.UNKNOWN_NR
        if number == syscalls.UNKNOWN_NR:
            return None
        known: str | None = self._names[raw]
        return known or f"syscall_{number}"

    def abi(self, raw: int) -> str | None:
        """The table of a raw number."""
        if raw & syscalls.UNKNOWN_NR == syscalls.UNKNOWN_NR:
            return None
        return TABLES[self.machine][raw >> syscalls.ABI_SHIFT] or None
