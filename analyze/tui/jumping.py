"""Where a typed time, or a jump to something, leads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sysmon.analyze.trace.times import instant_ns, iso
from sysmon.analyze.tui.answers import Tick
from sysmon.errors import BadRequest

CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d{1,9})?)?", re.ASCII)


def typed(text: str, started_ns: int, ended_ns: int, at_ns: int) -> int:
    """A typed time as an instant [UTC ns]. Raises BadRequest.

    `+5m` and `-30s` are from where we are, `5m` is from the start; a time of day is that of the day on which the trace
    has it. Anything else is as --since takes it.
    """
    text = text.strip()
    if text[:1] in ("+", "-"):
        return at_ns + (1 if text[0] == "+" else -1) * instant_ns(text[1:].strip(), 0)
    if not CLOCK.fullmatch(text):
        return instant_ns(text, started_ns)
    whole = text if text.count(":") == 2 else f"{text}:00"
    day = datetime.fromisoformat(iso(started_ns, 0)[:10]).replace(tzinfo=UTC)
    while True:
        found = instant_ns(f"{day:%Y-%m-%d}T{whole.zfill(8) if '.' not in whole else whole.rjust(8, '0')}", started_ns)
        if found >= started_ns or day > datetime.fromisoformat(iso(ended_ns, 0)[:10]).replace(tzinfo=UTC):
            break
        day += timedelta(days=1)
    if not started_ns - 60 * 10**9 <= found <= ended_ns + 60 * 10**9:
        raise BadRequest(f"{text} UTC is not in this trace: {iso(started_ns, 0)} to {iso(ended_ns, 0)}")
    return found


def following(ticks: Iterable[Tick], what: str, at_ns: int, by: int) -> Tick | None:
    """The next tick of a sort, or the one before if `by` is negative. Where a window is, its end counts."""
    of = [tick for tick in ticks if tick.what == what]
    if by > 0:
        return min((tick for tick in of if _at(tick) > at_ns), key=_at, default=None)
    return max((tick for tick in of if _at(tick) < at_ns), key=_at, default=None)


def _at(tick: Tick) -> int:
    return tick.ns if tick.until_ns is None else tick.until_ns
