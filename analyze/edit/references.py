"""What the rows of a part of a trace refer to, as the columns of their kinds declare it."""

from __future__ import annotations

from collections.abc import Sequence

from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.views import schema_of
from sysmon.bpf.kind import Kind

Columns = tuple[tuple[str, ...], ...]
"""Groups of columns of a kind, of which each names something."""

PROCESSES: Columns = (
    ("pid", "start"),
    ("ppid", "parent_start"),
    ("sender_pid", "sender_start"),
    ("waker_pid", "waker_start"),
    ("holder_pid", "holder_start"),
    ("trigger_pid", "trigger_start"),
)
PIDS: Columns = (("peer_pid",),)
GROUPS: Columns = (("cgroup_id",), ("io_group",))
STACKS: Columns = (("user_stack",), ("kernel_stack",))
OBJECTS: Columns = (("object",), ("object2",))


def of(kinds: Sequence[Kind], groups: Columns, names: Sequence[str]) -> str:
    """The query of what the rows in the window refer to by these columns, which get these names."""
    found = [
        f"SELECT {', '.join(map(name_sql, group))} FROM {schema_of(kind)}.{name_sql(kind.view)}"
        for kind in kinds
        for group in groups
        if set(group) <= {col.name for col in kind.cols}
    ]
    nothing = f"SELECT {', '.join(f'NULL::UBIGINT AS {name_sql(name)}' for name in names)} WHERE FALSE"
    return " UNION ".join([nothing, *found])
