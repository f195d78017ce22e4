"""What is asked of the reading thread, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from sysmon.analyze.trace.position import Position, Window
from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui.places import Place

if TYPE_CHECKING:
    from sysmon.analyze.trace.result import Result
    from sysmon.analyze.trace.trace import Trace
    from sysmon.bpf.trace_file.metadata import Recording

MOST_ROWS = 1_000
"""Rows that are held of a table; the others are counted."""

Row = tuple[Value, ...]


@dataclass(frozen=True)
class Question:
    """What is to be shown: a place, at a position of the cursor. `moves`: another question follows soon by itself."""

    place: Place
    position: Position
    number: int = 0
    moves: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of a section, of `total` that there are; `said` is shown instead of none. `drawn` rows are not sorted.

    `pending`: they come later, in an answer of their own. `where`: the expression that they fit.
    """

    names: tuple[str, ...] = ()
    numeric: tuple[bool, ...] = ()
    rows: Sequence[Row] = ()
    total: int = 0
    said: str = ""
    drawn: bool = False
    pending: bool = False
    where: str = ""


def held(result: Result) -> tuple[list[Row], int]:
    """The rows that a screen can want, and how many there are."""
    rows = list(islice(result.rows, MOST_ROWS))
    return rows, len(rows) + result.count_rest()


@dataclass(frozen=True)
class Opened:
    """The trace is open."""

    recording: Recording
    path: str


@dataclass(frozen=True)
class Grown:
    """There are these snapshots by now, and `rows` more. If it is not recorded any more, `stopped_by` is why."""

    edges: Sequence[int]
    last_ns: int
    goes_on: bool
    stopped_by: str
    rows: int = 0


@dataclass(frozen=True)
class Shown:
    """The answer to a question. `options`: of the command that shows the same; `lost`: in the window, in one line."""

    question: Question
    window: Window
    tables: tuple[Table, ...]
    options: tuple[str, ...]
    lost: str
    took_s: float


@dataclass(frozen=True)
class Late:
    """The rest of an answer: the table of a section that was pending."""

    question: Question
    section: int
    table: Table


@dataclass(frozen=True)
class Busy:
    """How busy the machine was in the intervals that end at these instants [UTC ns]: 0 to 1."""

    shares: Mapping[int, float]


@dataclass(frozen=True)
class Tick:
    """Something to jump to: 'finding', 'failure', 'loss' or 'mark'. Findings are of a window, `ns` to `until_ns`."""

    what: str
    ns: int
    text: str
    until_ns: int | None = None


@dataclass(frozen=True)
class Ticks:
    """More of them, in the order of time."""

    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Failed:
    """A question could not be answered; without one nothing can be read any more."""

    text: str
    question: Question | None = None


Answer = Opened | Grown | Shown | Late | Busy | Ticks | Failed


class Asker(Protocol):
    """Whoever asks: what reads a trace takes questions from it, and tells it the answers."""

    tell: Callable[[Answer], None]
    paper: Callable[[], tuple[int, bool]]
    has_more: bool

    def next(self, wait_s: float | None) -> Question | bool:
        """What is asked; True if nothing is within this time; False at the end."""

    def reads(self, trace: Trace | None, *, begins: bool = False, gives_way: bool = False) -> None:
        """A query of this trace runs from here on; of something that begins now, if so, which may give way to a key."""

    def is_superseded(self) -> bool:
        """Whether what is being read has taken long enough for what is waiting."""
