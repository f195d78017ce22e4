"""The kinds of events that can be shown as lines: each file of `sql/follow/events` is one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sysmon.analyze.trace.missing_kinds import again
from sysmon.analyze.trace.rules import followed
from sysmon.analyze.trace.views import schema_of
from sysmon.bpf.kinds import kind_named
from sysmon.errors import BadRequest, did_you_mean
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

ALL = "all"
"""In place of names: every kind that the trace has."""


@cache
def known() -> tuple[str, ...]:
    """Their names, which are those of the kinds of rows that they show."""
    return tuple(sorted(view.name for view in followed() if view.schema == "event"))


def chosen(names: str, recorded: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The kinds of a list with commas that were recorded, and why there are no others. Raises BadRequest."""
    asked = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if asked == [ALL]:
        return tuple(name for name in known() if name in recorded), ""
    for name in asked:
        if name not in known():
            hint = did_you_mean(name, known(), f"there are {', '.join(known())}")
            raise BadRequest(f"there is no kind of event {one_line(name)!r}; {hint}")
    if not asked:
        raise BadRequest(f"--events: name some of {', '.join(known())}, or give it without names for all")
    missing = [name for name in asked if name not in recorded]
    why = f"recorded without {', '.join(missing)}: {again(missing)}" if missing else ""
    return tuple(name for name in asked if name in recorded), why


def events_query(kinds: Sequence[str]) -> str:
    """SQL of all events of these kinds in the window."""
    return " UNION ALL ".join(f"SELECT * FROM event.{name}" for name in kinds)


def times_query(kinds: Sequence[str]) -> str:
    """SQL of the time of each row, and of nothing else [ns]."""
    rows = (kind_named(name) for name in kinds)
    return " UNION ALL ".join(f"SELECT EPOCH_NS(ts) AS ns FROM {schema_of(kind)}.{kind.view}" for kind in rows)
