"""Resident memory against /proc."""

from pathlib import Path

import pytest

from tests.live.oracles import memory
from tests.live.oracles.figure import assert_all_hold

pytestmark = pytest.mark.live


def test_64_mib_touched_and_held(tmp_path: Path) -> None:
    assert_all_hold(memory.held(tmp_path))


def test_the_peak_of_a_short_life(tmp_path: Path) -> None:
    figures = memory.peaks(tmp_path)
    if figures is None:
        pytest.skip("this kernel traces an exit after the memory is gone")
    assert_all_hold(figures)
