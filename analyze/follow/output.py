"""Where lines of events go: paced, counted, coloured on a terminal, with a head that tells the day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sysmon.analyze.follow.columns import day_and_time
from sysmon.analyze.follow.lines import DAY_NS, Layout, Page
from sysmon.analyze.follow.options import Options, Pace
from sysmon.analyze.text.formats import json_text
from sysmon.analyze.text.screen import ALARM, BOLD, QUIET

if TYPE_CHECKING:
    from sysmon.analyze.text.screen import Screen

STYLES = {"exec": "32", "fork": QUIET, "exit": QUIET, "signal": "35", "connection": "36", "socket": "36", "dns": "36"}
"""Colours of kinds of events, as parameters of Select Graphic Rendition; what failed is red, whatever it is."""

FAILED = "31"


@dataclass(frozen=True)
class Skipped:
    """In place of this many events: they came faster than they can be shown."""

    events: int


class Output:
    """Shows pages of lines."""

    def __init__(self, screen: Screen, options: Options) -> None:
        self._screen, self._options = screen, options
        self._pace = Pace(options.speed)
        self._left = options.count
        self._day: int | None = None
        self.layout = Layout(screen.width, screen.cut)

    def show(self, page: Page | Skipped) -> bool:
        """Whether more is wanted."""
        if isinstance(page, Skipped):
            self._skipped(page.events)
            return True
        if self._left is not None:
            page = page.part(0, self._left)
            self._left -= len(page.lines)
        for part in self._parts(page):
            self._pace.wait(int(part.ns[0]))
            self._write(part)
            self._screen.stream.flush()
        return self._left is None or self._left > 0

    def _parts(self, page: Page) -> Iterator[Page]:
        """What is of one day, and shown at once."""
        steps = page.ns // DAY_NS
        if self._pace.step_ns:
            steps = page.ns // self._pace.step_ns
        cuts = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(page.lines)]
        for begin, end in pairwise(cuts):
            if begin < end:
                yield page.part(begin, end)

    def _write(self, page: Page) -> None:
        if self._options.form != "json":
            self._tell_day(int(page.ns[0]))
        if not self._screen.colours or self._options.form == "json":
            self._screen.stream.write("\n".join(page.lines) + "\n")
            return
        for line, kind, failed in zip(page.lines, page.kinds, page.failed, strict=True):
            self._screen.line(line, FAILED if failed else STYLES.get(kind, ""))

    def _tell_day(self, ns: int) -> None:
        if self._day != ns // DAY_NS:
            self._day = ns // DAY_NS
            self._screen.line(self.layout.head(day_and_time(ns)[0]), BOLD)

    def _skipped(self, events: int) -> None:
        if self._options.form == "json":
            self._screen.stream.write(f"{json_text({'event': 'skipped', 'events': events})}\n")
            return
        line = f"({events} events skipped: they came faster than they can be shown)"
        self._screen.line(line if self._screen.width is None else line[: self._screen.width], ALARM)
