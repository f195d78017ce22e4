"""What differs between two recordings: programs, system calls, CPU time, memory, exit codes and files.

with diff.compare("before.parquet", "after.parquet") as found:
    found.rows("syscalls_by_command").df()
    found.notes

Each trace is opened by itself and reads only its own file. Their tables of sums are compared in a database that reads
no file at all. docs/diff.md says how changes are told from chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.diff.comparison import Comparison, Options
    from sysmon.analyze.trace.trace import Trace

__all__ = ["compare"]


def compare(before: Trace, after: Trace, options: Options | None = None) -> Comparison:
    """What differs between two open traces, in the windows they were opened with. They may be closed afterwards.

    Raises BadRequest if neither has a command that the options ask for, BrokenTrace if one cannot be read.
    """
    from sysmon.analyze.diff.comparison import Comparison, Options

    return Comparison(before, after, options or Options())
