"""Rows of processes as a tree: children below their parent, each sibling in the order that it had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui.answers import Row

DEEPEST = 12
"""Levels that are indented; deeper ones are shown at this one."""


def as_tree(names: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """The rows with `comm` indented. Who has no parent among them is a root."""
    pid, comm, ppid = (names.index(name) for name in ("pid", "comm", "ppid"))
    here = {row[pid] for row in rows}
    children: dict[Value, list[Row]] = defaultdict(list)
    roots: list[Row] = []
    for row in rows:
        below = row[ppid] in here and row[ppid] != row[pid]
        (children[row[ppid]] if below else roots).append(row)
    found: list[Row] = []
    left = [(row, 0) for row in reversed(roots)]
    seen: set[Value] = set()
    while left:
        row, depth = left.pop()
        found.append(_indented(row, comm, depth))
        if row[pid] not in seen:
            seen.add(row[pid])
            left += [(child, depth + 1) for child in reversed(children[row[pid]])]
    return found + [row for row in rows if row[pid] not in seen]


def _indented(row: Row, at: int, depth: int) -> Row:
    return (*row[:at], "  " * min(depth, DEEPEST) + str(row[at] if row[at] is not None else "-"), *row[at + 1 :])
