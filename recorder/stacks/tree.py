"""Numbers functions and stacks, and makes their rows: once in each file that refers to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.stacks import FRAME, NONE, SKIPPED, STACK

MOST = 1 << 18
"""Stacks that are remembered. Beyond, all are forgotten before the next rows, and get new numbers when they are seen
again; the rows of one snapshot get at most as many more.
"""

TEXT_CHARACTERS = 500
"""What is kept of a name: in UTF-8, less than a text may have."""


class Function(NamedTuple):
    """What a row of `frame` tells."""

    function: str | None = None
    module: str | None = None
    build_id: str | None = None
    file: str | None = None
    address: int | None = None
    missing: str | None = None


CALLER_SKIPPED = Function(missing=SKIPPED)
NO_ROOM = Function(missing="too many stacks at a time")


class Tree:
    """Stacks by number: 0 is none."""

    def __init__(self) -> None:
        self._next_frame = self._next_stack = 1
        self._forget()

    def _forget(self) -> None:
        self._frames: dict[Function, int] = {}
        self._functions: dict[int, Function] = {}
        self._stacks: dict[tuple[int, int], int] = {}  # caller and frame → stack
        self._nodes: dict[int, tuple[int, int]] = {}  # stack → caller and frame
        self.begin_file()

    def begin_file(self) -> None:
        """From now on rows go to another file."""
        self._told_frames: set[int] = set()
        self._told_stacks: set[int] = {NONE}

    def is_full(self) -> bool:
        """Whether so many stacks are remembered that the next call of `begin` forgets them."""
        return len(self._nodes) > MOST

    def begin(self) -> None:
        """Forgets all stacks; their numbers are not given again."""
        self._forget()

    def number(self, outermost_first: Iterable[Function]) -> int:
        """The number of a stack; of NO_ROOM if there are too many."""
        stack = NONE
        for function in outermost_first:
            place = (stack, self._frame(function))
            found = self._stacks.get(place)
            if found is None:
                if len(self._nodes) >= 2 * MOST and function is not NO_ROOM:
                    return self.number([NO_ROOM])
                found = self._stacks[place] = self._next_stack
                self._nodes[found] = place
                self._next_stack += 1
            stack = found
        return stack

    def _frame(self, function: Function) -> int:
        found = self._frames.get(function)
        if found is None:
            found = self._frames[function] = self._next_frame
            self._functions[found] = function
            self._next_frame += 1
        return found

    def rows(self, stacks: Iterable[int], ts: int) -> dict[Kind, list[dict[str, Any]]]:
        """Rows that tell what these stacks are, without those that this file has already, in order of number."""
        new = set[int]()
        for stack in stacks:
            while stack not in self._told_stacks:
                self._told_stacks.add(stack)
                new.add(stack)
                stack = self._nodes[stack][0]
        places = [(stack, *self._nodes[stack]) for stack in sorted(new)]
        frames = sorted({frame for _stack, _caller, frame in places} - self._told_frames)
        self._told_frames.update(frames)
        return {
            FRAME: [{"ts": ts, "frame": frame, **_shown(self._functions[frame])} for frame in frames],
            STACK: [
                {"ts": ts, "stack": stack, "caller": caller or None, "frame": frame} for stack, caller, frame in places
            ],
        }


def _shown(function: Function) -> dict[str, Any]:
    return {
        name: value[:TEXT_CHARACTERS].encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in function._asdict().items()
    }
