"""The columns of each section as text, and the cells of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sysmon.analyze.diff.figures import ARROW, Change, around, change, number

Row = dict[str, Any]
Cells = tuple[str, ...]


def _ms(seconds: float) -> str:
    return number(1e3 * seconds)


def _name(value: str | None) -> str:
    return "-" if value is None else value


def _count(row: Row, what: str) -> Change:
    before, after = row[f"{what}_before"], row[f"{what}_after"]
    return Change.of(f"{before:,} {ARROW} {after:,}", before, after)


def _calls(row: Row, per: str) -> Cells:
    name = row["syscall"] + (f" ({row['abi']})" if row["abi"] else "")
    changed, unproven = (row[which].split(", ") for which in ("changed", "unproven"))

    def figure(which: str, suffix: str = "") -> Change:
        before, after = row[f"{which}_before{suffix}"], row[f"{which}_after{suffix}"]
        return change(before, after, number, apart=which in (*changed, *unproven), proven=which in changed)

    return (
        name,
        around(row["time_before_s"], row["time_after_s"], _ms, proven=bool(row["changed"])),
        figure("rate"),
        figure("p50", "_us"),
        figure("p99", "_us"),
        figure("errors", "_pct"),
    )


def _calls_by_command(row: Row, per: str) -> Cells:
    return (_name(row["command"]), *_calls(row, per))


def _cpu_text(per: str) -> Callable[[float], str]:
    """CPU time in the unit of its column: percent of a CPU, or milliseconds of a run."""
    return (lambda seconds: number(100 * seconds)) if per == "s" else _ms


def _cpu(row: Row, per: str) -> Cells:
    before, after, text = row["cpu_before_s"], row["cpu_after_s"], _cpu_text(per)
    return (
        _name(row["command"]),
        around(before, after, text, proven=row["changed"]),
        around(row["wait_before_s"], row["wait_after_s"], text, proven=row["changed"]),
        _count(row, "processes"),
    )


def _functions(row: Row, per: str) -> Cells:
    before, after = row["self_before_pct"], row["self_after_pct"]
    return (
        row["changed"] or "-",
        _name(row["command"]),
        row["function"],
        change(before, after, number, apart=bool(row["changed"])),
        _count(row, "samples"),
        _name(row["module"]),
    )


def _memory(row: Row, per: str) -> Cells:
    return (
        _name(row["command"]),
        change(row["peak_before_mib"], row["peak_after_mib"], number, apart=row["changed"]),
        _count(row, "processes"),
    )


def _programs(row: Row, per: str) -> Cells:
    def text(seconds: float | None) -> str:
        return "-" if seconds is None else _cpu_text(per)(seconds)

    moved = f"{row['path_before']} {ARROW} {row['path_after']}" if row["changed"] == "moved" else ""
    gone = row["changed"] == "gone"
    return (
        row["changed"] or "-",
        _name(row["command"]),
        _count(row, "processes"),
        text(row["cpu_before_s"] if gone else row["cpu_after_s"]),
        moved or _name(row["command_line"]),
    )


def _exits(row: Row, per: str) -> Cells:
    how = f"code {row['exit_code']}" if row["signal"] is None else f"signal {row['signal']}"
    return (
        row["changed"] or "-",
        _name(row["command"]),
        how if row["exit_code"] is not None or row["signal"] is not None else "-",
        Change.of(
            f"{row['processes_before']:,} of {row['ended_before']:,} {ARROW} "
            f"{row['processes_after']:,} of {row['ended_after']:,}",
            row["processes_before"],
            row["processes_after"],
        ),
    )


def _by(row: Row) -> str:
    return _name(row["command"]) + (f" and {row['commands'] - 1} more" if row["commands"] > 1 else "")


def _paths(row: Row) -> str:
    return str(row["path"]) + (f" and {row['paths'] - 1} more" if row["paths"] > 1 else "")


def _file_errors(row: Row, per: str) -> Cells:
    return (row["changed"], row["error"], _count(row, "failed"), _count(row, "succeeded"), _by(row), _paths(row))


def _files(row: Row, per: str) -> Cells:
    return (row["changed"], _count(row, "calls"), _by(row), _paths(row))


def _of_calls(per: str) -> Cells:
    each = "/s" if per == "s" else ""
    return ("syscall", f"time [ms{each}]", "rate [1/s]" if each else "calls", "p50 [us]", "p99 [us]", "errors [%]")


def _of_cpu(per: str) -> str:
    return "[%]" if per == "s" else "[ms]"


TABLES: dict[str, tuple[Callable[[str], Cells], Callable[[Row, str], Cells]]] = {
    "programs": (lambda per: ("change", "command", "processes", f"CPU {_of_cpu(per)}", "command line"), _programs),
    "syscalls_by_command": (lambda per: ("command", *_of_calls(per)), _calls_by_command),
    "syscalls": (_of_calls, _calls),
    "cpu": (lambda per: ("command", f"CPU {_of_cpu(per)}", f"waiting {_of_cpu(per)}", "processes"), _cpu),
    "functions": (lambda _: ("change", "command", "function", "self [%]", "samples", "module"), _functions),
    "memory": (lambda _: ("command", "peak [MiB]", "processes"), _memory),
    "exits": (lambda _: ("change", "command", "ended by", "processes"), _exits),
    "file_errors": (lambda _: ("change", "error", "failed", "succeeded", "command", "path"), _file_errors),
    "files": (lambda _: ("change", "calls", "command", "path"), _files),
}
"""Section → the heads of its columns, with the unit of each, and the cells of a row."""

CALLED = ("syscalls_by_command", "syscalls")
"""Sections that also have rows without a significant change."""

CHANGED = ("syscalls_by_command", "syscalls", "cpu", "memory")
"""Sections of what is in both recordings; the others list what is new or gone."""
