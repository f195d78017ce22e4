"""Functions in ELF files: small ones that are made here, real ones, and ones that lie."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.recorder.symbols import elf
from sysmon.recorder.symbols.elf import Damaged, Elf, of_bytes

BASE, TEXT = 0x400000, 0x1000

FUNC, NOTYPE, OBJECT = 2, 0, 1
LOCAL, GLOBAL = 0, 1

Symbol = tuple[str, int, int, int, int]
"""Name, type, binding, address and size."""


def file(symbols: list[Symbol], word: int = 8, table: int = 2) -> bytes:
    """A file of one segment of code at BASE, whose bytes begin at TEXT, with this table of symbols and a build id."""
    names, packed = b"\0", b"\0" * (24 if word == 8 else 16)
    for name, kind, binding, value, size in symbols:
        at = len(names)
        names += name.encode() + b"\0"
        info = binding << 4 | kind
        packed += (
            struct.pack("<IBBHQQ", at, info, 0, 1, value, size)
            if word == 8
            else struct.pack("<IIIBBH", at, value, size, info, 0, 1)
        )
    note = struct.pack("<III", 4, 4, 3) + b"GNU\0\xde\xad\xbe\xef"
    shown = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    w = "Q" if word == 8 else "I"
    head_size, segment_size, section_size = (64, 56, 64) if word == 8 else (52, 32, 40)
    at_note = head_size + 2 * segment_size
    at_symbols = TEXT + 0x1000
    at_names = at_symbols + len(packed)
    at_shown = at_names + len(names)
    at_sections = at_shown + len(shown)

    def segment(kind: int, flags: int, offset: int, address: int, size: int) -> bytes:
        if word == 8:
            return struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size, size, 4096)
        return struct.pack("<IIIIIIII", kind, offset, address, address, size, size, flags, 4096)

    def section(name: bytes, kind: int, flags: int, offset: int, size: int, link: int) -> bytes:
        at = shown.index(b"\0" + name) + 1 if name else 0
        return struct.pack(f"<II4{w}II2{w}", at, kind, flags, 0, offset, size, link, 0, 1, 0)

    head = b"\x7fELF" + bytes([2 if word == 8 else 1, 1, 1]) + bytes(9)
    head += struct.pack(
        f"<HHI3{w}IHHHHHH", 2, 62, 1, 0, head_size, at_sections, 0, head_size, segment_size, 2, section_size, 5, 4
    )
    parts = {
        0: head + segment(1, 5, TEXT, BASE + TEXT, 0x1000) + segment(4, 4, at_note, 0, len(note)) + note,
        at_symbols: packed + names + shown,
        at_sections: section(b"", 0, 0, 0, 0, 0)
        + section(b".text", 1, 6, TEXT, 0x1000, 0)
        + section(b".symtab", table, 0, at_symbols, len(packed), 3)
        + section(b".strtab", 3, 0, at_names, len(names), 0)
        + section(b".shstrtab", 3, 0, at_shown, len(shown), 0),
    }
    content = bytearray(at_sections + 5 * section_size)
    for at, part in parts.items():
        content[at : at + len(part)] = part
    return bytes(content)


AT = BASE + TEXT


def name_at(symbols: list[Symbol], address: int) -> str | None:
    [table] = of_bytes(file(symbols)).symbols()
    return table.of(address)


@pytest.mark.parametrize("word", [4, 8])
def test_addresses_names_and_build_id(word: int) -> None:
    found = of_bytes(file([("f", FUNC, GLOBAL, AT, 16), ("g", FUNC, LOCAL, AT + 16, 4)], word))
    assert (found.build_id(), found.base(), found.is_stripped()) == ("deadbeef", AT, False)
    assert [found.address(offset) for offset in (0xFFF, TEXT, TEXT + 0xFFF, TEXT + 0x1000)] == [
        None,
        AT,
        AT + 0xFFF,
        None,
    ]
    [table] = found.symbols()
    assert [table.of(AT + at) for at in (-1, 0, 15, 16, 19, 20)] == [None, "f", "f", "g", "g", None]


def test_a_table_of_what_is_exported_is_used_if_there_is_no_other() -> None:
    found = of_bytes(file([("f", FUNC, GLOBAL, AT, 16)], table=11))
    assert found.is_stripped() and [table.of(AT) for table in found.symbols()] == ["f"]


def test_of_several_names_that_which_its_users_write() -> None:
    same = [(name, FUNC, GLOBAL, AT, 16) for name in ("__GI___write", "__write", "write", "__libc_write")]
    assert name_at(same, AT + 3) == "write"


def test_data_is_no_function_and_a_label_in_assembly_is_one() -> None:
    symbols = [
        ("data", OBJECT, GLOBAL, AT, 64),
        ("label", NOTYPE, GLOBAL, AT + 8, 0),
        (".L1", NOTYPE, LOCAL, AT + 9, 0),
    ]
    assert [name_at(symbols, AT + at) for at in (7, 8, 9, 100)] == [None, "label", "label", "label"]


def test_a_function_around_another_and_one_that_has_no_size() -> None:
    symbols = [("outer", FUNC, LOCAL, AT, 64), ("inner", FUNC, LOCAL, AT + 16, 8), ("cold", FUNC, LOCAL, AT + 16, 0)]
    assert [name_at(symbols, AT + at) for at in (15, 16, 23, 24, 63, 64)] == [
        "outer",
        "inner",
        "inner",
        "outer",
        "outer",
        None,
    ]


def test_a_size_that_reaches_beyond_all_addresses() -> None:
    assert name_at([("f", FUNC, GLOBAL, AT, 2**64 - 1)], AT + 5) == "f"


def test_of_a_real_file() -> None:
    path = Path(sys.executable).resolve()
    content = path.read_bytes()
    if content[:4] != b"\x7fELF":
        pytest.skip("not an ELF file here")
    found = of_bytes(content)
    assert found.symbols() and found.address(len(content) + (1 << 30)) is None


WHOLE = file([("f", FUNC, GLOBAL, AT, 16), ("g", FUNC, LOCAL, AT + 16, 4)])
INTERESTING = [*range(64 + 2 * 56 + 24), *range(TEXT + 0x1000, len(WHOLE))]


def read_all(content: bytes) -> None:
    found = of_bytes(content)
    found.base(), found.build_id(), found.address(TEXT), found.section(b".debug_info")
    for table in found.symbols():
        table.of(AT), table.of(2**64 - 1)


@given(st.sampled_from(INTERESTING), st.binary(min_size=1, max_size=8))
def test_any_damage_is_read_or_refused(at: int, damage: bytes) -> None:
    content = bytearray(WHOLE)
    content[at : at + len(damage)] = damage
    try:
        read_all(bytes(content))
    except Damaged:
        return


@given(st.integers(0, len(WHOLE) - 1))
def test_whatever_is_cut_off_is_refused_or_not_missed(size: int) -> None:
    with pytest.raises(Damaged):
        read_all(WHOLE[:size])


@given(st.binary(max_size=200))
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(Damaged):
        of_bytes(content)


def test_a_table_larger_than_its_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def read(offset: int, size: int) -> bytes:
        asked.append(size)
        return WHOLE[offset : offset + size]

    monkeypatch.setattr(elf, "TABLE_BYTES", 300)  # the sections take 320 bytes
    with pytest.raises(Damaged, match="too large"):
        Elf(read)
    assert max(asked) <= 300
