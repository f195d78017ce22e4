"""From a trace to answers: anywhere, as any user, without bcc and without a kernel.

trace = analyze.open_trace("trace.parquet")
trace.report("syscalls").df()
trace.chart("cpu")
trace.sql("SELECT path, count(*) FROM execs GROUP BY path").arrow()
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyze.trace import Trace


def open_trace(
    path: str | os.PathLike[str],
    *,
    since: str | None = None,
    until: str | None = None,
    pids: Iterable[int] = (),
    comms: Iterable[str] = (),
    cgroups: Iterable[str] = (),
) -> Trace:
    """Opens a trace, all of it or a part: a time window, and the processes of these pids, names or control groups.

    `since` is in the window and `until` is not; both take what `analyze.window.instant_ns` reads. Raises
    NotATrace, NewerTrace or BrokenTrace if the file cannot be used, BadRequest if the window is empty or no
    process of the trace has one of the pids or names or is in or below one of the groups.
    """
    from analyze.trace import Trace

    return Trace(path, since=since, until=until, pids=tuple(pids), comms=tuple(comms), cgroups=tuple(cgroups))
