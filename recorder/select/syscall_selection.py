"""Which system calls become events, and what the programs read of them."""

from __future__ import annotations

from sysmon.bpf.kinds import syscall_events
from sysmon.errors import BadRequest, did_you_mean
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.syscall_names import SyscallNames


def calls_of(names: SyscallNames, asked: tuple[str, ...]) -> bytes:
    """The programs' map `event_calls` for the calls asked for; empty: all.

    Raises BadRequest for a name that none of this machine's tables has.
    """
    tables = names.tables()
    for name in asked:
        if not any(name in table for table in tables):
            raise BadRequest(_unknown(name, tables))
    return b"".join(_table(table, asked) for table in tables)


def _table(table: dict[str, int], asked: tuple[str, ...]) -> bytes:
    every = not asked
    entries = [syscall_events.EventCall().raw(wanted=every)] * syscall_events.NUMBERS
    for name, number in table.items():
        if number < syscall_events.NUMBERS - 1:
            entries[number] = syscall_events.CALLS.get(name, syscall_events.EventCall()).raw(
                wanted=every or name in asked
            )
    return b"".join(entries)


def _unknown(name: str, tables: tuple[dict[str, int], ...]) -> str:
    known = sorted({n for table in tables for n in table})
    hint = did_you_mean(name, known, "`ausyscall --dump` or syscalls(2) lists them")
    return f"--syscalls: there is no system call {name!r}; {hint}"


def tell(loaded: Loaded, calls: bytes) -> None:
    """Fills the programs' map."""
    size = len(syscall_events.EventCall().raw(wanted=True))
    for at in range(0, len(calls), size):
        bpf_maps.update(loaded.maps["event_calls"], (at // size).to_bytes(4, "little"), calls[at : at + size])
