"""System calls as events: what is compiled in, chosen, and decoded."""

import numpy as np
import pytest

from sysmon.bpf import errnos, nulls
from sysmon.bpf.kind import ring_layouts
from sysmon.bpf.kinds import DEFAULT_KINDS, RING_KINDS, kind_named, objects, syscall_events
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file import tables
from sysmon.errors import BadRequest
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.decode import Decoder
from sysmon.recorder.select import syscall_selection

NAMES = SyscallNames("x86_64")
SIZE = len(syscall_events.EventCall().raw(wanted=True))
ASKED = DEFAULT_KINDS | {"syscall"}


def entry(calls: bytes, table: int, number: int) -> bytes:
    at = (table * syscall_events.NUMBERS + number) * SIZE
    return calls[at : at + SIZE]


def test_nothing_is_compiled_in_unless_requested() -> None:
    assert "syscall" not in DEFAULT_KINDS
    without, with_it = csource.Sizes(2, 4096), csource.Sizes(2, 4096, ASKED)
    text, text_with_it = csource.declarations(without), csource.declarations(with_it)
    assert "syscall_0_ring" not in text and "#define RECORDS_syscall " not in text
    assert "syscall_2_ring" in text_with_it and "#define RECORDS_syscall 1\n" in text_with_it
    assert syscall_events.SYSCALL not in without.ring_kinds and syscall_events.SYSCALL in with_it.ring_kinds
    assert set(RING_KINDS) - set(without.ring_kinds) == {syscall_events.SYSCALL, objects.OBJECT_NAME, objects.POLLED}


def test_a_buffer_that_was_chosen() -> None:
    assert csource.Sizes(2, 4096, ASKED, 1 << 30).ring_bytes(syscall_events.SYSCALL) == (1 << 30, 1 << 28, 1 << 25)
    assert csource.Sizes(2, 4096, ASKED, 1 << 16).ring_bytes(syscall_events.SYSCALL) == (1 << 16,) * 3
    exec_ = kind_named("exec")
    assert csource.Sizes(2, 4096, ASKED, 1 << 16).ring_bytes(exec_) == csource.Sizes(2, 4096).ring_bytes(exec_)


def test_all_calls_or_those_of_a_list() -> None:
    every, some = syscall_selection.calls_of(NAMES, ()), syscall_selection.calls_of(NAMES, ("openat", "getppid"))
    assert every is not None and some is not None and len(every) == len(some) == syscall_events.EVENT_CALLS * SIZE
    assert {every[i] for i in range(0, len(every), SIZE)} == {1}
    # openat and getppid of x86-64, of i386 and of x32.
    wanted = [
        (i // SIZE // syscall_events.NUMBERS, i // SIZE % syscall_events.NUMBERS)
        for i in range(0, len(some), SIZE)
        if some[i]
    ]
    assert wanted == [(0, 110), (0, 257), (1, 64), (1, 295), (2, 110), (2, 257)]
    assert entry(some, 0, 257) == bytes((1, 2, 0, 0, 0, 0, 0, 0, 1, syscall_events.FD_RESULT, *bytes(6)))
    assert entry(every, 0, 42) == bytes((1, 0, 0, 2, 3, 0, 0, 0, 1, *bytes(7))), (
        "connect: the address and its length, and the socket"
    )
    assert entry(every, 0, syscall_events.NUMBERS - 1) == bytes((1, *[0] * 15)), "numbers beyond the table"


def test_an_unknown_call_is_one_line_with_the_nearest_names() -> None:
    with pytest.raises(BadRequest, match=r"--syscalls: there is no .* 'opennat'; did you mean openat") as caught:
        syscall_selection.calls_of(NAMES, ("opennat",))
    assert "\n" not in str(caught.value)


def test_every_declared_call_exists_on_some_machine() -> None:
    known = {name for machine in ("x86_64", "aarch64") for table in SyscallNames(machine).tables() for name in table}
    assert set(syscall_events.CALLS) <= known


def records(ring: int, count: int) -> np.ndarray:
    found = np.zeros(count, ring_layouts(syscall_events.SYSCALL)[ring].dtype)
    found["nr"] = 257
    return found


def test_events_with_and_without_strings_come_together() -> None:
    decoder = Decoder(0, NAMES)
    with_strings = records(1, 3)
    for i, text in enumerate((b"/etc/x", b"\xff\n", b"")):
        with_strings["string1"][i] = np.void(text.ljust(256, b"?"))
        with_strings["string1_len"][i] = len(text)
    with_strings["string2_len"] = nulls.NO_LENGTH
    with_strings["sockaddr_len"] = (nulls.NO_LENGTH, 3, 0)
    with_strings["sockaddr"][1] = np.void(b"\2\0\xff".ljust(128, b"?"))
    batch = decoder.batch(syscall_events.SYSCALL, with_strings)
    assert batch["string1"].to_pylist() == ["/etc/x", "\\xff\n", ""]
    assert batch["string2"].to_pylist() == [None] * 3
    assert batch["sockaddr"].to_pylist() == [None, b"\2\0\xff", b""]
    both = tables.together([batch, decoder.batch(syscall_events.SYSCALL, records(0, 2))])
    assert both["string1"].to_pylist() == ["/etc/x", "\\xff\n", "", None, None]
    assert both.schema.names == batch.schema.names


def test_results_and_what_is_unknown() -> None:
    found = records(0, 6)
    found["result"] = (0, -2, -4095, -4096, -512, -(1 << 63))
    found["latency_ns"] = (1, 2, 3, 4, 5, (1 << 64) - 1)
    found["arg1"] = (0, (1 << 64) - 1, 2, 3, 4, nulls.NO_ARG)
    rows = Decoder(0, NAMES).batch(syscall_events.SYSCALL, found).to_pylist()
    assert [r["error"] for r in rows] == [None, "ENOENT", "errno 4095", None, "ERESTARTSYS", None]
    assert [r["result"] for r in rows] == [0, -2, -4095, -4096, -512, None]
    assert [r["arg1"] for r in rows] == [0, (1 << 64) - 1, 2, 3, 4, None]
    assert rows[-1]["latency_ns"] is None and rows[0]["syscall"] == "openat"


def test_error_names_are_those_of_linux() -> None:
    import errno
    import sys

    if sys.platform == "linux":
        aliases = {"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}
        assert {n: name for n, name in errno.errorcode.items() if name not in aliases}.items() <= errnos.NAMES.items()
