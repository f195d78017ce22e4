"""Stacks put together: as folded text, as speedscope's JSON, and as boxes of a flame graph."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.stacks.folded import CUT, OFF_CPU, ON_CPU, Folded, Frame, folded
from sysmon.analyze.stacks.formats import as_folded, as_speedscope
from sysmon.analyze.stacks.tree import boxes, tree
from sysmon.analyze.trace.trace import Trace
from sysmon.errors import NoData
from tests import traces
from tests.traces import at, born, row, stack_rows

TREE: tuple[tuple[int | None, dict[str, Any]], ...] = (
    (None, {"function": "_start", "module": "/bin/x"}),
    (1, {"function": "operator();\x1b[2J", "module": "/bin/x"}),
    (None, {"function": "do_syscall_64", "module": "kernel"}),
    (None, {"module": "[vdso]", "address": 0xBE1, "missing": "no symbol"}),
    (None, {"missing": "the stack cannot be read"}),
)
WHO = {"pid": 7, "start": born(-5), "tid": 7, "thread": "x"}
ROWS = [
    row("clock", at(0), event="start", boottime_ns=0),
    row("clock", at(1), event="snapshot", boottime_ns=0),
    row("exec", at(0), pid=7, start=born(-5), comm="x"),
    *stack_rows(at(1), TREE),
    *(
        row("samples", at(1), **WHO, user_stack=user, kernel_stack=kernel, samples=samples)
        for user, kernel, samples in ((2, None, 5), (2, 3, 2), (4, None, 3), (5, 3, 1))
    ),
    row("off_cpu", at(1), **WHO, waited_for="sleep", user_stack=2, kernel_stack=3, waits=1, waited_ns=1_500_400,
        max_waited_ns=1),
]  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Trace]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", ROWS)) as opened:
        yield opened


def test_folded(trace: Trace) -> None:
    lines = list(as_folded(folded(trace, ON_CPU), ON_CPU))
    assert sorted(lines) == [
        f"x (7);{CUT};[vdso]+0xbe1 3\n",
        "x (7);[the stack cannot be read];do_syscall_64_[k] 1\n",
        "x (7);_start;operator(),\\x1b[2J 5\n",
        "x (7);_start;operator(),\\x1b[2J;do_syscall_64_[k] 2\n",
    ]
    assert list(as_folded(folded(trace, OFF_CPU), OFF_CPU)) == [
        "x (7);_start;operator(),\\x1b[2J;do_syscall_64_[k];[sleep] 1500\n"
    ]


def test_stacks_of_the_same_functions_are_one_and_an_unknown_name_is_no_other_process(tmp_path: Path) -> None:
    same = ({"function": "f", "build_id": "aa"}, {"function": "f", "build_id": "bb"}, {"function": "g"})
    rows = [
        *stack_rows(at(1), [(None, function) for function in same]),
        *(row("samples", at(1), pid=9, start=born(-5), tid=9, user_stack=stack, samples=stack) for stack in (1, 2, 3)),
        row("samples", at(1), pid=0, start=0, samples=5),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        assert list(as_folded(folded(trace, ON_CPU), ON_CPU)) == [
            "(other) 5\n",
            f"? (9);{CUT};f 3\n",
            f"? (9);{CUT};g 3\n",
        ]


def test_speedscope(trace: Trace) -> None:
    said = json.loads("".join(as_speedscope(folded(trace, ON_CPU), ON_CPU, 't"x')))
    names = [frame["name"] for frame in said["shared"]["frames"]]
    [profile] = said["profiles"]
    assert (said["name"], profile["type"], profile["unit"], profile["endValue"]) == ('t"x', "sampled", "none", 11)
    found = {
        tuple(names[place] for place in places): weight
        for places, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert found["x (7)", "_start", "operator();\x1b[2J"] == 5 and sum(found.values()) == 11
    assert json.loads("".join(as_speedscope([], OFF_CPU, "t")))["profiles"][0]["samples"] == []


def test_boxes(trace: Trace) -> None:
    root = tree(folded(trace, ON_CPU))
    places = [(box.frame.name, box.frame.origin, box.level, box.left, box.weight) for box in boxes(root, 2, 99)]
    assert sorted(places, key=lambda place: place[2:4]) == [
        ("all", "process", 0, 0, 11),
        ("x (7)", "process", 1, 0, 11),
        (CUT, "unknown", 2, 0, 3),
        ("_start", "user", 2, 4, 7),  # the box of weight 1 before it is left out, its place is not
        ("[vdso]+0xbe1", "user", 3, 0, 3),
        ("operator();\x1b[2J", "user", 3, 4, 7),
        ("do_syscall_64", "kernel", 4, 4, 2),
    ]
    assert max(box.level for box in boxes(root, 2, 3)) == 2


def test_a_trace_without_stacks_says_how_to_have_some(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", [], kinds=["clock"])
    with sysmon.open(path) as trace, pytest.raises(NoData, match=r"without off_cpu; record again --with off_cpu"):
        list(folded(trace, OFF_CPU))


def test_a_folded_stack_has_no_empty_name() -> None:
    assert list(as_folded([Folded(None, "", (Frame("", "user"),), 1)], ON_CPU)) == ["? 1\n"]
