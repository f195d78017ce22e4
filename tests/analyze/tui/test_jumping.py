"""Typed times, and the next of what there is to jump to."""

from __future__ import annotations

import pytest

from sysmon.analyze.tui import jumping
from sysmon.analyze.tui.answers import Tick
from sysmon.errors import BadRequest
from tests.traces import SECOND, T0  # 22:13:20 on the 14th

HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:14", T0 + 40 * SECOND),
        ("22:13:21.5", T0 + 3 * SECOND // 2),
        ("0:13:20", T0 + 2 * HOUR),  # of the next day
        ("5m", T0 + 300 * SECOND),
        ("+5m", T0 + 310 * SECOND),
        ("-2.5", T0 + 15 * SECOND // 2),
        ("2023-11-14T22:13:30", T0 + 10 * SECOND),
    ],
)
def test_typed_times(text: str, expected: int) -> None:
    assert jumping.typed(text, T0, T0 + 3 * HOUR, T0 + 10 * SECOND) == expected


@pytest.mark.parametrize("text", ["", "noon", "+", "25:00", "12:00", "-", "+1 2"])
def test_what_is_no_time_of_the_trace(text: str) -> None:
    with pytest.raises(BadRequest):
        jumping.typed(text, T0, T0 + 3 * HOUR, T0)


def test_the_next_and_the_previous() -> None:
    ticks = [Tick("failure", ns, str(ns)) for ns in (1, 5, 9)] + [Tick("finding", 2, "f", 8), Tick("mark", 6, "m")]
    assert jumping.following(ticks, "failure", 5, 1) == ticks[2]
    assert jumping.following(ticks, "failure", 5, -1) == ticks[0]
    assert jumping.following(ticks, "failure", 9, 1) is None
    assert jumping.following(ticks, "finding", 8, 1) is None  # it is where one is
    assert jumping.following(ticks, "finding", 7, 1) == ticks[3]
