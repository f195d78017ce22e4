"""A table of intervals, as vmstat and pidstat show them: a line of the machine, and below it the busiest processes.

An interval is from snapshot to snapshot, as counts are known of no other. Its window begins and ends 1 ns after a
snapshot, so that what was read at a snapshot belongs to the interval that it ends. Windows touch, so nothing is
counted twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysmon.analyze.follow import columns
from sysmon.analyze.follow.options import Options, Pace, grows, pause
from sysmon.analyze.text.formats import json_text
from sysmon.analyze.text.screen import ALARM, BOLD
from sysmon.analyze.trace.cursor import Cursor
from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Instant, Value

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.trace import Trace

MACHINE = "FROM follow.machine"
PROCESSES = "FROM follow.processes LIMIT $top"


@dataclass(frozen=True)
class Interval:
    """When it ended [UTC ns since 1970], and its figures by column."""

    ended_ns: int
    machine: dict[str, Value]
    processes: list[dict[str, Value]]


def plain(trace: Trace, screen: Screen, options: Options) -> None:
    """Shows each interval of the trace's window, until there are no more."""
    pace, show = Pace(options.speed), _Json(screen) if options.form == "json" else _Table(screen)
    for shown, interval in enumerate(intervals(trace, options), 1):
        pace.wait(interval.ended_ns)
        show(interval)
        screen.stream.flush()
        if shown == options.count:
            return


def intervals(trace: Trace, options: Options) -> Iterator[Interval]:
    """The intervals that end in the trace's window; of a recording that still runs also those that come."""
    since, until = trace.since_ns, trace.until_ns
    for begin, ended, end in _windows(Cursor(trace), options.every_ns, since, until):
        trace.move(begin, end)
        with trace.reading():
            processes = list(Result.of(trace.own(PROCESSES, {"top": options.top})).records())
            (machine,) = Result.of(trace.own(MACHINE)).records()
        yield Interval(ended, machine, processes)


def _windows(
    cursor: Cursor, every_ns: int, since: int | None, until: int | None
) -> Iterator[tuple[int | None, int, int | None]]:
    """Of each interval: where its window begins, the snapshot that ends it, and the first instant after its window."""
    begin, pending = _begin(cursor.position.edges, since), None
    seen = max(cursor.position.started_ns, since or 0)
    due = seen + every_ns
    while True:
        edges = cursor.position.edges if _has_intervals(cursor.trace) else []
        done = not grows(cursor.trace) or (until is not None and cursor.position.ended_ns > until)
        ends = [ns for ns in edges if ns > seen and (until is None or ns <= until)]
        for ended in ends:
            seen = pending = ended
            if (done and ended == ends[-1]) or ended + _slack_ns(cursor) < due:
                continue
            yield begin, ended, ended + 1
            begin, pending = ended + 1, None
            due = max(due, ended - _slack_ns(cursor)) + every_ns
        if done and pending is not None:
            yield begin, pending, until
        if done:
            return
        pause()
        cursor.refresh()


def _begin(edges: Sequence[int], since: int | None) -> int | None:
    """Where the interval begins that has this instant: it is shown whole, as counts are of all of it."""
    before = bisect_right(edges, since) - 1 if since is not None else 0
    return edges[before] + 1 if before > 0 else None


def _has_intervals(trace: Trace) -> bool:
    """Whether it has an interval yet; once it is finished, all of it is one at least."""
    return not grows(trace) or trace.metadata["rows"].get("clock", 0) > 1


def _slack_ns(cursor: Cursor) -> int:
    """How much too early a snapshot may end an interval that was asked for: half of the time between two."""
    return int(cursor.trace.metadata["interval_s"] * 5e8)


class _Json:
    """An object for each interval."""

    def __init__(self, screen: Screen) -> None:
        self._stream = screen.stream

    def __call__(self, interval: Interval) -> None:
        record = {"ts": Instant(interval.ended_ns), **interval.machine, "processes": interval.processes}
        self._stream.write(f"{json_text(record)}\n")


class _Table:
    """Lines with a head on each screenful."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._left = 0
        self._day = ""

    def __call__(self, interval: Interval) -> None:
        day, time = columns.day_and_time(interval.ended_ns)
        needed = 1 + len(interval.processes)
        if self._left < needed or day != self._day:
            self._head(day)
        self._left -= needed
        seconds = interval.machine["interval_s"]
        style = ALARM if interval.machine["lost"] else ""
        self._screen.line(columns.machine_line(time, interval.machine, self._screen.width), style)
        for record in interval.processes:
            self._screen.line(columns.process_line(record, seconds, self._screen))

    def _head(self, day: str) -> None:
        self._day, self._left = day, self._screen.height - 3
        for line in columns.heads(day, self._screen.width):
            self._screen.line(line, BOLD)
