"""Drawings made of text, for tables: which reports have one, and how it is made.

A drawing turns one result into another, so that a table shows, cuts and counts it like any other. JSON, CSV and
Markdown have only the numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.values import Value
from sysmon.errors import BadRequest

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.trace import Trace

EIGHTHS = " ▏▎▍▌▋▊▉█"
"""A cell filled from the left in eighths."""

SHADES = "░▒▓█"
"""Each stands for four times as much as the previous one."""

ASCII_SHADES = ".:+#"

ASCII_BLOCK = "#"

BLOCKS = EIGHTHS + SHADES
"""All characters used for drawing, if the stream can write them."""

MAP_ROWS = 12
"""Most rows of a heat map; for a wider range of latencies a row covers several octaves."""

MOST_MAPS = 1_000
"""Most heat maps in a table, each half a megabyte. A kernel has about 400 system calls."""

LEGEND = "shade: calls/s relative to the maximum of the map: {3} from 1/4, {2} from 1/16, {1} from 1/64, {0} less"

WIDTH = 100
"""Width of a drawing where lines are not cut [terminal cells]."""

Row = tuple[Value, ...]


@dataclass(frozen=True)
class Paper:
    """What is drawn on: its width [terminal cells], whether it has BLOCKS, and the time it covers [UTC ns]."""

    width: int
    blocks: bool
    started_ns: int
    begin_ns: int
    end_ns: int

    @staticmethod
    def of(screen: Screen, trace: Trace) -> Paper:
        """The screen, and the chosen part of the recording."""
        return Paper.of_trace(trace, screen.width or WIDTH, blocks=screen.can_write(BLOCKS))

    @staticmethod
    def of_trace(trace: Trace, width: int, *, blocks: bool) -> Paper:
        """One of this width, and the chosen part of the recording."""
        begin, end = trace.metadata["started_ns"], trace.metadata["ended_ns"]
        return Paper(
            width=width,
            blocks=blocks,
            started_ns=begin,
            begin_ns=max(begin, begin if trace.since_ns is None else trace.since_ns),
            end_ns=min(end, end if trace.until_ns is None else trace.until_ns),
        )


@dataclass(frozen=True)
class Drawing:
    """How a report is drawn: the query for its input, and the function that turns the query's result into a drawing."""

    query: str
    draw: Callable[[Result, Paper], Result]


def bars(result: Result, paper: Paper) -> Result:
    """The histogram with a bar for each bucket, its length relative to the fullest bucket of its histogram."""
    calls = result.names.index("calls")
    which = _which(result, "low_ns", "high_ns", "calls")
    width = min(20, max(4, paper.width - 60))

    def rows() -> Iterator[Row]:
        for _, histogram in groupby(result.rows, key=which):
            buckets = list(histogram)  # at most as many rows as there are buckets: about 500
            most = max((_number(row[calls]) for row in buckets), default=0)
            for row in buckets:
                drawn = _bar(_number(row[calls]) / most, width, paper.blocks) if most else ""
                yield (*row[: calls + 1], drawn, *row[calls + 1 :])

    return _with_column(result, calls + 1, "histogram", rows())


def share_bars(result: Result, paper: Paper) -> Result:
    """Rows whose last column is a share in percent, with a bar of it in front; the first row is the largest."""
    width = min(20, max(4, paper.width - 80))
    at = len(result.names) - 1

    def rows() -> Iterator[Row]:
        most = 0.0
        for row in result.rows:
            most = most or _number(row[at])
            yield (*row[:at], _bar(_number(row[at]) / most, width, paper.blocks) if most else "", row[at])

    return _with_column(result, at, "share", rows())


def heat_map(result: Result, paper: Paper) -> Result:
    """A map for each system call, by time taken: latency upwards, time to the right.

    Raises BadRequest if there are too many.
    """
    measured = ("ts", "interval_s", "octave", "calls", "time_ns")
    ts, interval_s, octave, calls, time_ns = map(result.names.index, measured)
    which = _which(result, *measured)
    slots = min(80, max(10, paper.width - 45))
    shades = SHADES if paper.blocks else ASCII_SHADES
    maps: dict[Row, _Map] = defaultdict(_Map)
    for (when, length), snapshot in groupby(result.rows, key=itemgetter(ts, interval_s)):
        spread = _spread(when, length, paper, slots)
        if len(maps) > MOST_MAPS:
            raise BadRequest("more system calls than can be drawn; --format csv has all numbers")
        for row in snapshot:
            maps[which(row)].add(int(_number(row[octave])), int(_number(row[calls])), _number(row[time_ns]), spread)

    def rows() -> Iterator[Row]:
        for (*key, abi), one in sorted(maps.items(), key=lambda item: (-item[1].time, str(item[0]))):
            for latency, count, line in one.rows(slots, shades):
                yield (*key, latency, count, line, abi)

    *key, abi = (name for name in result.names if name not in measured)
    names = (*key, "latency", "calls", _axis(paper, slots), abi)
    return Result(names, tuple(n in ("latency", "calls") for n in names), rows(), LEGEND.format(*shades))


class _Map:
    """The calls of one system call: by octave of latency, and by octave and slot of time."""

    def __init__(self) -> None:
        self.time = 0.0
        self.calls: dict[int, int] = defaultdict(int)
        self.cells: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))

    def add(self, octave: int, calls: int, time: float, spread: list[tuple[int, float]]) -> None:
        """Adds calls of one octave with their total time [ns] and their distribution over the slots."""
        self.time += time
        self.calls[octave] += calls
        cells = self.cells[octave]
        for slot, share in spread:
            cells[slot] += calls * share

    def rows(self, slots: int, shades: str) -> Iterator[tuple[str, int, str]]:
        """The map's rows, longest latency first: lower limit, number of calls, and shades."""
        first, last = min(self.calls), max(self.calls)
        step = (last - first) // MAP_ROWS + 1
        summed: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for octave, cells in self.cells.items():
            for slot, count in cells.items():
                summed[(octave - first) // step][slot] += count
        most = max((c for cells in summed.values() for c in cells.values()), default=0.0)
        for row in range((last - first) // step, -1, -1):
            octaves = range(first + row * step, first + (row + 1) * step)
            line = "".join(_shade(summed[row][slot], most, shades) for slot in range(slots))
            yield _latency(octaves[0]), sum(self.calls[o] for o in octaves if o in self.calls), line


def _shade(value: float, most: float, shades: str) -> str:
    if not value:
        return " "
    return next((s for n, s in enumerate(reversed(shades)) if value * 4 ** (n + 1) >= most), shades[0])


def _spread(when: Value, length: Value, paper: Paper, slots: int) -> list[tuple[int, float]]:
    """The slots that a snapshot's interval covers, with its share of each; for an unknown interval, the slot of its
    end.

    Overlaps of less than a hundredth of a slot are left out: they would shade the slot next to its own.
    """
    scale = slots / max(1, paper.end_ns - paper.begin_ns)
    end = (_number(when) - paper.begin_ns) * scale
    begin = end - _number(length) * 1e9 * scale
    if begin == end:
        return [(min(max(0, ceil(end) - 1), slots - 1), 1.0)]
    seen = range(max(0, floor(begin)), min(ceil(end), slots))
    covered = [(slot, min(end, slot + 1) - max(begin, slot)) for slot in seen]
    return [(slot, part / (end - begin)) for slot, part in covered if part > min(0.01, (end - begin) / 4)]


def _axis(paper: Paper, slots: int) -> str:
    """The time axis: time since the recording began, as --since and --until take it."""
    begin, end = (
        f"{(ns - paper.started_ns) / 1e9:.3f}".rstrip("0").rstrip(".") for ns in (paper.begin_ns, paper.end_ns)
    )
    gap = slots - len(f"+{begin}s+{end}s")
    return f"+{begin}s{' ' * gap}+{end}s" if gap > 0 else f"+{begin}s to +{end}s"


def _latency(octave: int) -> str:
    """The smallest latency of an octave, which holds the numbers with this many binary digits."""
    value, unit = float(1 << (octave - 1) if octave else 0), "ns"
    for larger in ("us", "ms", "s"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.{0 if unit == 'ns' or value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def _bar(share: float, width: int, blocks: bool) -> str:
    if share <= 0:
        return ""
    if not blocks:
        return ASCII_BLOCK * max(1, round(share * width))
    full, rest = divmod(max(1, round(share * width * 8)), 8)
    return EIGHTHS[8] * full + EIGHTHS[rest].strip()


def _which(result: Result, *measured: str) -> Callable[[Row], Row]:
    """A function that returns what a row is about: all columns but the measured ones."""
    others = [i for i, name in enumerate(result.names) if name not in measured]
    return lambda row: tuple(row[i] for i in others)


def _with_column(result: Result, at: int, name: str, rows: Iterator[Row]) -> Result:
    names = (*result.names[:at], name, *result.names[at:])
    return Result(names, (*result.numeric[:at], False, *result.numeric[at:]), rows)


def _number(value: Value) -> float:
    """A number; 0 if unknown."""
    return cast(float, value or 0)


FOLDED = """
WITH
span AS (
    SELECT
        EPOCH_NS(GREATEST(started, COALESCE(since, started))) AS begin_ns,
        EPOCH_NS(LEAST(ended, COALESCE(until, ended))) AS end_ns
    FROM main.recording
),
lengths AS (
    SELECT
        FLOOR(400.0 * (EPOCH_NS(ts) - begin_ns) / GREATEST(1, end_ns - begin_ns)) AS part,
        MAX(ts) AS ts,
        SUM(interval_ns) AS ns
    FROM main.snapshots
    CROSS JOIN span
    GROUP BY part
),
cells AS (
    SELECT
        FLOOR(400.0 * (EPOCH_NS(ts) - begin_ns) / GREATEST(1, end_ns - begin_ns)) AS part,
        MAX(ts) AS ts,
        syscall,
        CASE WHEN low_ns < 1 THEN 0 ELSE 1 + FLOOR(LOG2(low_ns)) END AS octave,
        SUM(calls) AS calls,
        SUM(calls * (low_ns + high_ns) / 2.0) AS time_ns,
        abi
    FROM main.syscall_latencies
    CROSS JOIN span
    WHERE returned
        AND low_ns IS NOT NULL
    GROUP BY part, syscall, octave, abi
)
SELECT COALESCE(l.ts, c.ts) AS ts, l.ns / 1e9 AS interval_s, c.syscall, c.octave, c.calls, c.time_ns, c.abi
FROM cells AS c
LEFT JOIN lengths AS l ON l.part = c.part
ORDER BY c.part, c.syscall, c.abi, c.octave
"""
"""The report latency_timeline by octave, and for a long recording by 400ths of the time instead of by snapshot: a
screen has fewer columns.
"""

DRAWINGS = {
    "syscall_histogram": Drawing("SELECT * FROM report.syscall_histogram", bars),
    "syscall_histogram_by_process": Drawing("SELECT * FROM report.syscall_histogram_by_process", bars),
    "latency_timeline": Drawing(FOLDED, heat_map),
}
"""The reports that are drawn, and how."""
