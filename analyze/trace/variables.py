"""DuckDB variables that the views read: the recording's metadata, and the window."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from sysmon.bpf.trace_file.metadata import Recording, of_some, only_command
from sysmon.safe_text import shell_word


def of_recording(connection: duckdb.DuckDBPyConnection, info: Recording, before: Recording | None = None) -> None:
    """Sets those of the recording; `before`: what it said of itself when they were set last, while it grows."""
    known = _values(before) if before else {}
    for name, value in _values(info).items():
        if name not in known or known[name] != value:
            connection.execute(f"SET VARIABLE {name} = $1", [value])
    labels = info.get("labels", {})
    if not before or before.get("labels", {}) != labels:
        connection.execute(
            "SET VARIABLE labels = MAP(CAST($1 AS VARCHAR[]), CAST($2 AS VARCHAR[]))", [[*labels], [*labels.values()]]
        )
    if not before or before["started_ns"] != info["started_ns"]:
        _set_instants(connection, started=info["started_ns"])
    _set_instants(connection, ended=info["ended_ns"])


def _values(info: Recording) -> dict[str, object]:
    everyone = not of_some(info)
    full = {loss["place"] for loss in info["losses"] if loss["cause"] == "map full"}
    return {
        "clock_offset_ns": info["clock_offset_ns"],
        "kinds": list(info["kinds"]),
        "interval_ns": info["interval_s"] * 1e9,
        "recorder_pid": info["recorder_pid"],
        "recorder_start": info["recorder_start"],
        "mount_namespace": info.get("mount_namespace"),
        "cpu_recorded": "cpu" in info["kinds"],
        "cpu_complete": everyone and info["rows"].get("cpu", 0) > 0 and "cpu" not in full,
        "of_some": not everyone,
        "only_command": only_command(info),
        "command_pid": info.get("command_pid"),
        "command_status": info["command_status"],
        "stopped_by_signal": info["stopped_by"] == "signal",
        "syscalls_complete": everyone and info["rows"].get("syscall_stats", 0) > 0 and "syscall_stats" not in full,
    }


def of_window(
    connection: duckdb.DuckDBPyConnection, words: Iterable[str], since_ns: int | None, until_ns: int | None
) -> None:
    """Sets those that move with the window. `words`: the command line that chooses it."""
    connection.execute("SET VARIABLE window_options = $1", ["".join(f" {word}" for word in map(shell_word, words))])
    _set_instants(connection, since=since_ns, until=until_ns)


def _set_instants(connection: duckdb.DuckDBPyConnection, **ns: int | None) -> None:
    """Sets variables to instants, given as UTC ns since 1970, or to NULL."""
    for name, value in ns.items():
        connection.execute(
            f"SET VARIABLE {name} = CAST(make_timestamp_ns(CAST($1 AS BIGINT)) AS TIMESTAMPTZ_NS)", [value]
        )
