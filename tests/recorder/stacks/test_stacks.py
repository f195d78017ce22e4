"""From rows with hashes of stacks to rows with numbers, with a resolver that answers when it is told to."""

import os
import struct
from collections.abc import Collection, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sysmon.bpf.kind import Kind, map_layouts
from sysmon.bpf.kinds.stacks import FRAME, NO_ROOM, NONE, NOT_TAKEN, OFF_CPU, SAMPLES, STACK
from sysmon.recorder.stacks import names, stacks
from sysmon.recorder.stacks.maps import Process
from sysmon.recorder.stacks.names import ENDED, NO_SYMBOL, NOT_YET, Names
from sysmon.recorder.stacks.stacks import Stacks
from sysmon.recorder.symbols import kernel
from sysmon.recorder.symbols.kernel import HIDDEN, KernelSymbols
from sysmon.recorder.symbols.resolver import ENDED as BROKER_ENDED
from sysmon.recorder.symbols.resolver import NO_ROOM as NO_FURTHER
from sysmon.recorder.symbols.resolver import NOT_CODE, Resolved
from sysmon.recorder.symbols.wire import SKIPPED, Frame

ME: Process = (os.getpid(), 5)
MAIN, PARSE, PARSE_TOO, DATA = 0x1000, 0x2000, 0x2010, 0x3000
NAMES = {MAIN: "main", PARSE: "parse", PARSE_TOO: "parse"}
LEAF = 0x4000
"""Where a function without a frame is."""

KERNEL, BPF = 0xFFFFFFFF81000100, 0xFFFFFFFF81000200
FIRST, SECOND, THIRD, IN_KERNEL = 100, 101, 102, 103
"""Hashes of stacks."""


def kept(*innermost_first: int) -> bytes:
    """A stack as it is in the map; addresses are those of the calls, so return addresses are one further."""
    first, *callers = innermost_first
    return struct.pack(f"<{len(innermost_first)}Q", first, *(address + 1 for address in callers))


class Maps:
    """In place of the kernel's."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}

    def drain(self, _epoch: int) -> dict[int, bytes]:
        return self.held

    def new(self, _epoch: int) -> Iterator[tuple[Process, bytes]]:
        return ((ME, stack) for stack in self.held.values())


class Resolver:
    """Knows NAMES; tells them after `answer`."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.refuses: str | None = None
        self._told: list[Resolved] = []

    def ask(self, pid: int, start: int, uid: int, addresses: Collection[int]) -> list[Resolved]:
        assert (pid, start, uid) == (*ME, os.getuid())
        if self.refuses:
            return [Resolved(*ME, address, (), self.refuses) for address in addresses]
        self.asked += sorted(addresses)
        return []

    def answer(self, *addresses: int) -> None:
        for address in addresses:
            name = NAMES.get(address)
            frames = (Frame(name, "/bin/x", None, address, None, None),) if name else ()
            if address == LEAF:
                name, frames = "leaf", (Frame("leaf", "/bin/x", None, address, None, None), SKIPPED)
            self._told.append(Resolved(*ME, address, frames, None if name else NOT_CODE))

    def poll(self) -> list[Resolved]:
        told, self._told = self._told, []
        return told


class Recorder:
    """Stacks with what they need."""

    def __init__(self, folder: Path, kallsyms: str = f"{KERNEL:x} T do_work\n{BPF:x} T bpf_get_stack\n") -> None:
        (folder / "kallsyms").write_text(kallsyms)
        self.maps, self.resolver = Maps(), Resolver()
        known = Names(self.resolver, KernelSymbols(folder / "kallsyms"))
        self.stacks = Stacks(self.maps, known)  # type: ignore[arg-type]

    def named(self, **how: bool) -> list[tuple[list[tuple[Any, ...]], dict[Kind, list[dict[str, Any]]]]]:
        """Rows with numbers, and what these are."""
        return [
            (named.records[["user_stack", "kernel_stack", "samples"]].tolist(), named.told)
            for named in self.stacks.named(**how)
        ]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def rows_of(kind: Kind, *rows: tuple[int, int, int], process: Process = ME) -> Any:
    """Rows of a kind: stack in user space, in the kernel, and how often."""
    fields = [field for layout in map_layouts(kind) for field in layout.fields if field.name != "pad_"]
    out = np.zeros(len(rows), [("ts", "<u8"), *((field.name, field.np_type) for field in fields)])
    out["ts"], out["pid"], out["start"] = 77, *process
    out["user_stack"], out["kernel_stack"], out["samples" if kind is SAMPLES else "waits"] = np.array(rows).T
    return out


def samples(*rows: tuple[int, int, int], process: Process = ME) -> Any:
    """Rows of `samples`."""
    return rows_of(SAMPLES, *rows, process=process)


def test_rows_wait_for_the_names_in_their_stacks(recorder: Recorder) -> None:
    recorder.maps.held = {FIRST: kept(PARSE, MAIN), SECOND: kept(PARSE_TOO, MAIN)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 3), (SECOND, NONE, 4)))
    assert recorder.resolver.asked == [MAIN, PARSE, PARSE_TOO]
    recorder.resolver.answer(PARSE, MAIN)
    assert recorder.named() == [] and recorder.stacks.waits()
    recorder.resolver.answer(PARSE_TOO)
    [(rows, told)] = recorder.named()
    # Two addresses in one function are one stack: its samples are added up.
    assert rows == [(2, NONE, 7)] and not recorder.stacks.waits()
    assert [(row["frame"], row["function"], row["module"]) for row in told[FRAME]] == [
        (1, "main", "/bin/x"),
        (2, "parse", "/bin/x"),
    ]
    assert [(row["stack"], row["caller"], row["frame"]) for row in told[STACK]] == [(1, None, 1), (2, 1, 2)]


def test_names_are_asked_for_once_and_before_the_snapshot(recorder: Recorder) -> None:
    recorder.maps.held = {FIRST: kept(PARSE, MAIN), IN_KERNEL: kept(KERNEL)}
    recorder.stacks.look(0)
    assert recorder.resolver.asked == [MAIN, PARSE]  # the kernel's are known
    recorder.resolver.answer(PARSE, MAIN)
    assert recorder.named() == []
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, IN_KERNEL, 1)))
    [(rows, told)] = recorder.named()
    assert rows == [(2, 3, 1)] and recorder.resolver.asked == [MAIN, PARSE]
    assert told[FRAME][-1]["function"] == "do_work" and told[FRAME][-1]["module"] == "kernel"


def test_what_took_the_stack_of_a_wait_is_not_in_it(recorder: Recorder) -> None:
    """A sample is taken by an interrupt: what it found was running."""
    recorder.maps.held = {IN_KERNEL: kept(BPF, BPF, KERNEL)}
    recorder.stacks.learn(0)
    for kind, functions in ((OFF_CPU, ["do_work"]), (SAMPLES, ["do_work", "bpf_get_stack"])):
        recorder.stacks.begin_file()
        recorder.stacks.hold(kind, rows_of(kind, (NONE, IN_KERNEL, 1)))
        [named] = recorder.stacks.named()
        assert [row["function"] for row in named.told[FRAME]] == functions


@pytest.mark.parametrize(("shown", "why"), [(f"{KERNEL:x} T do_work\n", NO_SYMBOL), (f"{0:016x} T do_work\n", HIDDEN)])
def test_no_address_of_the_kernel_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, why: str
) -> None:
    monkeypatch.setattr(kernel, "RESTRICTION", tmp_path / "none")
    recorder = Recorder(tmp_path, shown)
    recorder.maps.held = {IN_KERNEL: kept(KERNEL - 1)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((NONE, IN_KERNEL, 1)))
    [(_rows, told)] = recorder.named()
    assert [(row["module"], row["address"], row["missing"]) for row in told[FRAME]] == [("kernel", None, why)]


def test_a_stack_ends_where_no_code_is(recorder: Recorder) -> None:
    recorder.maps.held = {FIRST: kept(PARSE, DATA, MAIN), SECOND: kept(DATA)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1), (SECOND, NONE, 1)))
    recorder.resolver.answer(PARSE, DATA, MAIN)
    [(_rows, told)] = recorder.named()
    assert [(row["function"], row["missing"]) for row in told[FRAME]] == [("parse", None), (None, NOT_CODE)]
    assert [row["caller"] for row in told[STACK]] == [None, None]


@pytest.mark.parametrize(
    ("addresses", "functions"),
    [
        ((LEAF, MAIN), ["main", "[caller skipped]", "leaf"]),
        ((PARSE, LEAF, MAIN), ["main", "[caller skipped]", "leaf", "parse"]),  # such as a comparison, called by qsort
        ((LEAF,), ["leaf"]),
        ((LEAF, DATA), ["leaf"]),
    ],
)
def test_a_function_without_a_frame_is_not_called_by_the_next(
    recorder: Recorder, addresses: tuple[int, ...], functions: list[str]
) -> None:
    recorder.maps.held = {FIRST: kept(*addresses)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    recorder.resolver.answer(*addresses)
    [(_rows, told)] = recorder.named()
    frames = {row["frame"]: row["function"] or f"[{row['missing']}]" for row in told[FRAME]}
    assert [frames[row["frame"]] for row in told[STACK]] == functions


def test_rows_do_not_wait_longer_than_they_may(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.maps.held = {FIRST: kept(PARSE)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    [(_rows, told)] = recorder.named(anyway=True)
    assert [(row["address"], row["missing"]) for row in told[FRAME]] == [(PARSE, NOT_YET)]
    monkeypatch.setattr(stacks, "WAIT_S", 0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    assert len(recorder.named()) == 1
    # When the name comes after all, the stack gets it from then on.
    recorder.resolver.answer(PARSE)
    recorder.named()
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    [(_rows, told)] = recorder.named()
    assert [row["function"] for row in told[FRAME]] == ["parse"]


@pytest.mark.parametrize(("why", "asked_again"), [(NO_FURTHER, [MAIN]), (BROKER_ENDED, [])])
def test_rows_do_not_wait_for_what_is_refused(recorder: Recorder, why: str, asked_again: list[int]) -> None:
    recorder.maps.held = {FIRST: kept(MAIN)}
    recorder.stacks.learn(0)
    recorder.resolver.refuses = why
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    [(_rows, told)] = recorder.named()
    assert [(row["address"], row["missing"]) for row in told[FRAME]] == [(MAIN, why)]
    recorder.resolver.refuses = None
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    assert recorder.resolver.asked == asked_again
    recorder.resolver.answer(*asked_again)
    [(_rows, told)] = recorder.named()
    assert [row["function"] for row in told[FRAME]] == [NAMES[address] for address in asked_again]


def test_another_program_is_asked_about_again(recorder: Recorder) -> None:
    recorder.maps.held = {FIRST: kept(MAIN)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    recorder.resolver.answer(MAIN)
    recorder.named()
    recorder.stacks.has_changed(ME[0], 1 << 62)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    assert recorder.resolver.asked == [MAIN, MAIN] and recorder.stacks.waits()


def test_only_so_many_names_are_remembered(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST", 1)
    monkeypatch.setattr(names, "NUMBERS", 0)
    for place, stack in enumerate((kept(PARSE, MAIN), kept(PARSE_TOO, MAIN), kept(PARSE, MAIN))):
        recorder.maps.held = {FIRST + place: stack}
        recorder.stacks.learn(0)
        recorder.stacks.hold(SAMPLES, samples((FIRST + place, NONE, 1)))
        recorder.resolver.answer(PARSE, PARSE_TOO, MAIN)
        [(rows, _told)] = recorder.named()
        assert rows == [(2, NONE, 1)]
    assert recorder.resolver.asked == [MAIN, PARSE, MAIN, PARSE_TOO, MAIN, PARSE]


def test_addresses_of_one_process_have_a_limit(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST", 1)
    recorder.maps.held = {FIRST: kept(PARSE, PARSE_TOO, MAIN)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1)))
    assert len(recorder.resolver.asked) == 2
    recorder.resolver.answer(*recorder.resolver.asked)
    [(_rows, told)] = recorder.named()
    [without] = {MAIN, PARSE, PARSE_TOO} - set(recorder.resolver.asked)
    assert [row["address"] for row in told[FRAME] if row["missing"] == NO_FURTHER] == [without]


def test_one_look_has_a_limit(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "LOOKED_AT", 1)
    recorder.maps.held = {FIRST: kept(PARSE), SECOND: kept(MAIN)}
    recorder.stacks.look(0)
    assert recorder.resolver.asked == [PARSE]
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1), (SECOND, NONE, 1)))
    assert recorder.resolver.asked == [PARSE, MAIN]


def test_why_a_stack_is_unknown(recorder: Recorder) -> None:
    rows = samples((NO_ROOM, NONE, 1), (THIRD, NONE, 2), (NONE, NOT_TAKEN, 3))
    recorder.stacks.hold(SAMPLES, rows)
    [(found, told)] = recorder.named()
    why = {row["frame"]: row["missing"] for row in told[FRAME]}
    assert sorted(((why.get(user), why.get(kernel), count) for user, kernel, count in found), key=itemgetter(2)) == [
        ("no room for the stack", None, 1),
        ("the stack was taken too long ago", None, 2),
        (None, "the wait began before it was recorded", 3),
    ]


def test_a_process_that_has_ended_has_addresses(recorder: Recorder) -> None:
    gone = (2**22 + 1, 5)
    recorder.maps.held = {FIRST: kept(MAIN)}
    recorder.stacks.learn(0)
    recorder.stacks.hold(SAMPLES, samples((FIRST, NONE, 1), process=gone))
    [(_rows, told)] = recorder.named()
    assert [(row["address"], row["missing"]) for row in told[FRAME]] == [(MAIN, ENDED)]
