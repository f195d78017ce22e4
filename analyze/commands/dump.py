"""`sysmon dump`: every row of a trace as a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sysmon.analyze.commands.options import opened, trace_argument

if TYPE_CHECKING:
    from sysmon.analyze.trace.values import Value

NATIVE = ("x86_64", "arm64", "riscv64")
"""System call tables that are not mentioned: those of 64-bit programs."""

PAGE_ROWS = 100
"""Lines written at a time."""


@click.command()
@trace_argument
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Show only rows of this kind. May be given more than once."
)
def dump(trace: str, kinds: tuple[str, ...]) -> None:
    """Print every row of a trace, one per line, in order of time.

    A line has the time, the kind, and name=value for each column that is not NULL, in the order of `sysmon schema`.
    Strings are in double quotes as in JSON. Flags and system calls are shown as in strace, calls with their duration
    in seconds.

    \b
    Examples:
      sysmon dump trace.parquet | less
      sysmon dump trace.parquet --kind exec --kind exit
      sysmon dump trace.parquet --kind syscall
      sysmon dump trace.parquet | grep '"/usr/bin/ssh"'
    """
    import sys
    from itertools import islice

    from sysmon.analyze.trace.result import Result

    _check(kinds)
    with opened(trace) as open_trace:
        lines = map(line, Result.of(open_trace.rows(kinds, named=True)).records())
        while page := "\n".join(islice(lines, PAGE_ROWS)):
            sys.stdout.write(f"{page}\n")


def line(record: dict[str, Value]) -> str:
    """A row of the file as a line of text."""
    from sysmon.analyze.text.formats import json_text

    ts, kind = record.pop("ts"), record.pop("kind")
    call = f" {_call(record)}" if kind == "syscall" else ""
    known = [f"{name}={json_text(value)}" for name, value in record.items() if value is not None]
    if record.get("flags") is not None:
        known = [_flags(kind, record) if word.startswith("flags=") else word for word in known]
    return " ".join(("-" if ts is None else str(ts), json_text(kind)[1:-1], *known)) + call


def _flags(kind: Value, record: dict[str, Any]) -> str:
    from sysmon.analyze.strace.calltext import event_flags

    text = event_flags(str(kind), record.get("syscall"), record.get("abi"), record["flags"])
    return f"flags={record['flags'] if text is None else text}"


def _call(record: dict[str, Any]) -> str:
    """The text of a row of kind `syscall`; removes from the record what it contains."""
    from sysmon.analyze.strace.calltext import Call, line

    args = tuple(record.pop(f"arg{position}", None) for position in range(1, 7))
    names = ("syscall", "string1", "string2", "result", "error", "latency_ns")
    objects = tuple(_title(record, place) for place in ("object", "object2"))
    named = {name: record.pop(name, None) for name in names}
    address = record.pop("sockaddr", None)
    if named["syscall"]:
        record.pop("nr", None)
    table = record["abi"] if record.get("abi") not in NATIVE else record.pop("abi", None)
    raw = None if address is None else address.raw
    return line(Call(abi=table, args=args, sockaddr=raw, objects=objects, **named))


def _title(record: dict[str, Any], name: str) -> str | None:
    """What a descriptor was called; removes from the record what identifies it."""
    title = record.pop(f"{name}_title", None)
    for column in (name, f"{name}_device", f"{name}_type") if title else ():
        record.pop(column, None)
    return None if title is None else str(title)


def _check(kinds: tuple[str, ...]) -> None:
    from sysmon.bpf.kinds import KINDS
    from sysmon.errors import BadRequest, did_you_mean

    known = [k.name for k in KINDS]
    for kind in kinds:
        if kind not in known:
            hint = did_you_mean(kind, known, f"there are {', '.join(known)}")
            raise BadRequest(f"there is no kind {kind!r}; {hint}")
