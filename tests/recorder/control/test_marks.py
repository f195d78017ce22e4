"""A mark is a row; beyond the limits it is a loss."""

from __future__ import annotations

import os
from typing import Any

import pytest

from sysmon.bpf.control.messages import MOST_TEXT_BYTES, Mark, Ok, Reason, Refused
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds.remarks import MARK, MOST_MARK_BYTES
from sysmon.recorder.control import marks
from sysmon.recorder.control.marks import Marks
from sysmon.recorder.sample import clock


class Collector:
    """Has the rows, and is its own losses."""

    offset_ns = 1_000

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.lost: list[tuple[str, str]] = []
        self.losses: Any = self

    def add(self, kind: Kind, rows: list[dict[str, Any]]) -> None:
        assert kind is MARK
        self.rows += rows

    def note(self, cause: str, place: str) -> None:
        self.lost.append((cause, place))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    moved = [5_000_000_000]
    monkeypatch.setattr(clock, "boottime_ns", lambda: moved[0])
    return moved


def test_a_row_says_when_who_and_what(now: list[int]) -> None:
    to = Collector()
    assert Marks(to, wanted=True).make(Mark("größer".encode()), 7, 1000) == Ok(5_000_001_000)
    assert to.rows == [{"ts": 5_000_000_000, "pid": 7, "uid": 1000, "text": "größer"}]
    assert MOST_TEXT_BYTES == MOST_MARK_BYTES


def test_ten_in_any_second_and_ten_thousand_in_all(now: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MOST", 13)
    to = Collector()
    of = Marks(to, wanted=True)
    for _ in range(12):
        of.make(Mark(b"x"), 1, 0)
    assert len(to.rows) == 10 and to.lost == [("too many marks", "mark")] * 2
    now[0] += 999_999_999
    assert of.make(Mark(b"x"), 1, 0) == Refused(Reason.TOO_MANY_MARKS)
    now[0] += 1
    assert [type(of.make(Mark(b"x"), 1, 0)) for _ in range(4)] == [Ok, Ok, Ok, Refused]
    assert (len(to.rows), len(to.lost)) == (13, 4)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (b"\x1b[2Ja\r\nb\tc\x00", Reason.NOT_TEXT),
        (b"\x1b[2Ja\r\n\xe2\x80\xaeb\tc", "[2Ja b c"),
        (b"\x1b\n\t", Reason.NOT_TEXT),
        (b"\xff", Reason.NOT_TEXT),
        (b"x" * 201, Reason.TOO_LONG),
    ],
)
def test_no_text_acts(now: list[int], text: bytes, row: str | Reason) -> None:
    to = Collector()
    answer = Marks(to, wanted=True).make(Mark(text), 1, os.getuid())
    if isinstance(row, Reason):
        assert answer == Refused(row) and not to.rows
    else:
        assert to.rows[0]["text"] == row
    assert not to.lost


def test_a_recording_may_be_without_marks() -> None:
    assert Marks(Collector(), wanted=False).make(Mark(b"x"), 1, 0) == Refused(Reason.NOT_RECORDED)
