"""Calls and processes compared with strace and perf, which watch the same run."""

from pathlib import Path

import pytest

from tests.live.oracles.build import PARTS, build
from tests.live.oracles.calls import COMMANDS, Watched, against_perf, against_strace, watch
from tests.live.oracles.figure import assert_all_hold

pytestmark = [pytest.mark.live, pytest.mark.alone]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, live_kernel: None, strace: str, perf: str) -> dict[str, Watched]:
    return {run.name: run for run in watch(tmp_path_factory.mktemp("watched"), strace, perf)}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_call_as_often_as_strace_says(watched: dict[str, Watched], name: str) -> None:
    figures = against_strace(watched[name])
    assert len(figures) > 10
    assert_all_hold(figures)


@pytest.mark.parametrize("name", COMMANDS)
def test_all_calls_are_as_many_as_perf_counts(watched: dict[str, Watched], name: str) -> None:
    assert_all_hold([against_perf(watched[name])])


def test_a_build_has_its_processes_with_their_parents_and_no_others(tmp_path: Path, strace: str) -> None:
    below, recorded, make = build(tmp_path, strace)
    assert len(below) > 3 * PARTS
    assert any(parent != make for _child, parent in below)
    assert recorded == below
