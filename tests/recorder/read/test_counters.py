"""Which of a program's missed events are lost."""

import numpy as np

from sysmon.recorder.read.counters import Totals, _of_all

NONE = np.zeros(0, np.uint64)


def test_recovered_events_are_not_lost() -> None:
    totals = Totals(NONE, NONE, {"on_fork": 5, "on_exit": 0})
    misses = {"on_fork": 7, "on_fork_again": 3, "on_exit": 2, "on_exit_again": 0, "on_sched_switch": 1}
    assert totals.skipped(misses) == {"on_fork": 2, "on_exit": 2, "on_sched_switch": 1}


def test_without_copies_every_miss_is_a_loss() -> None:
    assert Totals(NONE, NONE, {}).skipped({"on_fork": 7}) == {"on_fork": 7}


def test_values_of_all_cpus_are_combined() -> None:
    of_cpus = np.array([[1, 2, 3], [1 << 40, 0, 3], [5, 5, (1 << 64) - 7]], np.uint64)
    assert _of_all(np.add, of_cpus, np.dtype("u8")).tolist() == [(1 << 40) + 6, 7, (1 << 64) - 1]
    assert _of_all(np.maximum, of_cpus, np.dtype("u8")).tolist() == [1 << 40, 5, (1 << 64) - 7]
    assert _of_all(np.add, of_cpus[:, :0], np.dtype("u8")).tolist() == []
    assert of_cpus[0].tolist() == [1, 2, 3]
