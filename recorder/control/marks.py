"""Marks: rows that say what a client said. Beyond a rate, and a number, they are counted as lost."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from sysmon.bpf.control.messages import Mark, Ok, Reason, Refused
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.remarks import MARK, TOO_MANY
from sysmon.recorder.read.losses import Losses
from sysmon.recorder.sample import clock
from sysmon.safe_text import ACTING

MOST_A_SECOND, MOST = 10, 10_000
"""Marks that a recording takes: in any second, and in all."""

SECOND_NS = 1_000_000_000


class Collector(Protocol):
    """Takes the rows."""

    offset_ns: int
    losses: Losses

    def add(self, kind: Kind, rows: list[dict[str, Any]]) -> None:
        """Adds rows of a kind, with `ts` in CLOCK_BOOTTIME ns."""


class Marks:
    """The marks of a recording."""

    def __init__(self, collector: Collector, *, wanted: bool) -> None:
        """`wanted`: whether the kind is recorded."""
        self._collector, self._wanted = collector, wanted
        self._times: deque[int] = deque(maxlen=MOST_A_SECOND)
        self._made = 0

    def make(self, mark: Mark, pid: int, uid: int) -> Ok | Refused:
        """Makes a row of it, with the time of now, or says why not."""
        if problem := Reason.NOT_RECORDED if not self._wanted else mark.problem():
            return Refused(problem)
        text = without_control(mark.text.decode())
        if not text:
            return Refused(Reason.NOT_TEXT)
        now = clock.boottime_ns()
        if self._is_too_many(now):
            self._collector.losses.note(TOO_MANY, MARK.name)
            return Refused(Reason.TOO_MANY_MARKS)
        self._times.append(now)
        self._made += 1
        self._collector.add(MARK, [{"ts": now, "pid": pid, "uid": uid, "text": text}])
        return Ok(now + self._collector.offset_ns)

    def _is_too_many(self, now: int) -> bool:
        full = len(self._times) == MOST_A_SECOND and now - self._times[0] < SECOND_NS
        return full or self._made >= MOST


def without_control(text: str) -> str:
    """The text in one line, with a space for whatever acts on a terminal."""
    return " ".join(ACTING.sub(" ", text).split())
