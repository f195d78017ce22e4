"""Record what a Linux machine does into one Parquet file, and query it anywhere.

    import sysmon

    trace = sysmon.open("trace.parquet")
    trace.report("syscalls").df()
    trace.chart("cpu")
    trace.sql("SELECT path, count(*) FROM execs GROUP BY path").arrow()

Importing this imports nothing heavy and changes nothing: no signal, no environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sysmon.errors import BadRequest, BrokenTrace, NewerTrace, NoData, NotATrace, SysmonError

if os.path.isfile(os.path.join(os.path.dirname(__file__), "bpf")):  # a Windows checkout, where git makes no links
    _message = (
        "this checkout has no links: `git config core.symlinks true` and `git checkout sysmon`, or "
        "`pip install sysmon-trace`"
    )
    if sys.argv[0] == "-m":
        sys.exit(f"sysmon: {_message}")
    raise ImportError(_message)

if TYPE_CHECKING:
    import pyarrow as pa

    from sysmon.analyze.api import Trace
    from sysmon.analyze.diff.comparison import Comparison

__all__ = [
    "BadRequest",
    "BrokenTrace",
    "NewerTrace",
    "NoData",
    "NotATrace",
    "SysmonError",
    "compare",
    "open",
]


def open(
    path: str | os.PathLike[str] | pa.Table,
    *,
    since: str | None = None,
    until: str | None = None,
    pids: Iterable[int] = (),
    comms: Iterable[str] = (),
    cgroups: Iterable[str] = (),
    command: bool = False,
) -> Trace:
    """Opens a trace or part of it: a time window, and processes by pid, name or control group, or with `command` those
    of the command that was recorded.

    `path` may be a pattern, such as `trace-*.parquet`, for the files of one recording, or a table with the metadata of
    a trace's schema: `pyarrow.parquet.read_table("trace.parquet")`, or rows of it. Of a recording that still runs it is
    what was committed up to now; `refresh()` takes what came since and returns how many rows are new. `since` is in the
    window and `until` is not; both take what `sysmon.analyze.trace.times.instant_ns` reads. Raises NotATrace,
    NewerTrace or BrokenTrace if the file cannot be used, BadRequest if an argument is wrong, the window is empty, or no
    process of the trace matches.
    """
    from sysmon.analyze.api import Trace

    return Trace(path, since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)


def compare(
    before: Trace | str | os.PathLike[str] | pa.Table,
    after: Trace | str | os.PathLike[str] | pa.Table,
    *,
    comms: Iterable[str] = (),
    min_change_pct: float = 25.0,
    unchanged: bool = False,
) -> Comparison:
    """Compares two recordings: programs, system calls, CPU time, memory, exit codes and files.

    If traces are already open, compares their chosen parts; they may be closed afterwards. `comms`: only commands with
    these names. Changes of less than `min_change_pct` [%] are left out, and so are unchanged rows, except with
    `unchanged`. Raises BadRequest if neither trace has one of the commands, and what `open` raises.
    """
    from sysmon.analyze.api import Trace
    from sysmon.analyze.diff.comparison import Comparison, Options
    from sysmon.analyze.trace import arguments

    options = Options(
        arguments.texts("comms", comms, "'bash'"), arguments.percentage("min_change_pct", min_change_pct), unchanged
    )
    for name, side in (("before", before), ("after", after)):
        if not isinstance(side, Trace):
            arguments.trace_path(name, side)
    with contextlib.ExitStack() as opened:
        pair = [side if isinstance(side, Trace) else opened.enter_context(open(side)) for side in (before, after)]
        return Comparison(pair[0], pair[1], options)
