"""When a recording does what. The clock is set by hand: begun at 100 s, with a snapshot every 5 s."""

import pytest

from sysmon.bpf.control.messages import Wanted
from sysmon.recorder.schedule import BUSY_DRAIN_S, COMMIT_S, DRAIN_S, QUIET_DRAIN_S, Schedule

T0 = 100.0


def schedule(duration_s: float | None = None, *, never_quiet: bool = False) -> Schedule:
    return Schedule(T0, 5.0, duration_s, never_quiet=never_quiet)


def test_a_snapshot_each_interval_however_late_the_one_before_was_begun() -> None:
    of = schedule()
    assert not of.is_snapshot_due(104.9, cells=0)
    assert of.is_snapshot_due(105.0, cells=0) and of.is_snapshot_due(107.0, cells=0)
    of.took_snapshot(107.0)
    assert not of.is_snapshot_due(109.9, cells=0) and of.is_snapshot_due(110.0, cells=0)


def test_snapshots_that_were_missed_are_not_made_up_for() -> None:
    of = schedule()
    of.took_snapshot(131.0)
    assert of.is_snapshot_due(131.0, cells=0)  # one at once, and from then on each interval
    of.took_snapshot(131.1)
    assert not of.is_snapshot_due(135.9, cells=0) and of.is_snapshot_due(136.0, cells=0)


def test_a_half_full_map_is_read_early_without_postponing_the_next() -> None:
    of = schedule()
    assert not of.is_snapshot_due(101.0, cells=0.5) and of.is_snapshot_due(101.0, cells=0.51)
    of.took_snapshot(101.0)
    assert not of.is_snapshot_due(104.9, cells=0.5) and of.is_snapshot_due(105.0, cells=0)


def test_a_commit_every_two_seconds_and_one_after_a_pause() -> None:
    of = schedule()
    due = []
    for tenth in range(1000, 1101):
        now = tenth / 10
        if 104 < now < 109:  # it could not run
            continue
        if of.is_commit_due(now):
            of.committed(now)
            due.append(now)
    assert due == [102.0, 104.0, 109.0, 109.1]
    assert COMMIT_S == 2.0


def test_a_drain_stops_for_what_is_due_and_is_complete_before_a_commit() -> None:
    of = schedule(duration_s=4.95)
    assert of.drain_until(100.0) == 100.0 + DRAIN_S
    assert of.drain_until(104.9) == 104.95, "the end is before the snapshot"
    assert of.may_be_lazy(101.9) and not of.may_be_lazy(102.0)
    of.committed(102.0)
    assert of.may_be_lazy(102.0)


def test_it_ends_after_its_duration_or_never() -> None:
    of = schedule(duration_s=7.0)
    assert not of.is_over(106.9) and of.is_over(107.0)
    assert of.left_s(101.0) == 6.0 and of.elapsed_s(101.0) == 1.0
    endless = schedule()
    assert not endless.is_over(1e9) and endless.left_s(101.0) is None


@pytest.mark.parametrize(
    ("fill", "cells", "never_quiet", "pause_s"),
    [
        (0.0, 0.0, False, QUIET_DRAIN_S),
        (0.0, 0.0, True, DRAIN_S),  # a ring of all calls can fill from nothing
        (1 / 64, 0.0, False, DRAIN_S),
        (0.0, 1 / 64, False, DRAIN_S),
        (1 / 8, 0.0, False, DRAIN_S),
        (0.13, 0.0, False, BUSY_DRAIN_S),
        (0.13, 0.0, True, BUSY_DRAIN_S),
    ],
)
def test_the_pause_depends_on_how_full_rings_and_maps_are(
    fill: float, cells: float, never_quiet: bool, pause_s: float
) -> None:
    assert schedule(never_quiet=never_quiet).pause_s(101.0, fill, cells) == pause_s


def test_a_pause_ends_before_a_snapshot_and_before_the_end() -> None:
    assert schedule().pause_s(104.9, 0.0, 0.0) == pytest.approx(0.1)
    assert schedule(duration_s=1.0).pause_s(100.95, 0.0, 0.0) == pytest.approx(0.05)
    assert schedule(duration_s=1.0).pause_s(101.5, 0.0, 0.0) == 0.0


def test_who_looks_at_events_as_they_come_has_them_soon() -> None:
    of = schedule()
    of.watched(101.0, Wanted.EVENTS)
    assert not of.may_be_lazy(101.0)
    of.drained(101.0, came=False)
    assert not of.is_commit_due(101.0) and of.may_be_lazy(101.1)
    of.watched(101.1, Wanted.EVENTS)
    assert of.pause_s(101.15, 0.0, 0.0) == pytest.approx(0.05)
    assert not of.may_be_lazy(101.21)
    of.drained(101.21, came=True)
    assert of.is_commit_due(101.21)
    of.committed(101.21)
    assert of.may_be_lazy(101.4) and not of.may_be_lazy(101.41)
    of.watched(101.3, None)
    assert not of.is_commit_due(103.2) and of.may_be_lazy(103.2) and of.is_commit_due(103.21)
    of.drained(101.5, came=True)
    assert not of.is_commit_due(101.5)


def test_who_looks_at_snapshots_has_each_at_once() -> None:
    of = schedule()
    of.committed(102.0)
    of.committed(104.0)
    of.watched(104.9, Wanted.SNAPSHOTS)
    of.drained(104.9, came=True)
    assert of.may_be_lazy(104.9) and not of.is_commit_due(104.9)
    assert of.pause_s(102.0, 0.0, 0.0) == DRAIN_S
    of.took_snapshot(105.0)
    assert of.is_commit_due(105.0)
    of.committed(105.0)
    of.took_snapshot(105.05)
    assert not of.is_commit_due(105.05), "snapshots may follow each other closely"
    assert of.is_commit_due(107.0)


def test_an_early_commit_puts_the_next_off() -> None:
    of = schedule()
    of.committed(101.0)
    assert not of.is_commit_due(102.9) and of.is_commit_due(103.0)
    for now in (103.2, 103.4):
        of.committed(now)
    assert of.is_commit_due(105.5)
