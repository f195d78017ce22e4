"""What the benchmarks share: interleaved runs, their medians and spread, tables, and aims beside what was measured.

A condition is what runs while something is measured: nothing, empty programs, a recording, a peer. Runs of all
conditions take turns, so that a machine that becomes slower affects all of them. What a condition adds is its fastest
run less the fastest run of nothing, as other load can only make a run slower. Next to it are the median over the rounds
of its run less the run of nothing in the same round, and the spread: the smallest and the largest.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

NOTHING, FLOOR, CLOCKS = "nothing", "empty programs", "programs that read the clock"
DEFAULT, EVERY_CALL = "sysmon record", "sysmon record --syscalls"

Condition = Callable[[], AbstractContextManager[list[str]]]
"""Enters a condition, and yields what to put before the measured command. May raise Absent."""


class Absent(Exception):
    """A peer cannot run here, and why, in one line."""


@dataclass(frozen=True)
class Aim:
    """The aim for a figure, and its value. `holds` is None if it could not be measured."""

    what: str
    wanted: str
    measured: str
    holds: bool | None

    @classmethod
    def at_most(cls, what: str, limit: float, value: float | None, unit: str = "", digits: int = 2) -> Aim:
        """The value should be no larger than the limit."""
        if value is not None and value < 0:  # something added a negative amount
            return cls(what, f"at most {limit:,g}{unit}", "lost in the noise", True)
        said = "not measured, or lost in the noise" if value is None else f"{value:,.{digits}f}{unit}"
        return cls(what, f"at most {limit:,g}{unit}", said, None if value is None else value <= limit)

    @classmethod
    def at_least(cls, what: str, limit: float, value: float | None, unit: str = "", digits: int = 0) -> Aim:
        """The value should be no smaller than the limit."""
        said = "not measured" if value is None else f"{value:,.{digits}f}{unit}"
        return cls(what, f"at least {limit:,g}{unit}", said, None if value is None else value >= limit)


@dataclass
class Section:
    """A part of the page."""

    title: str
    text: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    aims: list[Aim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: str = ""

    def markdown(self) -> str:
        """The part in Markdown."""
        parts = [f"## {self.title}", self.text]
        if self.load:
            parts.append(f"Load average of the machine before this part: {self.load}.")
        parts.append(table(self.head, self.rows))
        parts += self.notes
        if self.aims:
            parts.append(aims_table(self.aims))
        return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table: text aligned left, figures right, padded for reading in a terminal."""
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]

    def line(cells: tuple[str, ...]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return f"| {first[0]:{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"

    rule = f"|:{'-' * (widths[0] + 1)}|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def aims_table(aims: list[Aim]) -> str:
    """Each aim next to the measured value."""
    verdict = {True: "yes", False: "**no**", None: "unknown"}
    return table(
        ("aim", "wanted", "measured", "reached"), [(a.what, a.wanted, a.measured, verdict[a.holds]) for a in aims]
    )


def load() -> str:
    """The load average, over 1 and 5 minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} and {five:.1f}"


def progress(text: str) -> None:
    """Reports progress on standard error."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


Figures = dict[str, float]


@dataclass
class Samples:
    """The figures of each run, by condition and round, and why conditions are missing."""

    runs: dict[str, list[Figures]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def values(self, condition: str, figure: str) -> list[float]:
        """The figure of each round."""
        return [run[figure] for run in self.runs.get(condition, [])]

    def median(self, condition: str, figure: str) -> float | None:
        """The median of all rounds; None if there were none."""
        values = self.values(condition, figure)
        return statistics.median(values) if values else None

    def fastest(self, condition: str, figure: str) -> float | None:
        """The smallest of all rounds; None if there were none."""
        return min(self.values(condition, figure), default=None)

    def least(self, condition: str, figure: str, relative: bool = False) -> float | None:
        """How much slower the fastest run was than the fastest of nothing; relative: as a share of the latter."""
        mine, base = self.fastest(condition, figure), self.fastest(NOTHING, figure)
        return None if mine is None or base is None else (mine - base) / (base if relative else 1)

    def added(self, condition: str, figure: str, relative: bool = False) -> list[float]:
        """How much larger the figure of each round was than that of nothing; relative: as a share of the latter."""
        pairs = list(zip(self.values(condition, figure), self.values(NOTHING, figure), strict=False))
        return [(value - base) / (base if relative else 1) for value, base in pairs]

    def middle(self, condition: str, figure: str, relative: bool = False) -> float | None:
        """The median of what the rounds added."""
        values = self.added(condition, figure, relative)
        return statistics.median(values) if values else None

    def ratio(self, condition: str, to: str, figure: str) -> float | None:
        """What one condition adds divided by what another adds; None if the latter is lost in the noise."""
        mine, other = self.least(condition, figure), self.least(to, figure)
        return mine / other if mine is not None and other is not None and other > self._noise(figure) else None

    def _noise(self, figure: str) -> float:
        """The difference between the two fastest runs of nothing."""
        fastest = sorted(self.values(NOTHING, figure))[:2]
        return fastest[-1] - fastest[0] if fastest else 0.0


def interleaved(
    conditions: Mapping[str, Condition], measure: Callable[[str, list[str]], Figures], rounds: int
) -> Samples:
    """Measures under each condition in turn, with the order reversed in every other round.

    `measure` gets the name of the condition and what to put before a command. A condition that raises Absent is left
    out from then on, and so are its earlier rounds.
    """
    samples = Samples()
    for number in range(rounds):
        names = [name for name in conditions if name not in samples.absent]
        for name in names if number % 2 == 0 else reversed(names):
            progress(f"  round {number + 1} of {rounds}: {name}")
            try:
                with conditions[name]() as prefix:
                    samples.runs.setdefault(name, []).append(measure(name, prefix))
            except (Absent, subprocess.SubprocessError) as reason:
                samples.absent[name] = _first_line(reason)
                samples.runs.pop(name, None)
    return samples


def _first_line(reason: Exception) -> str:
    """Why something is absent, with the command if one failed or took too long."""
    if isinstance(reason, subprocess.CalledProcessError):
        said = (reason.stderr or "").strip().splitlines()[:1]
        return f"{reason.cmd[0]} ended with status {reason.returncode}: {''.join(said)}"
    if isinstance(reason, subprocess.TimeoutExpired):
        return f"{reason.cmd[0]} took more than {reason.timeout:.0f} s"
    return str(reason)


@contextlib.contextmanager
def nothing() -> Iterator[list[str]]:
    """The condition in which nothing else runs."""
    yield []


@dataclass(frozen=True)
class Run:
    """What a command took: wall time, CPU time including all its children [s], and its output."""

    wall_s: float
    cpu_s: float
    output: str


def run(command: list[str], limit_s: float = 120) -> Run:
    """Runs a command to its end. Raises CalledProcessError, TimeoutExpired."""
    begin = time.perf_counter()
    before = children_cpu_s()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        output, errors = process.communicate(timeout=limit_s)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # and everything that it started
        process.communicate()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, errors)
    return Run(time.perf_counter() - begin, children_cpu_s() - before, output)


def children_cpu_s() -> float:
    """CPU time of all processes that this one has waited for, including theirs [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(values: list[float], form: str) -> str:
    """The smallest and the largest value."""
    return f"{min(values):{form}} to {max(values):{form}}" if values else ""


def shown(value: float | None, form: str, suffix: str = "") -> str:
    """A figure as text, or that there is none."""
    return "–" if value is None else f"{value:{form}}{suffix}"
