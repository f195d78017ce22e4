"""Comparisons of arbitrary traces: nothing differs from itself, and before and after can be swapped."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sysmon
from sysmon.analyze.diff import compare
from sysmon.analyze.diff.comparison import Comparison, Options
from sysmon.analyze.diff.sections import sections
from sysmon.analyze.diff.significance import Side, adjusted, order_p, rate_p, share_p
from tests import traces
from tests.lengths import examples
from tests.properties.test_reading import ROWS, apart
from tests.traces import Row

pytestmark = pytest.mark.slow

RARELY = settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])

COUNTS = st.integers(0, 10**6).map(float)


def compared(before: list[Row], after: list[Row], **options: Any) -> Comparison:
    with tempfile.TemporaryDirectory() as directory:
        paths = [traces.write(Path(directory) / f"{i}.parquet", rows) for i, rows in enumerate((before, after))]
        with sysmon.open(paths[0]) as b, sysmon.open(paths[1]) as a:
            return compare(b, a, Options(**options))


def small(rows: list[Row]) -> list[Row]:
    """The rows without impossible counts, and with one answer to each question."""
    return [
        {n: v % 10**6 if type(v) is int and n not in ("ts", "start") else v for n, v in r.items()} for r in apart(rows)
    ]


@RARELY
@given(ROWS)
def test_nothing_differs_from_itself(rows: list[Row]) -> None:
    with compared(small(rows), small(rows)) as same:
        assert {s.name: same.rows(s.name).fetchall() for s in sections()} == {s.name: [] for s in sections()}


@RARELY
@given(ROWS, ROWS, st.booleans())
def test_any_two_traces_can_be_compared_and_swapped(one: list[Row], other: list[Row], unchanged: bool) -> None:
    pair = small(one), small(other)
    with compared(*pair, unchanged=unchanged) as there, compared(*pair[::-1], unchanged=unchanged) as back:
        for section in sections():
            changes = there.changes(section.name)
            assert changes == back.changes(section.name), section.name
            assert changes <= len(there.rows(section.name).fetchall())


def sides(draw: Any) -> tuple[Side, Side]:
    def side() -> Side:
        blocks = draw(st.integers(1, 32))
        variance = draw(st.floats(0, 10)) if blocks > 1 else np.nan
        return Side(np.array([draw(COUNTS) + 1]), np.array([float(blocks)]), np.array([variance]))

    return side(), side()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_tests_are_symmetric_and_probabilities(data: st.DataObject) -> None:
    a, b = sides(data.draw)
    hits = [np.minimum(np.array([data.draw(COUNTS)]), s.n) for s in (a, b)]
    slower, ties = np.array([data.draw(st.floats(0, 1))]), np.array([0.0])
    pairs = [
        (share_p(a, b, *hits), share_p(b, a, *hits[::-1])),
        (order_p(a, b, slower, ties), order_p(b, a, 1 - slower, ties)),
        (rate_p(a, b, 3.0, 7.0), rate_p(b, a, 7.0, 3.0)),
    ]
    for there, back in pairs:
        assert 0 <= there[0] <= 1
        np.testing.assert_allclose(there, back, rtol=1e-6, atol=1e-12)
    assert share_p(a, a, hits[0], hits[0])[0] == 1
    assert order_p(a, a, np.array([0.5]), ties)[0] == 1
    assert rate_p(a, a, 5.0, 5.0)[0] == 1


@given(st.lists(st.floats(0, 1) | st.just(np.nan), max_size=40))
def test_corrected_p_values_are_never_smaller_and_keep_their_order(values: list[float]) -> None:
    p = np.array(values)
    q = adjusted(p)
    known = ~np.isnan(p)
    assert (np.isnan(q) == ~known).all()
    assert (q[known] >= p[known]).all()
    assert (np.diff(q[known][np.argsort(p[known])]) >= 0).all()
