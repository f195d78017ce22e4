"""Holds rows that refer to stacks until the names in these are known, and then gives the stacks their numbers.

A name may come some milliseconds after it is asked for, and it is asked for when its address is first seen: a few times
a second, as it can be found only while the process lives. Rows of a snapshot wait for their names; not longer than
WAIT_S, as others come behind them.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.stacks import KERNEL_STACK, NO_ROOM, NONE, NOT_TAKEN, SAMPLES, UNREADABLE, USER_STACK
from sysmon.recorder.stacks.maps import Process, StackMaps, addresses, is_of_kernel
from sysmon.recorder.stacks.names import Names
from sysmon.recorder.stacks.rows import Records, by_process, each, summed
from sysmon.recorder.stacks.tree import Function, Tree

LOOK_S = 0.25
"""How often to look for new stacks: a process that ends earlier has no names, and each look takes 1 ms."""

WAIT_S = 5.0
"""How long rows wait for names."""

LOOKED_AT = 1 << 11
"""New stacks whose names are asked for in one look: of those beyond, in the next or with the snapshot."""

KEPT = 1 << 15
"""Stacks whose addresses are remembered: a wait may end many snapshots after its stack was taken."""

WHY_UNKNOWN = {
    NO_ROOM: "no room for the stack",
    UNREADABLE: "the stack cannot be read",
    NOT_TAKEN: "the wait began before it was recorded",
}
FORGOTTEN = "the stack was taken too long ago"


@dataclass
class _Held:
    kind: Kind
    records: Records
    until: float
    waits_for: set[tuple[Process, int]]


@dataclass(frozen=True)
class Named:
    """Rows whose stacks have numbers, and the rows that tell what these stacks are."""

    kind: Kind
    records: Records
    told: dict[Kind, list[dict[str, Any]]]


class Stacks:
    """Gives numbers to the stacks of rows."""

    def __init__(self, maps: StackMaps, names: Names) -> None:
        self._maps, self._names = maps, names
        self._tree = Tree()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._held: list[_Held] = []
        self._looked = 0.0

    def learn(self, epoch: int) -> None:
        """Reads the stacks of an epoch that has ended."""
        for name, kept in self._maps.drain(epoch).items():
            self._kept[name] = kept
            self._kept.move_to_end(name)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def look(self, epoch: int) -> None:
        """Asks for the names in stacks that are new in this epoch, as their processes may end before the snapshot.

        It may be called more often than it looks.
        """
        now = time.monotonic()
        if now < self._looked + LOOK_S:
            return
        self._looked = now
        asked: dict[Process, set[int]] = {}
        for process, kept in itertools.islice(self._maps.new(epoch), LOOKED_AT):
            if not is_of_kernel(kept):
                asked.setdefault(process, set()).update(addresses(kept))
        for process, found in asked.items():
            self._names.ask(process, found)

    def begin_file(self) -> None:
        """From now on rows go to another file, which has to tell all stacks again."""
        self._tree.begin_file()

    def has_changed(self, pid: int, ts: int) -> None:
        """A process ran another program from then on [ns, CLOCK_BOOTTIME]."""
        self._names.has_changed(pid, ts)

    def hold(self, kind: Kind, records: Records) -> None:
        """Takes rows, and asks for the names in their stacks."""
        waits_for = {
            (process, address)
            for process, stacks in by_process(records).items()
            for address in self._names.ask(process, self._addresses(process, stacks))
        }
        self._held.append(_Held(kind, records, time.monotonic() + WAIT_S, waits_for))

    def _addresses(self, process: Process, stacks: list[int]) -> set[int]:
        numbers = self._names.numbers(process)
        new = (self._kept.get(stack) for stack in stacks if stack not in numbers)
        return {address for kept in new if kept for address in addresses(kept)}

    def named(self, *, anyway: bool = False) -> Iterator[Named]:
        """The rows that need not wait any more; `anyway`: all."""
        told = self._names.poll()
        now = time.monotonic()
        held, self._held = self._held, []
        for rows in held:
            rows.waits_for.difference_update(told)
            if anyway or not rows.waits_for or now >= rows.until:
                yield self._numbered(rows)
            else:
                self._held.append(rows)

    def waits(self) -> bool:
        """Whether rows wait for names."""
        return bool(self._held)

    def _numbered(self, rows: _Held) -> Named:
        if self._tree.is_full():
            self._tree.begin()
            self._names.forget_numbers()
        records = rows.records.copy()
        user = each(rows.records, ("pid", "start", USER_STACK.name), lambda p, s, u: self._user((p, s), u))
        by_itself = rows.kind is not SAMPLES
        kernel = each(rows.records, (KERNEL_STACK.name,), lambda stack: self._of_kernel(stack, by_itself))
        records[USER_STACK.name], records[KERNEL_STACK.name] = user, kernel
        told = np.unique(np.concatenate([user, kernel])).tolist()
        ts = int(records["ts"][0]) if len(records) else 0
        return Named(rows.kind, summed(rows.kind, records), self._tree.rows(told, ts))

    def _user(self, process: Process, stack: int) -> int:
        numbers = self._names.numbers(process)
        known = numbers.get(stack)
        if known is not None:
            return known
        kept = self._kept.get(stack)
        if stack <= NOT_TAKEN or kept is None:
            return self._unknown(stack)
        number = self._tree.number(self._names.user(process, kept))
        if self._names.are_final(process, kept):
            numbers[stack] = number
        return number

    def _of_kernel(self, stack: int, by_itself: bool) -> int:
        kept = self._kept.get(stack)
        if stack <= NOT_TAKEN or kept is None:
            return self._unknown(stack)
        return self._tree.number(self._names.kernel(kept, by_itself=by_itself))

    def _unknown(self, stack: int) -> int:
        return NONE if stack == NONE else self._tree.number([Function(missing=WHY_UNKNOWN.get(stack, FORGOTTEN))])
