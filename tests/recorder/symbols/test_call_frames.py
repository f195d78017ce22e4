"""Beginnings and frames of functions, in small files that are made here, and in ones that lie."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.recorder.symbols import call_frames
from sysmon.recorder.symbols.call_frames import CallFrames
from sysmon.recorder.symbols.elf import Damaged, of_bytes
from sysmon.recorder.symbols.modules import NO_SYMBOLS, Module
from sysmon.recorder.symbols.wire import SKIPPED, Frame

X86_64, ARM64, RISCV = 62, 183, 243

CODE, SIZE = 0x1000, 0x1000
HEAD = 0x2000
"""Where .eh_frame_hdr is; .eh_frame follows at the next page."""

ENTRIES = 0x3000

RSP_8 = b"\x0c\x07\x08\x90\x01"  # DW_CFA_def_cfa rsp+8; DW_CFA_offset rip at cfa-8
PUSHED = b"\x41\x0e\x10\x86\x02\x43\x0d\x06"  # after 1 byte cfa is at +16 and rbp saved, after 3 more cfa is rbp+16
POPPED = b"\x4a\xc6\x0c\x07\x08"  # after 10 bytes rbp is restored and cfa is rsp+8
AROUND = b"\x0a" + b"\x44\x0c\x07\x08" + b"\x44\x0b"  # 4 bytes later as at the end, and after 4 more as it was
ALIGNED = b"\x41\x0f\x03\x76\x78\x06"  # cfa is what is at rbp-8
PLT = b"\x41\x0f\x02\x77\x08"  # cfa is computed from rsp
STORED = b"\x41\x9d\x02\x9e\x01"  # of arm64: x29 and x30 are in the frame, whose place is sp's


def common(letters: bytes, more: bytes) -> bytes:
    said = b"\x01" + letters + b"\0" + b"\x01\x78\x10" + bytes([len(more)]) + more + RSP_8
    return struct.pack("<II", 4 + len(said), 0) + said


def file(*functions: tuple[int, int, bytes], machine: int = X86_64, signal: bool = False) -> bytes:
    """A file without symbols and sections, whose functions have these places in the code, sizes, and instructions."""
    entries = common(b"zRS" if signal else b"zR", b"\x1b")
    table = b""
    for begin, size, said in functions:
        at = ENTRIES + len(entries)
        table += struct.pack("<ii", CODE + begin - HEAD, at - HEAD)
        body = struct.pack("<iI", CODE + begin - (at + 8), size) + b"\0" + said
        entries += struct.pack("<II", 4 + len(body), at + 4 - ENTRIES) + body
    head = b"\x01\x1b\x03\x3b" + struct.pack("<iI", ENTRIES - HEAD - 4, len(functions)) + table
    elf = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    elf += struct.pack("<HHI3QIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)
    for kind, flags, at, size in (
        (1, 5, CODE, SIZE),
        (1, 4, HEAD, 0x1000 + len(entries)),
        (0x6474E550, 4, HEAD, len(head)),
    ):
        elf += struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, 4096)
    content = bytearray(ENTRIES) + entries
    content[: len(elf)], content[HEAD : HEAD + len(head)] = elf, head
    return bytes(content)


def calls(*functions: tuple[int, int, bytes], machine: int = X86_64, signal: bool = False) -> CallFrames:
    return CallFrames(of_bytes(file(*functions, machine=machine, signal=signal)))


def skips(said: bytes, *offsets: int, machine: int = X86_64, signal: bool = False) -> list[bool | None]:
    """Whether a stack skips the caller of a function, at these offsets in it."""
    found = [calls((0x100, 64, said), machine=machine, signal=signal).of(CODE + 0x100 + at) for at in offsets]
    return [each and each.skips_caller for each in found]


def test_where_functions_begin_and_end() -> None:
    found = calls((0, 16, b""), (16, 8, b""), (64, 4, b""))
    begins = {at: each.begin - CODE for at in range(-1, 80) if (each := found.of(CODE + at))}
    assert begins == dict.fromkeys(range(16), 0) | dict.fromkeys(range(16, 24), 16) | dict.fromkeys(range(64, 68), 64)
    assert found.of(0) is None and found.of(2**64 - 1) is None


def test_a_file_without_a_table_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As linkers make static programs."""
    functions = ((0, 16, b""), (16, 8, PUSHED))
    content = file(*functions)
    elf = of_bytes(content.replace(struct.pack("<I", 0x6474E550), bytes(4)))
    monkeypatch.setattr(elf, "section", lambda name: (ENTRIES, len(content) - ENTRIES))
    found = CallFrames(elf)
    for at in range(-1, 30):
        assert found.of(CODE + at) == calls(*functions).of(CODE + at)
    monkeypatch.setattr(call_frames, "LISTED", 1)
    assert CallFrames(elf).of(CODE) and not CallFrames(elf).of(CODE + 16)


def test_a_function_has_a_frame_from_where_it_is_made_to_where_it_is_given_up() -> None:
    assert skips(PUSHED + POPPED, 0, 1, 3, 4, 13, 14, 63) == [True, True, True, False, False, True, True]
    assert skips(PUSHED + AROUND, 4, 7, 8, 11, 12) == [False, False, True, True, False]


def test_a_function_that_saves_the_frame_pointer_for_another_use_has_none() -> None:
    assert skips(PUSHED[:5], 0, 1, 63) == [True, True, True]


def test_a_frame_that_is_aligned_and_a_table_of_jumps() -> None:
    assert skips(ALIGNED, 0, 1) == [True, False] and skips(PLT, 0, 1) == [True, True]


def test_what_a_signal_interrupted_is_in_no_frame() -> None:
    assert skips(PUSHED, 4, signal=True) == [True]


def test_other_machines() -> None:
    assert skips(STORED, 0, 1, machine=ARM64) == [True, False]
    assert skips(STORED, 0, 1, machine=RISCV) == [False, False]  # not judged


@pytest.mark.parametrize(
    "said", [b"\x41\x3f", b"\x0b", b"\x0c", b"\x0e" + b"\xff" * 11, b"\x0f\x7f", b"\x10\x01\x05\0"]
)
def test_what_cannot_be_read_is_not_judged(said: bytes) -> None:
    assert skips(said, 63) == [False]


def test_a_stripped_file_has_functions_and_says_where_callers_are_skipped() -> None:
    module = Module(of_bytes(file((0x100, 64, PUSHED))))
    inside = Frame("", "/bin/x", None, CODE + 0x100, None, None)
    assert module.frames("/bin/x", CODE + 0x100 + 2) == ((inside, SKIPPED), NO_SYMBOLS)
    assert module.frames("/bin/x", CODE + 0x100 + 9) == ((inside,), NO_SYMBOLS)
    outside = Frame("", "/bin/x", None, CODE + 0x90, None, None)
    assert module.frames("/bin/x", CODE + 0x90) == ((outside,), NO_SYMBOLS)


def test_what_is_said_of_a_function_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_frames, "FUNCTION_BYTES", 40)
    assert skips(PUSHED, 4) == [False] and skips(PUSHED + b"\0" * 40, 4) == [None]


WHOLE = file((0, 16, PUSHED), (16, 48, PUSHED + POPPED), signal=True)


@given(
    st.sampled_from([*range(64, 64 + 3 * 56), *range(HEAD, HEAD + 28), *range(ENTRIES, len(WHOLE))]),
    st.binary(min_size=1, max_size=8),
)
def test_any_damage_is_read_or_refused(at: int, damage: bytes) -> None:
    content = bytearray(WHOLE)
    content[at : at + len(damage)] = damage
    try:
        found = CallFrames(of_bytes(bytes(content)))
    except Damaged:
        return
    for address in (0, CODE, CODE + 20, 2**63, 2**64 - 1):
        function = found.of(address)
        assert function is None or function.begin <= address
    assert found.size_bytes <= 3 * len(content)
