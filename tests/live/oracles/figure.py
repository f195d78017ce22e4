"""One comparison: a figure of an oracle, and sysmon's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, by whom, what each said, and by how much the two may differ."""

    what: str
    oracle: str
    said: float
    sysmon: float
    unit: str = ""
    allowed: float = 0.0

    @property
    def difference(self) -> float:
        return self.sysmon - self.said

    @property
    def holds(self) -> bool:
        return abs(self.difference) <= self.allowed


def assert_all_hold(figures: Iterable[Figure]) -> None:
    """Raises AssertionError with those that do not."""
    found = list(figures)
    wrong = [figure for figure in found if not figure.holds]
    assert found and not wrong, wrong
