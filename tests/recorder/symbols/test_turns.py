"""Whose turn it is with the readers of symbols."""

import pytest

from sysmon.recorder.symbols import turns
from sysmon.recorder.symbols.turns import PERIOD_S, RESTARTS, Turns


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [1000.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: at[0])
    return at


def test_who_kept_readers_for_the_shortest_time_is_first(now: list[float]) -> None:
    of = Turns()
    assert of.order([3, 1, 2]) == [3, 1, 2]
    of.took(3, 20)
    of.took(1, 10)
    assert of.order([3, 1, 2]) == [2, 1, 3]
    of.took(1, 11)
    assert of.order([3, 1, 2]) == [2, 3, 1]


def test_failures_are_counted_by_user_until_the_period_ends(now: list[float]) -> None:
    of = Turns()
    for failed in range(RESTARTS + 1):
        assert not of.are_over(7), failed
        of.failed(7)
    assert of.are_over(7) and not of.are_over(8)
    now[0] += PERIOD_S - 1
    assert of.order([7]) == [7] and of.are_over(7)
    now[0] += 1
    assert of.order([7]) == [7] and not of.are_over(7)


def test_the_users_of_past_periods_are_forgotten(now: list[float]) -> None:
    of = Turns()
    for uid in range(100):
        of.took(uid, 1)
        of.failed(uid)
    now[0] += PERIOD_S
    assert of.order([5, 200]) == [5, 200]
    assert not of._kept_ns and not of._failures
