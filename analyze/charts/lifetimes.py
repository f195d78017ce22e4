"""Lifetimes of processes: one line each, or one per name and parent, in tree order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matplotlib.collections import PolyCollection

from sysmon.analyze.charts import page, style, units
from sysmon.analyze.charts.data import IDS, too_many
from sysmon.analyze.charts.intervals import boxes, merged
from sysmon.analyze.charts.losses import losses, shade
from sysmon.analyze.trace.result import Result
from sysmon.errors import NoData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sysmon.analyze.charts.ask import Ask
    from sysmon.analyze.charts.ranks import Key
    from sysmon.analyze.trace.trace import Trace

LIVES = f"""
SELECT {IDS}, comm, epoch_ns(began), epoch_ns(ended), ended_by, exit_code,
    CAST(COALESCE(ppid, -1) AS BIGINT), COALESCE(TRY_CAST(parent_start AS BIGINT), -1)
FROM report.lives
ORDER BY pid, start, execs
"""

MOST_LIVES = 500_000
"""Most processes that are read: each takes half a kilobyte."""

LINES = 34
"""Most lines in a chart: as many as fit on a page."""

LINE_HEIGHT = 0.16
"""Height of a line [inches]."""

HALF = 0.3
"""Half the height of a bar, as a fraction of its line."""

LABELS = 1.75
"""Space for names on the left [inches]."""

INDENT = 0.09
"""Indentation of a child's name from its parent's [inches]."""

LEAST = 0.0022
"""Width of the narrowest bar, as a fraction of the axis."""

GROUPS = (10**9, 12, 5, 2, 1)
"""Tried in turn until the lines fit: how many processes of one name and parent get a line each."""

ENDS = {
    "lived on": "#56b4e9",
    "executed another program": style.OTHERS,
    "exit status 0": "#009e73",
    "another exit status": "#e69f00",
    "killed by a signal": "#d55e00",
}
"""How a life ended, with drawing order and colour."""

NS = 1e9


@dataclass(frozen=True)
class Life:
    """A program in a process, with begin and end [s since the recording began]; None: earlier, later, or not seen."""

    began: float | None
    ended: float | None
    end: str


@dataclass
class Process:
    """A process with its lives, in order."""

    key: Key
    parent: Key
    name: str
    lives: list[Life] = field(default_factory=list)

    @property
    def stayed(self) -> bool:
        """Whether it was there all the time, as one program."""
        return all(life.began is None and life.ended is None for life in self.lives)

    @cached_property
    def began(self) -> float:
        """When it was first seen to begin a program; processes from before the recording come first."""
        return min((-1.0 if life.began is None else life.began) for life in self.lives)


@dataclass(frozen=True)
class Line:
    """A line of the chart: a process, or several with one name and parent, and its depth in the tree."""

    depth: int
    members: tuple[Process, ...]

    @property
    def label(self) -> str:
        """The name, and the pid or the number of processes."""
        letters = int((LABELS - 0.25 - self.depth * INDENT) / page.LETTER)
        first = self.members[0]
        said = f" × {len(self.members):,}" if len(self.members) > 1 else f" {first.key[0]}"
        return style.text_of(first.name, max(4, letters - len(said))) + said


def draw(ask: Ask) -> Figure:
    """Raises NoData if no process began or ended."""
    trace = ask.trace
    everyone = processes(trace)
    shown, left_out = lines(everyone, keep_all=trace.selection.of_some)
    if not shown:
        raise NoData("no process began or ended in this part of the trace: there are no lifetimes to draw")
    lost = losses(trace, ask.chart)
    notes = [lost.note]
    if left_out:
        notes.insert(0, f"No room here for {left_out:,} more; `--pid`, `--comm`, `--since` and `--until` choose.")
    seen = {life.end for line in shown for p in line.members for life in p.lives}
    legend = [page.Entry(colour, end) for end, colour in ENDS.items() if end in seen]
    height = LINE_HEIGHT * len(shown) + 0.1
    sheet = page.Page(ask.chart.title, page.subtitle(trace), (height,), legend, notes, left=LABELS)
    figure, (axes,) = sheet.made()
    page.time_axis(axes, trace, 0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    born = sum(any(life.began is not None for life in p.lives) for p in everyone)
    failed = sum(any(life.end in ("another exit status", "killed by a signal") for life in p.lives) for p in everyone)
    axes.set_title(
        f"{units.count(born)} process{'es' if born != 1 else ''} began or executed a program, "
        f"{units.count(failed)} failed or were killed"
    )
    for i, line in enumerate(shown):
        _bars(axes, i, line)
        indent = 72 * (0.1 - LABELS + line.depth * INDENT)
        axes.annotate(
            line.label, (0, i), xycoords=("axes fraction", "data"), xytext=(indent, 0), textcoords="offset points",
            va="center", ha="left", fontsize=7, annotation_clip=False,
        )  # fmt: skip
        if i % 2:
            axes.axhspan(i - 0.5, i + 0.5, facecolor=style.INK, alpha=0.04, linewidth=0, zorder=0)
    shade(axes, lost)
    return figure


def processes(trace: Trace) -> list[Process]:
    """All processes alive in the chosen part, each with its last name. Raises BrokenTrace if there are too many."""
    started_ns = trace.metadata["started_ns"]
    found: dict[Key, Process] = {}
    rows: Iterable[Any] = Result.of(trace.own(LIVES)).rows
    for i, (pid, start, comm, began, ended, ended_by, exit_code, ppid, parent_start) in enumerate(rows):
        if i == MOST_LIVES:
            raise too_many(trace)
        process = found.setdefault((pid, start), Process((pid, start), (ppid, parent_start), comm or "?"))
        process.name = comm or process.name
        end = _end(ended_by, exit_code)
        process.lives.append(Life(_second(began, started_ns), _second(ended, started_ns), end))
    return list(found.values())


def _second(ns: int | None, started_ns: int) -> float | None:
    return None if ns is None else (ns - started_ns) / NS


def _end(ended_by: str | None, exit_code: int | None) -> str:
    if ended_by == "exit":
        return "exit status 0" if not exit_code else "another exit status"
    return {"exec": "executed another program", "signal": "killed by a signal"}.get(ended_by or "", "lived on")


def lines(everyone: list[Process], *, keep_all: bool = False) -> tuple[list[Line], int]:
    """The chart's lines, and how many processes that began or ended are on none.

    A process that was there all the time is shown only as a parent, unless `keep_all`.
    """
    by_key = {p.key: p for p in everyone}
    wanted = {p.key for p in everyone if keep_all or not p.stayed}
    children: dict[Key, list[Process]] = {}
    roots: list[Process] = []
    for p in _with_parents(by_key, wanted):
        if p.parent in by_key and p.parent != p.key:
            children.setdefault(p.parent, []).append(p)
        else:
            roots.append(p)
    found: list[Line] = []
    for most in GROUPS:
        if most >= len(everyone) and len(wanted) > LINES:  # each would have a line of its own
            continue
        found = _without_stem(list(_tree(roots, children, most, 0)), wanted)
        if len(found) <= LINES:
            return found, 0
    kept = _largest(found)
    there = {p.key for line in kept for p in line.members}
    return kept, len(wanted - there)


def _with_parents(by_key: dict[Key, Process], wanted: set[Key]) -> list[Process]:
    needed: set[Key] = set()
    for key in wanted:
        while key in by_key and key not in needed:
            needed.add(key)
            key = by_key[key].parent
    return sorted((by_key[key] for key in needed), key=lambda p: (p.began, p.key))


def _tree(members: Iterable[Process], children: dict[Key, list[Process]], most: int, depth: int) -> Iterator[Line]:
    """The lines of processes and their children. Those of one name share a line if there are more than `most`.

    Not recursive: a chain of processes can be longer than Python's stack.
    """
    todo = [(depth, group) for group in reversed(_groups(members, most))]
    while todo:
        depth, group = todo.pop()
        yield Line(depth, group)
        below = [child for p in group for child in children.get(p.key, ())]
        if below:
            todo += [(depth + 1, one) for one in reversed(_groups(below, most))]


def _groups(members: Iterable[Process], most: int) -> list[tuple[Process, ...]]:
    named: dict[str, list[Process]] = {}
    for p in members:
        named.setdefault(p.name, []).append(p)
    out: list[tuple[Process, ...]] = []
    for group in named.values():
        out += [tuple(group)] if len(group) > most else [(p,) for p in group]
    return sorted(out, key=lambda g: (g[0].began, g[0].key))


def _without_stem(found: list[Line], wanted: set[Key]) -> list[Line]:
    """The lines without the common ancestors, such as init, that did nothing themselves."""
    cut = 0
    while cut + 1 < len(found) and not any(p.key in wanted for p in found[cut].members):
        if any(line.depth <= found[cut].depth for line in found[cut + 1 :]):
            break
        cut += 1
    return [Line(line.depth - cut, line.members) for line in found[cut:]]


def _largest(found: list[Line]) -> list[Line]:
    """As many lines as fit: those of most processes with their ancestors, then the earliest."""
    keep: set[int] = set()
    above = _above(found)
    for i in sorted(range(len(found)), key=lambda i: (-len(found[i].members), i)):
        chain: set[int] = set()
        at: int | None = i
        while at is not None and at not in keep and len(chain) <= LINES:
            chain.add(at)
            at = above[at]
        if len(keep) + len(chain) <= LINES:
            keep |= chain
        if len(keep) == LINES:
            break
    return [found[i] for i in sorted(keep)]


def _above(found: list[Line]) -> list[int | None]:
    """For each line the index of its parent's."""
    out: list[int | None] = []
    path: list[int] = []  # the last line at each depth
    for i, line in enumerate(found):
        del path[line.depth :]
        out.append(path[-1] if path else None)
        path.append(i)
    return out


def _bars(axes: Axes, at: int, line: Line) -> None:
    low, high = axes.get_xlim()
    least = LEAST * (high - low)
    for end, colour in ENDS.items():
        spans = [
            (max(low, life.began) if life.began is not None else low, life.ended if life.ended is not None else high)
            for p in line.members
            for life in p.lives
            if life.end == end
        ]
        bars = boxes(((a, b) for a, b in merged(spans, least) if b > low), at - HALF, at + HALF)
        if bars:
            axes.add_collection(
                PolyCollection(bars, facecolor=colour, edgecolor="none", gid=end, zorder=2), autolim=False
            )
