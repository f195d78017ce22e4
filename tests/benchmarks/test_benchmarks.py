"""The arithmetic of the benchmarks: added cost, ratios, results lost in the noise, and missing peers."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import measure
from benchmarks.measure import FLOOR, NOTHING, Absent, Aim, Samples


def samples(**runs: list[float]) -> Samples:
    return Samples({name.replace("_", " "): [{"s": value} for value in values] for name, values in runs.items()})


def test_added_cost_is_the_median_of_differences_within_rounds() -> None:
    # The machine is half as fast in the last round: 14-10, 13-10, 27-20; separate medians would give 14-10.
    of = samples(nothing=[10, 10, 20], other=[14, 13, 27])
    assert of.added("other", "s") == [4, 3, 7]
    assert of.middle("other", "s") == 4
    assert of.middle("other", "s", relative=True) == pytest.approx(0.35)


def test_the_least_added_cost_is_between_the_fastest_runs() -> None:
    # Other load slowed the third run of nothing, and two of the other's.
    of = samples(nothing=[10, 10, 19], other=[15, 12, 15])
    assert of.fastest("other", "s") == 12
    assert of.least("other", "s") == 2
    assert of.least("other", "s", relative=True) == pytest.approx(0.2)
    assert of.least("absent", "s") is None


def test_ratio_compares_added_costs() -> None:
    of = samples(nothing=[10, 11, 10], empty_programs=[12, 12, 13], other=[16, 15, 17])
    assert of.ratio("other", FLOOR, "s") == 5 / 2


def test_no_ratio_to_a_floor_that_is_lost_in_the_noise() -> None:
    of = samples(nothing=[12, 10, 11], empty_programs=[12, 11, 13], other=[16, 15, 14])
    assert of.ratio("other", FLOOR, "s") is None
    assert of.ratio("absent", "other", "s") is None


@pytest.mark.parametrize(
    ("value", "holds", "said"),
    [(2.0, True, "2.00 ×"), (2.01, False, "2.01 ×"), (-0.1, True, "lost in the noise"), (None, None, "not measured")],
)
def test_an_aim_is_reached_missed_or_unknown(value: float | None, holds: bool | None, said: str) -> None:
    aim = Aim.at_most("cost", 2.0, value, " ×")
    assert aim.holds is holds
    assert aim.measured.startswith(said)


def test_conditions_take_turns_and_one_that_cannot_run_is_left_out_with_its_reason() -> None:
    entered = []

    @contextlib.contextmanager
    def condition(name: str) -> Iterator[list[str]]:
        if name == "gone":
            raise Absent("not installed")
        entered.append(name)
        yield [name]

    of = measure.interleaved(
        {name: lambda name=name: condition(name) for name in (NOTHING, "gone", "other")},
        lambda name, prefix: {"s": len(prefix)},
        rounds=2,
    )
    assert entered == [NOTHING, "other", "other", NOTHING]
    assert of.absent == {"gone": "not installed"}
    assert of.values("other", "s") == [1, 1]


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started() -> None:
    # The child holds the pipe: if it survived, reading the output would wait for it.
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(subprocess.TimeoutExpired):
        measure.run([sys.executable, "-c", code], limit_s=1)
