"""Lists of functions that a runtime compiled: while they grow, and with lines that say nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.recorder.symbols import perf_map
from sysmon.recorder.symbols.perf_map import PerfMap


def more(found: PerfMap, path: Path) -> PerfMap:
    fd = os.open(path, os.O_RDONLY)
    try:
        found.more(fd)
    finally:
        os.close(fd)
    return found


def test_a_list_that_grows_within_a_line(tmp_path: Path) -> None:
    path, found = tmp_path / "map", PerfMap()
    path.write_text("1000 10 first\n1020 8 sec")
    assert [more(found, path).of(at) for at in (0xFFF, 0x1000, 0x100F, 0x1010, 0x1020)] == [
        None,
        "first",
        "first",
        None,
        None,
    ]
    with path.open("a") as file:
        file.write("ond of two\n")
    assert [more(found, path).of(at) for at in (0x1000, 0x1027, 0x1028)] == ["first", "second of two", None]


def test_the_later_of_two_functions_at_an_address_counts(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_text("2000 10 later\n1000 10 old\n1000 8 new\n")
    found = more(PerfMap(), path)
    assert [found.of(at) for at in (0x1000, 0x2000)] == ["new", "later"]


def test_lines_and_their_number_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_map, "FUNCTIONS", 3)
    path = tmp_path / "map"
    path.write_text(
        "1000 10 " + "n" * 5000 + "\n" + "".join(f"{at:x} 10 f{at:x}\n" for at in range(0x2000, 0x9000, 0x1000))
    )
    found = more(PerfMap(), path)
    assert found.is_cut and len(found.of(0x1000) or "") == perf_map.NAME_BYTES
    assert [found.of(at) for at in (0x2000, 0x3000, 0x4000)] == ["f2000", "f3000", None]


@given(st.binary(max_size=200))
def test_any_lines_are_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content + b"\n1000 10 last\n")
    assert more(PerfMap(), path).of(0x1000) is not None
