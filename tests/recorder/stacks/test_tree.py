"""Stacks are numbered and told once."""

import pytest

from sysmon.bpf.kinds.stacks import FRAME, STACK
from sysmon.recorder.stacks import tree as tree_module
from sysmon.recorder.stacks.tree import TEXT_CHARACTERS, Function, Tree

MAIN, PARSE, HASH = Function("main", "/bin/x"), Function("parse", "/bin/x"), Function("hash", "/bin/x")


def test_stacks_share_their_callers_and_are_told_once() -> None:
    tree = Tree()
    first, second, again = tree.number([MAIN, PARSE]), tree.number([MAIN, HASH]), tree.number([MAIN, PARSE])
    assert (first, second, again) == (2, 3, 2)  # 1 is `main` alone
    rows = tree.rows([second, first], 7)
    assert [(r["frame"], r["function"], r["module"]) for r in rows[FRAME]] == [
        (1, "main", "/bin/x"), (2, "parse", "/bin/x"), (3, "hash", "/bin/x"),
    ]  # fmt: skip
    assert rows[STACK] == [
        {"ts": 7, "stack": 1, "caller": None, "frame": 1},
        {"ts": 7, "stack": 2, "caller": 1, "frame": 2},
        {"ts": 7, "stack": 3, "caller": 1, "frame": 3},
    ]
    assert tree.rows([first, second, 0], 8) == {FRAME: [], STACK: []}


def test_a_recursion_is_a_deeper_stack_with_the_same_frame() -> None:
    tree = Tree()
    rows = tree.rows([tree.number([MAIN, PARSE, PARSE])], 7)
    assert [(r["caller"], r["frame"]) for r in rows[STACK]] == [(None, 1), (1, 2), (2, 2)]
    assert len(rows[FRAME]) == 2


def test_another_file_is_told_again() -> None:
    tree = Tree()
    stack = tree.number([MAIN])
    before = tree.rows([stack], 7)
    tree.begin_file()
    assert tree.number([MAIN]) == stack
    assert tree.rows([stack], 7) == before


def test_a_number_is_not_given_twice() -> None:
    tree = Tree()
    stack = tree.number([MAIN])
    tree.begin()
    assert tree.number([MAIN]) > stack


def test_long_names_and_names_that_are_no_text_are_made_storable() -> None:
    tree = Tree()
    ((row),) = tree.rows([tree.number([Function("f" * 1000, "/bin/\udcff")])], 7)[FRAME]
    assert row["function"] == "f" * TEXT_CHARACTERS
    assert row["module"] == "/bin/\\udcff"


def test_so_many_stacks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "MOST", 1)
    tree = Tree()
    assert [tree.number([MAIN]), tree.number([PARSE])] == [1, 2]
    full = tree.number([MAIN, HASH])
    assert full == tree.number([HASH]) == tree.number([HASH, MAIN]) and tree.number([PARSE]) == 2
    [row] = tree.rows([full], 7)[FRAME]
    assert (row["function"], row["address"], row["missing"]) == (None, None, "too many stacks at a time")
    assert tree.is_full()
    tree.begin()
    assert tree.number([HASH]) > full
