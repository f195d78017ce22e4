"""What the addresses of processes are called, as far as the resolver has said: it is asked once for each."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from sysmon.recorder.sample import clock, procfs
from sysmon.recorder.stacks.maps import Process, addresses
from sysmon.recorder.stacks.tree import CALLER_SKIPPED, Function
from sysmon.recorder.symbols.kernel import KERNEL, KernelSymbols
from sysmon.recorder.symbols.resolver import NO_ROOM, NOT_CODE, Resolved
from sysmon.recorder.symbols.wire import SKIPPED, Frame

MOST = 1 << 18
"""Addresses that are remembered. Beyond, those of the processes not seen for longest are forgotten before the next are
asked for; of one process at most as many more are.
"""

NUMBERS = 1 << 15
"""Stacks of a process whose numbers are remembered."""

NOT_YET = "not resolved in time"
NO_SYMBOL = "no symbol"
ENDED = "the process had ended"

TRACING = ("bpf_", "__bpf", "__traceiter_", "trace_", "perf_trace", "stack_trace_", "perf_callchain", "get_perf_")
"""Functions that the kernel runs to take a stack: how the names of the innermost in it begin."""


class Resolver(Protocol):
    """Names the functions in processes."""

    def ask(self, pid: int, start: int, uid: int, addresses: Collection[int]) -> list[Resolved]:
        """Never waits. Answers those that it refuses."""

    def poll(self) -> list[Resolved]:
        """What has arrived since the last call."""


@dataclass
class _Known:
    """What is known of a process: its user, None if it had ended; its functions by address, None while they are asked
    for; when each was asked for [ns, CLOCK_BOOTTIME]; and the numbers that its stacks have been given.
    """

    uid: int | None
    functions: dict[int, tuple[Function, ...] | None] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)


class Names:
    """Names in processes and in the kernel."""

    def __init__(self, resolver: Resolver, kernel: KernelSymbols) -> None:
        self._resolver, self._kernel = resolver, kernel
        self._of_kernel: dict[int, Function] = {}
        self._processes: OrderedDict[Process, _Known] = OrderedDict()
        self._by_pid: dict[int, set[Process]] = {}
        self._size = 0

    def ask(self, process: Process, asked: Iterable[int]) -> list[int]:
        """Has these addresses of a process resolved. Returns those that are not yet."""
        self._forget()
        known = self._processes.get(process)
        if not known:
            known = self._processes[process] = _Known(procfs.uid_of(process[0]))
            self._by_pid.setdefault(process[0], set()).add(process)
        self._processes.move_to_end(process)
        asked = set(asked)
        new = set(itertools.islice(asked - known.asked.keys(), max(2 * MOST - self._size, 0)))
        if new:
            self._ask(process, known, new)
        return [address for address in asked if known.functions.get(address, ()) is None]

    def _ask(self, process: Process, known: _Known, new: set[int]) -> None:
        self._size += len(new - known.functions.keys())
        known.asked.update(dict.fromkeys(new, clock.boottime_ns()))
        if known.uid is None:
            known.functions.update((address, (Function(address=address, missing=ENDED),)) for address in new)
        else:
            known.functions.update(dict.fromkeys(new))
            for refused in self._resolver.ask(*process, known.uid, new):
                known.functions[refused.address] = _functions(refused)
                if refused.missing == NO_ROOM:  # it is asked for again when it is next seen
                    del known.asked[refused.address]

    def poll(self) -> list[tuple[Process, int]]:
        """Takes what has been resolved. Returns which."""
        told = []
        for answer in self._resolver.poll():
            process = (answer.pid, answer.start)
            known = self._processes.get(process)
            if known and answer.address in known.functions:
                known.functions[answer.address] = _functions(answer)
            told.append((process, answer.address))
        return told

    def are_final(self, process: Process, kept: bytes) -> bool:
        """Whether all names in a stack of this process are what they will be."""
        known = self._processes.get(process)
        if not known:
            return False
        return all(address in known.asked and known.functions.get(address) is not None for address in addresses(kept))

    def numbers(self, process: Process) -> dict[int, int]:
        """Numbers of stacks of this process, for whoever gives them: they are forgotten with its names."""
        known = self._processes.get(process)
        if not known:
            return {}
        if len(known.numbers) > NUMBERS:
            known.numbers.clear()
        return known.numbers

    def forget_numbers(self) -> None:
        """Forgets them of all processes."""
        for known in self._processes.values():
            known.numbers.clear()

    def has_changed(self, pid: int, ts: int) -> None:
        """A process ran another program from then on [ns, CLOCK_BOOTTIME]: its addresses mean something else.

        Those that were asked for before are asked for again when they are next seen.
        """
        for process in self._by_pid.get(pid, ()):
            known = self._processes[process]
            known.asked = {address: when for address, when in known.asked.items() if when >= ts}
            known.numbers.clear()
            known.uid = procfs.uid_of(pid)

    def _drop(self, process: Process) -> None:
        self._size -= len(self._processes.pop(process).functions)
        of_pid = self._by_pid[process[0]]
        of_pid.discard(process)
        if not of_pid:
            del self._by_pid[process[0]]

    def _forget(self) -> None:
        while self._size > MOST:
            self._drop(next(iter(self._processes)))

    def user(self, process: Process, kept: bytes) -> list[Function]:
        """The functions of a stack in user space, outermost first.

        The kernel follows whatever is in the place of a frame pointer, also if the program has none. So a stack ends
        where no code is: that was no caller. A function that has no frame there is not followed by its caller but by a
        caller of that: CALLER_SKIPPED stands between.
        """
        of_process = self._processes.get(process)
        known = of_process.functions if of_process else {}
        found: list[Function] = []
        for address in addresses(kept):
            functions = known.get(address, ()) or (
                Function(address=address, missing=NOT_YET if address in known else NO_ROOM),
            )
            if found and functions[0].missing == NOT_CODE:
                break
            found += functions
        if found and found[-1] is CALLER_SKIPPED:  # nothing follows: it is one of many that are unknown
            found.pop()
        return found[::-1]

    def kernel(self, kept: bytes, *, by_itself: bool) -> list[Function]:
        """The functions of a stack in the kernel, outermost first, without those that took it: `by_itself`, it begins
        with them, as it was taken by a call from where the thread was. That of a sample begins where the clock's
        interrupt found the thread, which may be in functions with such names for reasons of its own.
        """
        found = [self._in_kernel(address) for address in addresses(kept)]
        while by_itself and len(found) > 1 and (found[0].function or "").startswith(TRACING):
            del found[0]
        return found[::-1]

    def _in_kernel(self, address: int) -> Function:
        found = self._of_kernel.get(address)
        if found is None:
            frame = self._kernel.of(address)
            why = self._kernel.missing or NO_SYMBOL
            # Without the address: where the kernel was loaded is a secret (KASLR), and a trace is shared.
            found = Function(module=KERNEL, missing=why) if frame is None else _function(frame, None)
            if len(self._of_kernel) > MOST:
                self._of_kernel.clear()
            self._of_kernel[address] = found
        return found


def _functions(answer: Resolved) -> tuple[Function, ...]:
    if not answer.frames:
        return (Function(address=answer.address, missing=answer.missing or NO_SYMBOL),)
    return tuple(_function(frame, answer.missing) for frame in answer.frames)


def _function(frame: Frame, missing: str | None) -> Function:
    if frame == SKIPPED:
        return CALLER_SKIPPED
    if frame.function:
        return Function(frame.function, frame.module, frame.build_id, frame.file)
    return Function(None, frame.module, frame.build_id, None, frame.offset, missing or NO_SYMBOL)
