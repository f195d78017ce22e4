"""One comparison: an oracle's figure, and sysmon's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, the oracle, both values, and the allowed difference."""

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
